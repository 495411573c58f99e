// Atomic access to words of shared memory that JavaScript touches through `Atomics`. Compiler builtins rather than
// std::atomic_ref, which libc++ lacked for years.
#ifndef HORNET_BASE_ATOMIC_H_
#define HORNET_BASE_ATOMIC_H_

#include <cstdint>

namespace hornet {

inline uint32_t LoadAcquire(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
inline uint32_t LoadSeqCst(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
inline uint32_t LoadRelaxed(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
inline void StoreRelease(uint32_t* word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }
inline void StoreSeqCst(uint32_t* word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_SEQ_CST); }

// True when `word` held `expected` and now holds `desired`.
inline bool CompareExchange(uint32_t* word, uint32_t expected, uint32_t desired) {
  return __atomic_compare_exchange_n(word, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

}  // namespace hornet

#endif  // HORNET_BASE_ATOMIC_H_

// Bytes too large for a ring, shared by an I/O thread and one worker: the record carries the address, each side drops
// its hold once, the last one frees.
// Thread: any (the hold count is atomic; the bytes are written before the block is published and never after).
// Bounds: of those let go, kPooledBytesMax bytes of used memory are kept for the next ones. The allocator would give
//         them back to the system and get them again for each large response: page faults took a third of its time.
#ifndef HORNET_BASE_BLOCK_H_
#define HORNET_BASE_BLOCK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace hornet {

struct alignas(8) Block {
  static constexpr size_t kPooledBytesMax = 8 * 1024 * 1024;

  std::atomic<uint32_t> holds;
  uint32_t length;      // bytes in use
  uint32_t capacity;    // bytes
  uint32_t used_max;    // bytes that were ever in use, a page at least: so many the system has found memory for
  uint32_t size_class;  // from 1; 0: too small or too large to be kept

  char* data() { return reinterpret_cast<char*>(this + 1); }
  const char* data() const { return reinterpret_cast<const char*>(this + 1); }

  // One hold, length 0. Ends the process when the machine has no memory, as everything else in Node does.
  static Block* Make(uint32_t capacity);
  void Hold() { holds.fetch_add(1, std::memory_order_relaxed); }
  void Drop() {
    if (holds.fetch_sub(1, std::memory_order_acq_rel) == 1) Release();
  }

  // Gives what is kept back to the allocator.
  static void TrimPool();
  // Bytes of used memory that are kept.
  static size_t pooled_bytes();

  static Block* FromHalves(uint32_t low, uint32_t high) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses travel through records in halves
    return reinterpret_cast<Block*>(static_cast<uintptr_t>(static_cast<uint64_t>(high) << 32 | low));
  }
  uint32_t low() const { return static_cast<uint32_t>(address()); }
  uint32_t high() const { return static_cast<uint32_t>(address() >> 32); }

 private:
  void Release();
  uint64_t address() const { return reinterpret_cast<uintptr_t>(this); }
};

}  // namespace hornet

#endif  // HORNET_BASE_BLOCK_H_

// Numbers that one thread counts and any thread reads, without a lock and without a locked instruction: the only writer
// adds with a plain load and store, which are atomic so that a reader never sees half a number.
// Thread: Add() from the owner alone; value() from any. Readers see each counter's own order, and no order between two.
#ifndef HORNET_BASE_COUNTER_H_
#define HORNET_BASE_COUNTER_H_

#include <atomic>
#include <cstdint>

namespace hornet {

class Counter {
 public:
  void Add(uint64_t amount) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void Subtract(uint64_t amount) {
    value_.store(value_.load(std::memory_order_relaxed) - amount, std::memory_order_relaxed);
  }
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

  void operator++(int) { Add(1); }
  void operator--(int) { Subtract(1); }
  void operator+=(uint64_t amount) { Add(amount); }

 private:
  std::atomic<uint64_t> value_{0};
};
static_assert(sizeof(Counter) == sizeof(uint64_t));

}  // namespace hornet

#endif  // HORNET_BASE_COUNTER_H_

// Bytes too large for a ring, shared by an I/O thread and one worker: the record carries the address, each side drops
// its hold once, the last one frees.
// Thread: any (the hold count is atomic; the bytes are written before the block is published and never after).
#ifndef HORNET_BASE_BLOCK_H_
#define HORNET_BASE_BLOCK_H_

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "base/check.h"

namespace hornet {

struct Block {
  std::atomic<uint32_t> holds;
  uint32_t length;    // bytes in use
  uint32_t capacity;  // bytes
  uint32_t reserved;

  char* data() { return reinterpret_cast<char*>(this + 1); }
  const char* data() const { return reinterpret_cast<const char*>(this + 1); }

  // One hold, length 0. Ends the process when the machine has no memory, as everything else in Node does.
  static Block* Make(uint32_t capacity) {
    void* memory = std::malloc(sizeof(Block) + capacity);
    CHECK(memory != nullptr);
    Block* block = new (memory) Block;
    block->holds.store(1, std::memory_order_relaxed);
    block->length = 0;
    block->capacity = capacity;
    return block;
  }
  void Hold() { holds.fetch_add(1, std::memory_order_relaxed); }
  void Drop() {
    if (holds.fetch_sub(1, std::memory_order_acq_rel) == 1) std::free(this);
  }

  static Block* FromHalves(uint32_t low, uint32_t high) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses travel through records in halves
    return reinterpret_cast<Block*>(static_cast<uintptr_t>(static_cast<uint64_t>(high) << 32 | low));
  }
  uint32_t low() const { return static_cast<uint32_t>(address()); }
  uint32_t high() const { return static_cast<uint32_t>(address() >> 32); }

 private:
  uint64_t address() const { return reinterpret_cast<uintptr_t>(this); }
};

}  // namespace hornet

#endif  // HORNET_BASE_BLOCK_H_

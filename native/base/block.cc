#include "base/block.h"

#include <cstdlib>
#include <mutex>
#include <new>

#include "base/check.h"

namespace hornet {

namespace {

// Sizes are rounded up to a power of two from 16 KiB to 1 MiB. The rest of a block costs nothing: memory that nobody
// writes to is not there.
constexpr uint32_t kClassBytesMin = 16 * 1024;
constexpr uint32_t kClasses = 7;
// A block has touched its first page however little it held: so the bound is one of their number as well.
constexpr uint32_t kPageBytes = 4096;

// The address sanitizer is to see who uses a block that was let go.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeepsBlocks = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kKeepsBlocks = false;
#else
constexpr bool kKeepsBlocks = true;
#endif
#else
constexpr bool kKeepsBlocks = true;
#endif

// Blocks that nobody holds, by class; the latest first, whose memory is most likely still cached.
class Pool {
 public:
  Block* Take(uint32_t size_class) {
    std::lock_guard<std::mutex> lock(mutex_);
    Entry* entry = first_[size_class - 1];
    if (entry == nullptr) return nullptr;
    first_[size_class - 1] = entry->next;
    bytes_ -= entry->block.used_max;
    return &entry->block;
  }

  bool Put(Block* block) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (bytes_ + block->used_max > Block::kPooledBytesMax) return false;
    bytes_ += block->used_max;
    auto* entry = reinterpret_cast<Entry*>(block);
    entry->next = first_[block->size_class - 1];
    first_[block->size_class - 1] = entry;
    return true;
  }

  void Trim() {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Entry*& first : first_) {
      while (Entry* entry = first) {
        first = entry->next;
        std::free(entry);
      }
    }
    bytes_ = 0;
  }

  size_t bytes() {
    std::lock_guard<std::mutex> lock(mutex_);
    return bytes_;
  }

 private:
  // The link lies where the bytes were.
  struct Entry {
    Block block;
    Entry* next;
  };
  std::mutex mutex_;
  Entry* first_[kClasses] = {};
  size_t bytes_ = 0;
};

// Never destroyed: threads may outlive the end of main.
Pool& ThePool() {
  static Pool* pool = new Pool;
  return *pool;
}

uint32_t ClassOf(uint32_t capacity) {
  // Less is not worth a lock.
  if (!kKeepsBlocks || capacity < kClassBytesMin / 2) return 0;
  uint32_t size_class = 1;
  for (uint32_t bytes = kClassBytesMin; bytes < capacity; bytes *= 2) {
    if (++size_class > kClasses) return 0;
  }
  return size_class;
}

}  // namespace

Block* Block::Make(uint32_t capacity) {
  const uint32_t size_class = ClassOf(capacity);
  Block* block = size_class == 0 ? nullptr : ThePool().Take(size_class);
  if (block == nullptr) {
    const size_t bytes = size_class == 0 ? capacity : size_t{kClassBytesMin} << (size_class - 1);
    void* memory = std::malloc(sizeof(Block) + bytes);
    CHECK(memory != nullptr);
    block = new (memory) Block;
    block->used_max = kPageBytes;
    block->size_class = size_class;
  }
  block->holds.store(1, std::memory_order_relaxed);
  block->length = 0;
  block->capacity = capacity;
  return block;
}

void Block::Release() {
  if (length > used_max) used_max = length;
  if (size_class == 0 || !ThePool().Put(this)) std::free(this);
}

void Block::TrimPool() { ThePool().Trim(); }

size_t Block::pooled_bytes() { return ThePool().bytes(); }

}  // namespace hornet

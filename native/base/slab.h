// Fixed-address pool of T in chunks, each slot with a generation: what must survive a turn travels as (index,
// generation), and a stale pair finds nothing.
// Thread: one. Bounds: `capacity` slots; Acquire returns null beyond it. Chunks are kept for reuse once made.
#ifndef HORNET_BASE_SLAB_H_
#define HORNET_BASE_SLAB_H_

#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/check.h"

namespace hornet {

struct SlabId {
  uint32_t index = 0;
  uint32_t generation = 0;
};

template <class T>
class Slab {
 public:
  // Indices begin at `first`: so it is known which of two slabs one is of.
  explicit Slab(uint32_t capacity, uint32_t first = 0) : capacity_(capacity), first_(first) {}
  ~Slab() { DCHECK(live_ == 0); }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  // T is constructed as T(SlabId, args...).
  template <class... Args>
  T* Acquire(Args&&... args) {
    if (free_ == kNone && !Grow()) return nullptr;
    Slot* slot = At(free_);
    uint32_t index = free_;
    free_ = slot->next_free;
    slot->live = true;
    live_++;
    return new (slot->storage) T(SlabId{first_ + index, slot->generation}, std::forward<Args>(args)...);
  }
  void Release(SlabId id) {
    const uint32_t index = id.index - first_;
    Slot* slot = At(index);
    CHECK(slot->live && slot->generation == id.generation);
    reinterpret_cast<T*>(slot->storage)->~T();
    slot->live = false;
    slot->generation++;
    slot->next_free = free_;
    free_ = index;
    live_--;
  }
  T* Find(uint32_t index, uint32_t generation) {
    index -= first_;
    if (index >= chunks_.size() * kChunkSlots) return nullptr;
    Slot* slot = At(index);
    return slot->live && slot->generation == generation ? reinterpret_cast<T*>(slot->storage) : nullptr;
  }
  template <class Visit>
  void ForEach(Visit visit) {
    for (uint32_t i = 0; i < chunks_.size() * kChunkSlots; i++) {
      if (At(i)->live) visit(reinterpret_cast<T*>(At(i)->storage));
    }
  }
  // For a walk in parts: slot `index` of slots(), null when it is empty.
  T* Peek(uint32_t index) { return At(index)->live ? reinterpret_cast<T*>(At(index)->storage) : nullptr; }
  uint32_t slots() const { return static_cast<uint32_t>(chunks_.size()) * kChunkSlots; }
  uint32_t live() const { return live_; }
  uint32_t capacity() const { return capacity_; }
  size_t memory_bytes() const { return chunks_.size() * kChunkSlots * sizeof(Slot); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kChunkSlots = 64;
  struct Slot {
    uint32_t generation = 1;
    uint32_t next_free = kNone;
    bool live = false;
    alignas(T) unsigned char storage[sizeof(T)];
  };

  Slot* At(uint32_t index) { return &chunks_[index / kChunkSlots][index % kChunkSlots]; }
  bool Grow() {
    uint32_t have = static_cast<uint32_t>(chunks_.size()) * kChunkSlots;
    if (have >= capacity_) return false;
    chunks_.emplace_back(new Slot[kChunkSlots]);
    uint32_t end = have + kChunkSlots < capacity_ ? have + kChunkSlots : capacity_;
    for (uint32_t i = end; i > have; i--) {
      At(i - 1)->next_free = free_;
      free_ = i - 1;
    }
    return true;
  }

  uint32_t capacity_;
  const uint32_t first_;
  uint32_t free_ = kNone;
  uint32_t live_ = 0;
  std::vector<std::unique_ptr<Slot[]>> chunks_;
};

}  // namespace hornet

#endif  // HORNET_BASE_SLAB_H_

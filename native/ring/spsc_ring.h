// A bounded byte ring between two threads: variable-length records, one writer, one reader.
//
// Producer:  exactly one thread, through RingProducer. Consumer: exactly one thread, through RingConsumer. Either side
//            may be JavaScript (src/seam/inbox.ts reads, src/seam/outbox.ts writes) with the same rules.
// Publish:   the producer fills the record, then stores `tail` (seq_cst, which includes release). The consumer loads
//            `tail` with acquire, so it sees the whole record.
// Give back: the consumer stores `head` (seq_cst, which includes release) after its last read; the producer loads it
//            with acquire before it writes there again.
// Full:      Reserve() returns null and changes nothing that the consumer can see; the caller pauses its source.
// Wake:      not here. A side that wants to sleep stores its "asleep" word (seq_cst) and then looks at `tail` once
//            more (seq_cst); a producer stores `tail` (seq_cst) and then loads the word (seq_cst). In the single total
//            order of those four operations either the store to `tail` precedes the sleeper's last look, and it stays
//            up, or it follows it, and then so does the producer's load of the word, which reads 1 and wakes. So no
//            wake is lost. A producer that wakes first takes the word from 1 to 0, so it wakes once per sleep. A
//            producer that waits for room does the same with its "starved" word and `head`: all four operations must
//            be seq_cst there as well, since a mere release store may still be on its way while the word is loaded.
// Payload:   lies in the record itself; blocks named by a record are counted (base/block.h).
// Close:     the memory outlives both sides (the master owns it). What is published stays readable after either side
//            died; a record being written when the producer died was never published and is never seen.
//
// Positions are byte counts that only grow and wrap at 2^32; masking happens at the access. Each side keeps a cached
// copy of the other's position and reloads it only when the cache says "full" or "empty".
#ifndef HORNET_RING_SPSC_RING_H_
#define HORNET_RING_SPSC_RING_H_

#include <cstdint>

#include "base/atomic.h"
#include "base/check.h"
#include "ring/records.h"

namespace hornet {

struct RecordHeader {
  uint32_t length;
  uint32_t kind;
};

constexpr uint32_t AlignRecord(uint32_t length) {
  return (length + (kRecordAlignment - 1)) & ~(kRecordAlignment - 1);
}

class RingProducer {
 public:
  // `capacity` is a power of two.
  RingProducer(uint32_t* tail, const uint32_t* head, uint8_t* data, uint32_t capacity)
      : shared_tail_(tail), shared_head_(head), data_(data), capacity_(capacity), tail_(*tail), head_(*head) {
    CHECK((capacity & (capacity - 1)) == 0 && capacity >= 1024);
  }

  // The longest record that always finds room once the ring is empty: a pad before it may take as much again.
  uint32_t record_bytes_max() const { return capacity_ / 2; }

  // Room for a record of `length` bytes (a multiple of 8, at most record_bytes_max()), or null when full. The record's
  // position is next_position() after a successful call.
  uint8_t* Reserve(uint32_t length) {
    DCHECK(length % kRecordAlignment == 0 && length <= record_bytes_max());
    uint32_t offset = tail_ & (capacity_ - 1);
    uint32_t to_end = capacity_ - offset;
    uint32_t pad = to_end < length ? to_end : 0;
    uint32_t need = length + pad;
    if (capacity_ - (tail_ - head_) < need) {
      head_ = LoadAcquire(shared_head_);
      if (capacity_ - (tail_ - head_) < need) return nullptr;
    }
    if (pad != 0) {
      auto* header = reinterpret_cast<RecordHeader*>(data_ + offset);
      header->length = pad;
      header->kind = kPad;
      tail_ += pad;
      offset = 0;
    }
    return data_ + offset;
  }
  uint32_t next_position() const { return tail_; }
  // Publishes the record just reserved.
  void Publish(uint32_t length) {
    tail_ += length;
    StoreSeqCst(shared_tail_, tail_);
  }
  // True when the consumer has moved past the record at `position`. Ask only about records published within the last
  // 2^31 bytes: an older position looks like one that is still to come.
  bool IsConsumed(uint32_t position) {
    if (static_cast<int32_t>(head_ - position) > 0) return true;
    head_ = LoadAcquire(shared_head_);
    return static_cast<int32_t>(head_ - position) > 0;
  }
  uint8_t* At(uint32_t position) { return data_ + (position & (capacity_ - 1)); }

 private:
  uint32_t* shared_tail_;
  const uint32_t* shared_head_;
  uint8_t* data_;
  uint32_t capacity_;
  uint32_t tail_;  // ours
  uint32_t head_;  // the consumer's, as last seen
};

class RingConsumer {
 public:
  RingConsumer(const uint32_t* tail, uint32_t* head, const uint8_t* data, uint32_t capacity)
      : shared_tail_(tail), shared_head_(head), data_(data), capacity_(capacity), tail_(*head), head_(*head) {
    CHECK((capacity & (capacity - 1)) == 0 && capacity >= 1024);
  }

  // The oldest record, or null when there is none. Stays valid until Release().
  const uint8_t* Front() {
    for (;;) {
      if (head_ == tail_) {
        tail_ = LoadAcquire(shared_tail_);
        if (head_ == tail_) return nullptr;
      }
      const uint8_t* at = data_ + (head_ & (capacity_ - 1));
      const auto* header = reinterpret_cast<const RecordHeader*>(at);
      CHECK(header->length >= 8 && header->length <= tail_ - head_);
      if (header->kind != kPad) return at;
      head_ += header->length;
    }
  }
  void Pop() { head_ += reinterpret_cast<const RecordHeader*>(data_ + (head_ & (capacity_ - 1)))->length; }
  // Gives the memory of everything popped back to the producer. Look at the producer's "starved" word afterwards.
  void Release() { StoreSeqCst(shared_head_, head_); }
  // For the sleeper's last look.
  bool HasMore() const { return LoadSeqCst(shared_tail_) != head_; }

 private:
  const uint32_t* shared_tail_;
  uint32_t* shared_head_;
  const uint8_t* data_;
  uint32_t capacity_;
  uint32_t tail_;  // the producer's, as last seen
  uint32_t head_;  // ours
};

}  // namespace hornet

#endif  // HORNET_RING_SPSC_RING_H_

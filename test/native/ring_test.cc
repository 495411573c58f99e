// The ring on one thread: its edges, on every side of the wrap of its positions.
#include "ring/spsc_ring.h"

#include <cstring>
#include <utility>

#include "harness.h"

namespace hornet {

namespace {

constexpr uint32_t kCapacity = 1024;

// A ring whose positions start at `start`, as if that many bytes had gone through it.
struct Ring {
  explicit Ring(uint32_t start)
      : tail(start), head(start), producer(&tail, &head, data, kCapacity), consumer(&tail, &head, data, kCapacity) {}

  // Publishes a record of `length` bytes whose content follows from `seed`; false when full.
  bool Push(uint32_t length, uint8_t seed) {
    uint8_t* at = producer.Reserve(length);
    if (at == nullptr) return false;
    Fill(at, length, seed);
    producer.Publish(length);
    return true;
  }
  // True when the front record is the one Push() made of the same numbers; pops and releases it.
  bool Take(uint32_t length, uint8_t seed) {
    const uint8_t* at = consumer.Front();
    if (at == nullptr || !IsRecord(at, length, seed)) return false;
    consumer.Pop();
    consumer.Release();
    return true;
  }

  static void Fill(uint8_t* at, uint32_t length, uint8_t seed) {
    auto* header = reinterpret_cast<RecordHeader*>(at);
    header->length = length;
    header->kind = kRespond;
    std::memset(at + sizeof(RecordHeader), seed, length - sizeof(RecordHeader));
  }
  static bool IsRecord(const uint8_t* at, uint32_t length, uint8_t seed) {
    const auto* header = reinterpret_cast<const RecordHeader*>(at);
    if (header->length != length || header->kind != kRespond) return false;
    for (uint32_t i = sizeof(RecordHeader); i < length; ++i) {
      if (at[i] != seed) return false;
    }
    return true;
  }

  uint32_t tail;
  uint32_t head;
  alignas(8) uint8_t data[kCapacity] = {};
  RingProducer producer;
  RingConsumer consumer;
};

// Where a ring may stand: at its start, and so that a position passes 2^32 at once, in the middle, at the ring's end.
constexpr uint32_t kStarts[] = {0, 0u - 8, 0u - 512, 0u - kCapacity, 0x80000000u - 8};

}  // namespace

TEST(AnEmptyRingHasNoFront) {
  for (const uint32_t start : kStarts) {
    Ring ring(start);
    EXPECT(ring.consumer.Front() == nullptr);
    EXPECT(!ring.consumer.HasMore());
    EXPECT(ring.Push(24, 1));
    EXPECT(ring.consumer.HasMore());
    EXPECT(ring.Take(24, 1));
    EXPECT(ring.consumer.Front() == nullptr);
    EXPECT(!ring.consumer.HasMore());
  }
}

TEST(ARecordIsUnseenUntilItIsPublished) {
  for (const uint32_t start : kStarts) {
    Ring ring(start);
    uint8_t* at = ring.producer.Reserve(64);
    EXPECT(at != nullptr);
    Ring::Fill(at, 64, 7);
    EXPECT(ring.consumer.Front() == nullptr);
    EXPECT_EQ(ring.tail, start);
    // The producer may change its mind about the record, but not about the place.
    EXPECT(ring.producer.Reserve(32) == at);
    Ring::Fill(at, 32, 8);
    ring.producer.Publish(32);
    EXPECT(ring.Take(32, 8));
    EXPECT(ring.consumer.Front() == nullptr);
  }
}

TEST(RecordsLeaveInTheOrderTheyCame) {
  for (const uint32_t start : kStarts) {
    Ring ring(start);
    for (uint8_t i = 0; i < 10; ++i) EXPECT(ring.Push(24 + 8u * i, i));
    for (uint8_t i = 0; i < 10; ++i) EXPECT(ring.Take(24 + 8u * i, i));
  }
}

TEST(AFullRingRefusesAndNothingTheConsumerSeesChanges) {
  for (const uint32_t start : kStarts) {
    Ring ring(start);
    uint8_t count = 0;
    // 128 divides the capacity and every start but the odd ones, where a pad costs up to 128 bytes.
    while (ring.Push(128, count)) ++count;
    EXPECT(count == 8 || count == 7);
    const uint32_t tail = ring.tail;
    const uint32_t head = ring.head;
    uint8_t before[kCapacity];
    std::memcpy(before, ring.data, kCapacity);
    EXPECT(ring.producer.Reserve(128) == nullptr);
    EXPECT_EQ(ring.tail, tail);
    EXPECT_EQ(ring.head, head);
    EXPECT(std::memcmp(before, ring.data, kCapacity) == 0);
    // One record out, one in: full means full of records, not stuck.
    EXPECT(ring.Take(128, 0));
    for (uint8_t i = 1; i < count; ++i) EXPECT(ring.Take(128, i));
    EXPECT(ring.Push(128, 99));
    EXPECT(ring.Take(128, 99));
  }
}

TEST(ExactlyTheCapacityFits) {
  Ring ring(0);
  EXPECT(ring.Push(512, 1));
  EXPECT(ring.Push(512, 2));
  EXPECT(ring.producer.Reserve(8) == nullptr);
  // The room that came back fits too, to the byte, though the producer's copy of the head is old.
  EXPECT(ring.Take(512, 1));
  EXPECT(ring.Push(512, 3));
  EXPECT(ring.producer.Reserve(8) == nullptr);
  EXPECT(ring.Take(512, 2));
  EXPECT(ring.Take(512, 3));
}

TEST(ARecordThatWouldStraddleTheEndStartsOver) {
  for (const uint32_t wrap : {kCapacity, 0u}) {
    // 64 bytes are left up to the ring's end.
    Ring ring(wrap - 64);
    EXPECT(ring.Push(72, 5));
    const auto* pad = reinterpret_cast<const RecordHeader*>(ring.data + kCapacity - 64);
    EXPECT_EQ(pad->length, 64u);
    EXPECT_EQ(pad->kind, static_cast<uint32_t>(kPad));
    EXPECT_EQ(ring.producer.next_position(), wrap + 72);
    EXPECT(ring.consumer.Front() == ring.data);
    EXPECT(ring.Take(72, 5));
    EXPECT_EQ(ring.head, ring.tail);
  }
}

TEST(ARecordThatEndsWithTheRingNeedsNoPad) {
  Ring ring(kCapacity - 64);
  EXPECT(ring.Push(64, 5));
  EXPECT_EQ(ring.producer.next_position(), kCapacity);
  EXPECT(ring.Take(64, 5));
  EXPECT(ring.Push(64, 6));
  EXPECT(ring.consumer.Front() == ring.data);
  EXPECT(ring.Take(64, 6));
}

TEST(APadAndItsRecordAreSeenTogetherOrNotAtAll) {
  Ring ring(kCapacity - 8);
  uint8_t* at = ring.producer.Reserve(128);
  EXPECT(at == ring.data);
  EXPECT(ring.consumer.Front() == nullptr);
  EXPECT(!ring.consumer.HasMore());
  // Reserved again with the pad behind us: another pad would be wrong.
  EXPECT(ring.producer.Reserve(64) == ring.data);
  Ring::Fill(ring.data, 64, 3);
  ring.producer.Publish(64);
  EXPECT(ring.Take(64, 3));
}

TEST(APadThatFindsNoRoomLeavesTheRingAsItWas) {
  Ring ring(0);
  EXPECT(ring.Push(512, 1));
  EXPECT(ring.Push(448, 2));
  // 64 bytes to the end; a pad of 64 and a record of 128 would overtake the consumer.
  EXPECT(ring.producer.Reserve(128) == nullptr);
  EXPECT_EQ(ring.producer.next_position(), 960u);
  EXPECT(ring.Push(64, 3));
  EXPECT(ring.Take(512, 1));
  EXPECT(ring.Take(448, 2));
  EXPECT(ring.Take(64, 3));
}

TEST(TheLargestRecordFitsAnEmptyRingWhereverItStands) {
  for (uint32_t offset = 0; offset < kCapacity; offset += kRecordAlignment) {
    for (const uint32_t base : {0u, 0u - kCapacity}) {
      Ring ring(base + offset);
      const uint32_t length = ring.producer.record_bytes_max();
      EXPECT_EQ(length, kCapacity / 2);
      EXPECT(ring.Push(length, 1));
      EXPECT(ring.Take(length, 1));
      EXPECT_EQ(ring.head, ring.tail);
    }
  }
}

TEST(TheSmallestRecordIsAHeader) {
  Ring ring(0u - 8);
  for (uint32_t i = 0; i < kCapacity / 8; ++i) EXPECT(ring.Push(8, 0));
  EXPECT(!ring.Push(8, 0));
  for (uint32_t i = 0; i < kCapacity / 8; ++i) EXPECT(ring.Take(8, 0));
  EXPECT(ring.consumer.Front() == nullptr);
}

TEST(PoppedRecordsAreTheConsumersUntilRelease) {
  Ring ring(0u - 256);
  EXPECT(ring.Push(256, 1));
  EXPECT(ring.Push(512, 2));
  const uint8_t* first = ring.consumer.Front();
  ring.consumer.Pop();
  const uint8_t* second = ring.consumer.Front();
  ring.consumer.Pop();
  EXPECT(ring.consumer.Front() == nullptr);
  EXPECT(!ring.Push(512, 3));
  EXPECT(Ring::IsRecord(first, 256, 1));
  EXPECT(Ring::IsRecord(second, 512, 2));
  ring.consumer.Release();
  EXPECT(ring.Push(512, 3));
  EXPECT(ring.Take(512, 3));
}

TEST(IsConsumedTellsARecordsFate) {
  for (const uint32_t start : kStarts) {
    Ring ring(start);
    uint8_t* at = ring.producer.Reserve(64);
    const uint32_t first = ring.producer.next_position();
    Ring::Fill(at, 64, 1);
    ring.producer.Publish(64);
    at = ring.producer.Reserve(64);
    const uint32_t second = ring.producer.next_position();
    Ring::Fill(at, 64, 2);
    ring.producer.Publish(64);

    EXPECT(!ring.producer.IsConsumed(first));
    EXPECT(Ring::IsRecord(ring.producer.At(first), 64, 1));
    EXPECT(Ring::IsRecord(ring.producer.At(second), 64, 2));
    EXPECT(ring.consumer.Front() != nullptr);
    ring.consumer.Pop();
    EXPECT(!ring.producer.IsConsumed(first));  // popped, and still the consumer's
    ring.consumer.Release();
    EXPECT(ring.producer.IsConsumed(first));
    EXPECT(!ring.producer.IsConsumed(second));
    EXPECT(ring.Take(64, 2));
    EXPECT(ring.producer.IsConsumed(second));
    EXPECT(ring.producer.IsConsumed(first));
  }
}

// Thousands of records of every length, checked against a list, across the wrap of the ring and of the positions.
TEST(ALongRunKeepsEveryRecord) {
  Ring ring(0u - 20 * kCapacity);
  std::vector<std::pair<uint32_t, uint8_t>> inside;
  uint32_t random = 2463534242;
  uint8_t seed = 0;
  for (int step = 0; step < 20'000; ++step) {
    random = random * 1664525 + 1013904223;
    const uint32_t length = 8 + 8 * ((random >> 8) % 64);
    if ((random >> 28) < 9) {
      if (ring.Push(length, seed)) inside.emplace_back(length, seed++);
    } else if (!inside.empty()) {
      EXPECT(ring.Take(inside.front().first, inside.front().second));
      inside.erase(inside.begin());
    } else {
      EXPECT(ring.consumer.Front() == nullptr);
    }
  }
  for (const auto& [length, content] : inside) EXPECT(ring.Take(length, content));
  EXPECT(ring.consumer.Front() == nullptr);
  EXPECT_EQ(ring.head, ring.tail);
}

// A side that starts anew over the same memory goes on where the words stand.
TEST(AProducerThatDiedMidRecordIsNeverSeen) {
  Ring ring(0u - 100 * 8);
  EXPECT(ring.Push(64, 1));
  Ring::Fill(ring.producer.Reserve(512), 512, 2);  // and dies here
  RingProducer next(&ring.tail, &ring.head, ring.data, kCapacity);
  EXPECT(ring.Take(64, 1));
  EXPECT(ring.consumer.Front() == nullptr);
  Ring::Fill(next.Reserve(24), 24, 3);
  next.Publish(24);
  EXPECT(ring.Take(24, 3));
}

TEST(AlignmentRoundsUpToEight) {
  EXPECT_EQ(AlignRecord(8), 8u);
  EXPECT_EQ(AlignRecord(9), 16u);
  EXPECT_EQ(AlignRecord(15), 16u);
  EXPECT_EQ(AlignRecord(0), 0u);
}

}  // namespace hornet

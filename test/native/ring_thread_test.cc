// The ring between two threads, under the thread sanitizer: contents, both wakes, a dead reader, and the claim.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "harness.h"
#include "ring/spsc_ring.h"

namespace hornet {

namespace {

constexpr uint32_t kCapacity = 1024;
constexpr uint32_t kRecords = 200'000;
// So that positions pass 2^32 early in each test.
constexpr uint32_t kStart = 0u - 64 * kCapacity;

// xorshift32: both sides make the same numbers of the same seed.
class Random {
 public:
  explicit Random(uint32_t seed) : state_(seed) {}
  uint32_t Below(uint32_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_ % bound;
  }

 private:
  uint32_t state_;
};

// Stands for uv_async_send: a wake is kept until the sleeper comes for it.
class Bell {
 public:
  void Ring() {
    std::lock_guard<std::mutex> lock(mutex_);
    is_rung_ = true;
    condition_.notify_one();
  }
  // Ends the process when no wake comes: there is nothing left to do then.
  void Wait(const char* sleeper) {
    std::unique_lock<std::mutex> lock(mutex_);
    // wait_until on the system clock: the wait on the steady one is unknown to gcc 12's thread sanitizer.
    const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(30);
    if (!condition_.wait_until(lock, deadline, [this] { return is_rung_; })) {
      printf("  a wake never came: the %s sleeps with work to do\n", sleeper);
      fflush(stdout);
      abort();
    }
    is_rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool is_rung_ = false;
};

struct Shared {
  alignas(128) uint32_t tail = kStart;
  alignas(128) uint32_t head = kStart;
  alignas(128) uint32_t asleep = 0;   // the consumer's
  alignas(128) uint32_t starved = 0;  // the producer's
  alignas(128) uint8_t data[kCapacity] = {};
  Bell consumer_bell;
  Bell producer_bell;
};

void FillRecord(uint8_t* at, uint32_t length, uint32_t number) {
  auto* header = reinterpret_cast<RecordHeader*>(at);
  header->length = length;
  header->kind = kRaw;
  for (uint32_t i = sizeof(RecordHeader); i < length; i += sizeof(number)) std::memcpy(at + i, &number, sizeof(number));
}

bool IsRecord(const uint8_t* at, uint32_t length, uint32_t number) {
  const auto* header = reinterpret_cast<const RecordHeader*>(at);
  if (header->length != length || header->kind != kRaw) return false;
  for (uint32_t i = sizeof(RecordHeader); i < length; i += sizeof(number)) {
    if (std::memcmp(at + i, &number, sizeof(number)) != 0) return false;
  }
  return true;
}

uint32_t LengthOf(Random* random) { return 8 + 8 * random->Below(kCapacity / 16); }

void WakeIf(uint32_t* word, Bell* bell) {
  if (LoadSeqCst(word) != 0 && CompareExchange(word, 1, 0)) bell->Ring();
}

// Publishes every record, sleeping when the ring is full; returns how often.
uint32_t Produce(Shared* shared, uint32_t batch_max) {
  RingProducer producer(&shared->tail, &shared->head, shared->data, kCapacity);
  Random random(7);
  Random batches(8);
  uint32_t sleeps = 0;
  uint32_t batch = 1;
  for (uint32_t number = 0; number < kRecords; ++number) {
    const uint32_t length = LengthOf(&random);
    uint8_t* at = producer.Reserve(length);
    while (at == nullptr) {
      // Whatever was published without a wake must be seen before we sleep.
      WakeIf(&shared->asleep, &shared->consumer_bell);
      StoreSeqCst(&shared->starved, 1);
      at = producer.Reserve(length);
      if (at != nullptr) {
        StoreSeqCst(&shared->starved, 0);
        break;
      }
      ++sleeps;
      shared->producer_bell.Wait("producer");
      at = producer.Reserve(length);
    }
    FillRecord(at, length, number);
    producer.Publish(length);
    if (--batch == 0) {
      WakeIf(&shared->asleep, &shared->consumer_bell);
      batch = 1 + batches.Below(batch_max);
    }
  }
  WakeIf(&shared->asleep, &shared->consumer_bell);
  return sleeps;
}

// Reads and checks every record, sleeping when there is none; returns how often.
uint32_t Consume(Shared* shared) {
  RingConsumer consumer(&shared->tail, &shared->head, shared->data, kCapacity);
  Random random(7);
  uint32_t sleeps = 0;
  uint32_t number = 0;
  while (number < kRecords) {
    bool any = false;
    while (const uint8_t* at = consumer.Front()) {
      any = true;
      if (!IsRecord(at, LengthOf(&random), number)) {
        EXPECT_EQ(number, UINT32_MAX);  // names the record that is wrong
        abort();
      }
      ++number;
      consumer.Pop();
    }
    if (any) {
      consumer.Release();
      WakeIf(&shared->starved, &shared->producer_bell);
    }
    if (number == kRecords) break;
    StoreSeqCst(&shared->asleep, 1);
    if (consumer.HasMore()) {
      StoreSeqCst(&shared->asleep, 0);
      continue;
    }
    ++sleeps;
    shared->consumer_bell.Wait("consumer");
  }
  return sleeps;
}

}  // namespace

TEST(EveryRecordArrivesAndNoWakeIsLost) {
  for (const uint32_t batch_max : {1u, 3u}) {
    auto shared = std::make_unique<Shared>();
    uint32_t producer_sleeps = 0;
    std::thread producer([&] { producer_sleeps = Produce(shared.get(), batch_max); });
    const uint32_t consumer_sleeps = Consume(shared.get());
    producer.join();
    printf("  batches up to %u: the producer slept %u times, the consumer %u times\n", batch_max, producer_sleeps,
           consumer_sleeps);
    EXPECT(producer_sleeps + consumer_sleeps > 100);
    EXPECT_EQ(shared->head, shared->tail);
  }
}

// One record at a time, there and back: each side sleeps between any two, so each wake of both is needed.
TEST(TwoRingsInTurnsLoseNoWake) {
  constexpr uint32_t kTurns = 50'000;
  auto there = std::make_unique<Shared>();
  auto back = std::make_unique<Shared>();
  const auto run = [](Shared* in, Shared* out, bool is_first) {
    RingConsumer consumer(&in->tail, &in->head, in->data, kCapacity);
    RingProducer producer(&out->tail, &out->head, out->data, kCapacity);
    for (uint32_t turn = 0; turn < kTurns; ++turn) {
      for (int half = 0; half < 2; ++half) {
        if ((half == 0) == is_first) {
          FillRecord(producer.Reserve(24), 24, turn);
          producer.Publish(24);
          WakeIf(&out->asleep, &out->consumer_bell);
          continue;
        }
        while (consumer.Front() == nullptr) {
          StoreSeqCst(&in->asleep, 1);
          if (consumer.HasMore()) {
            StoreSeqCst(&in->asleep, 0);
          } else {
            in->consumer_bell.Wait(is_first ? "first" : "second");
          }
        }
        if (!IsRecord(consumer.Front(), 24, turn)) abort();
        consumer.Pop();
        consumer.Release();
      }
    }
  };
  std::thread other([&] { run(there.get(), back.get(), false); });
  run(back.get(), there.get(), true);
  other.join();
  EXPECT_EQ(there->head, there->tail);
  EXPECT_EQ(back->head, back->tail);
}

// A worker that dies with a record in its hands: the producer fills what is left, is refused, and harms nothing.
TEST(AReaderThatDiesMidRecordLosesNothing) {
  auto shared = std::make_unique<Shared>();
  RingProducer producer(&shared->tail, &shared->head, shared->data, kCapacity);
  uint32_t published = 0;
  const auto fill = [&] {
    while (uint8_t* at = producer.Reserve(120)) {
      FillRecord(at, 120, published++);
      producer.Publish(120);
    }
  };
  fill();
  EXPECT(published > 4);
  std::atomic<bool> is_holding{false};
  std::thread reader([&] {
    RingConsumer consumer(&shared->tail, &shared->head, shared->data, kCapacity);
    EXPECT(IsRecord(consumer.Front(), 120, 0));
    consumer.Pop();
    consumer.Release();
    EXPECT(IsRecord(consumer.Front(), 120, 1));
    consumer.Pop();
    EXPECT(IsRecord(consumer.Front(), 120, 2));
    is_holding.store(true);
    // Ends here: two records read and not given back.
  });
  while (!is_holding.load()) fill();
  reader.join();
  fill();
  const uint32_t tail = shared->tail;
  EXPECT(producer.Reserve(120) == nullptr);
  EXPECT_EQ(shared->tail, tail);
  // Who reads next finds everything that was not given back, in order and whole.
  RingConsumer next(&shared->tail, &shared->head, shared->data, kCapacity);
  uint32_t number = 1;
  while (const uint8_t* at = next.Front()) {
    EXPECT(IsRecord(at, 120, number));
    ++number;
    next.Pop();
  }
  EXPECT_EQ(number, published);
}

// The I/O thread takes requests back while the worker claims them: each goes to exactly one of the two.
TEST(ARequestIsClaimedOrTakenBackNeverBoth) {
  constexpr uint32_t kRequests = 100'000;
  constexpr uint32_t kLength = sizeof(RequestRecord) + 16;
  auto shared = std::make_unique<Shared>();
  std::vector<uint8_t> claimed(kRequests, 0);
  std::vector<uint8_t> taken(kRequests, 0);
  std::thread worker([&] {
    RingConsumer consumer(&shared->tail, &shared->head, shared->data, kCapacity);
    uint32_t seen = 0;
    while (seen < kRequests) {
      const uint8_t* at = consumer.Front();
      if (at == nullptr) {
        std::this_thread::yield();
        continue;
      }
      // The record is the worker's to change in one word only.
      auto* record = const_cast<RequestRecord*>(reinterpret_cast<const RequestRecord*>(at));
      if (record->exchange != seen) abort();
      if (CompareExchange(&record->claim, kUnclaimed, kClaimed)) {
        if (std::memcmp(record + 1, &seen, sizeof(seen)) != 0) abort();
        ++claimed[seen];
      }
      ++seen;
      consumer.Pop();
      consumer.Release();
      // A worker's pace varies; now and then the other side shall overtake it.
      if (seen % 64 == 0) std::this_thread::yield();
    }
  });
  RingProducer producer(&shared->tail, &shared->head, shared->data, kCapacity);
  std::vector<uint32_t> positions(kRequests);
  Random random(3);
  const auto take_back = [&](uint32_t number) {
    if (producer.IsConsumed(positions[number])) return;
    auto* record = reinterpret_cast<RequestRecord*>(producer.At(positions[number]));
    if (!CompareExchange(&record->claim, kUnclaimed, kTakenBack)) return;
    if (record->exchange != number || std::memcmp(record + 1, &number, sizeof(number)) != 0) abort();
    ++taken[number];
  };
  for (uint32_t number = 0; number < kRequests; ++number) {
    uint8_t* at = producer.Reserve(kLength);
    for (; at == nullptr; at = producer.Reserve(kLength)) {
      take_back(number - 1 - random.Below(number < 8 ? number : 8));
      std::this_thread::yield();
    }
    auto* record = reinterpret_cast<RequestRecord*>(at);
    std::memset(record, 0, sizeof(*record));
    record->length = kLength;
    record->kind = kRequest;
    record->claim = kUnclaimed;
    record->exchange = number;
    std::memcpy(record + 1, &number, sizeof(number));
    positions[number] = producer.next_position();
    producer.Publish(kLength);
    if (random.Below(3) == 0) take_back(number - random.Below(number < 8 ? number + 1 : 8));
  }
  worker.join();
  uint32_t claims = 0;
  for (uint32_t number = 0; number < kRequests; ++number) {
    if (claimed[number] + taken[number] != 1) EXPECT_EQ(number, UINT32_MAX);  // names the request
    claims += claimed[number];
  }
  printf("  %u claimed, %u taken back\n", claims, kRequests - claims);
  EXPECT(claims > 0 && claims < kRequests);
}

// Two workers, each busy for a while now and then. What one has not begun is moved to the other, also back again, the
// oldest first: every request runs once, in one of the two.
TEST(RequestsMoveBetweenTwoWorkersAndEachRunsOnce) {
  constexpr uint32_t kRequests = 60'000;
  constexpr uint32_t kLength = sizeof(RequestRecord) + 16;
  struct Waiting {
    uint32_t number;
    uint32_t position;
  };
  std::vector<std::atomic<uint32_t>> runs(kRequests);
  std::atomic<uint32_t> run_count{0};
  std::unique_ptr<Shared> shared[2] = {std::make_unique<Shared>(), std::make_unique<Shared>()};
  std::thread workers[2];
  for (uint32_t which = 0; which < 2; ++which) {
    workers[which] = std::thread([&, which] {
      RingConsumer consumer(&shared[which]->tail, &shared[which]->head, shared[which]->data, kCapacity);
      Random random(11 + which);
      while (run_count.load(std::memory_order_relaxed) < kRequests) {
        const uint8_t* at = consumer.Front();
        if (at == nullptr) {
          std::this_thread::yield();
          continue;
        }
        auto* record = const_cast<RequestRecord*>(reinterpret_cast<const RequestRecord*>(at));
        const uint32_t number = record->exchange;
        if (CompareExchange(&record->claim, kUnclaimed, kClaimed)) {
          if (std::memcmp(record + 1, &number, sizeof(number)) != 0) abort();
          if (random.Below(32) == 0) {
            for (uint32_t i = random.Below(64); i > 0; --i) std::this_thread::yield();
          }
          runs[number].fetch_add(1, std::memory_order_relaxed);
          run_count.fetch_add(1, std::memory_order_relaxed);
        }
        consumer.Pop();
        consumer.Release();
      }
    });
  }
  RingProducer producers[2] = {{&shared[0]->tail, &shared[0]->head, shared[0]->data, kCapacity},
                               {&shared[1]->tail, &shared[1]->head, shared[1]->data, kCapacity}};
  std::deque<Waiting> unclaimed[2];
  uint32_t moves = 0;
  const auto push = [&](uint32_t which, uint32_t number) {
    RingProducer& producer = producers[which];
    uint8_t* at = producer.Reserve(kLength);
    if (at == nullptr) return false;
    auto* record = reinterpret_cast<RequestRecord*>(at);
    std::memset(record, 0, sizeof(*record));
    record->length = kLength;
    record->kind = kRequest;
    record->claim = kUnclaimed;
    record->exchange = number;
    std::memcpy(record + 1, &number, sizeof(number));
    unclaimed[which].push_back({number, producer.next_position()});
    producer.Publish(kLength);
    return true;
  };
  // As Lane::Look(): what was started leaves the list.
  const auto look = [&](uint32_t which) {
    while (!unclaimed[which].empty()) {
      const uint32_t position = unclaimed[which].front().position;
      if (!producers[which].IsConsumed(position) &&
          LoadAcquire(&reinterpret_cast<RequestRecord*>(producers[which].At(position))->claim) != kClaimed) {
        break;
      }
      unclaimed[which].pop_front();
    }
  };
  const auto move = [&](uint32_t from) {
    look(from);
    std::deque<Waiting>& waiting = unclaimed[from];
    for (size_t i = 0, count = waiting.size(); i < count; ++i) {
      const Waiting oldest = waiting.front();
      waiting.pop_front();
      if (producers[from].IsConsumed(oldest.position)) continue;
      auto* record = reinterpret_cast<RequestRecord*>(producers[from].At(oldest.position));
      if (!CompareExchange(&record->claim, kUnclaimed, kTakenBack)) continue;
      if (record->exchange != oldest.number) abort();
      ++moves;
      // The other one has no room: it waits in a queue of ours, which here is to try the first again.
      while (!push(1 - from, oldest.number) && !push(from, oldest.number)) std::this_thread::yield();
    }
  };
  Random random(5);
  for (uint32_t number = 0; number < kRequests; ++number) {
    while (!push(random.Below(2), number)) {
      move(random.Below(2));
      std::this_thread::yield();
    }
    if (random.Below(16) == 0) move(random.Below(2));
  }
  while (run_count.load() < kRequests) {
    move(random.Below(2));
    std::this_thread::yield();
  }
  for (std::thread& worker : workers) worker.join();
  for (uint32_t number = 0; number < kRequests; ++number) {
    if (runs[number].load() != 1) EXPECT_EQ(number, UINT32_MAX);  // names the request
  }
  printf("  %u requests, moved %u times\n", kRequests, moves);
  EXPECT(moves > 100);
}

}  // namespace hornet

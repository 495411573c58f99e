// Times the ring, and prints one JSON line per case. Started by run.mjs.
//
// One thread writes and reads in turns: what the instructions cost. Two threads hand records over as fast as they can,
// neither of them sleeping: what moving the cache lines costs on top.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "ring/spsc_ring.h"

namespace hornet {

namespace {

constexpr uint32_t kCapacity = 256 * 1024;  // a lane's request ring
constexpr uint32_t kBatch = 16;             // records between two releases
constexpr int kRounds = 11;                 // the median of them counts

struct Shared {
  alignas(128) uint32_t tail = 0;
  alignas(128) uint32_t head = 0;
  alignas(128) uint8_t data[kCapacity] = {};
};

double NowNs() {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 std::chrono::steady_clock::now().time_since_epoch())
                                 .count());
}

void Fill(uint8_t* at, uint32_t length, uint32_t number) {
  auto* header = reinterpret_cast<RecordHeader*>(at);
  header->length = length;
  header->kind = kRequest;
  std::memset(at + sizeof(RecordHeader), static_cast<int>(number & 0xff), length - sizeof(RecordHeader));
}

// A reader looks at both ends of a record; anything else it would find in its cache afterwards.
void Check(const uint8_t* at, uint32_t length, uint32_t number) {
  if (reinterpret_cast<const RecordHeader*>(at)->length == length && at[length - 1] == (number & 0xff)) return;
  fprintf(stderr, "record %u is not what was written\n", number);
  exit(1);
}

void OneThread(uint32_t length, uint32_t count) {
  auto shared = std::make_unique<Shared>();
  RingProducer producer(&shared->tail, &shared->head, shared->data, kCapacity);
  RingConsumer consumer(&shared->tail, &shared->head, shared->data, kCapacity);
  for (uint32_t number = 0; number < count; number += kBatch) {
    for (uint32_t i = 0; i < kBatch; ++i) {
      Fill(producer.Reserve(length), length, number + i);
      producer.Publish(length);
    }
    for (uint32_t i = 0; i < kBatch; ++i) {
      Check(consumer.Front(), length, number + i);
      consumer.Pop();
    }
    consumer.Release();
  }
}

void TwoThreads(uint32_t length, uint32_t count) {
  auto shared = std::make_unique<Shared>();
  std::thread reader([&] {
    RingConsumer consumer(&shared->tail, &shared->head, shared->data, kCapacity);
    for (uint32_t number = 0; number < count;) {
      const uint8_t* at = consumer.Front();
      if (at == nullptr) {
        std::this_thread::yield();
        continue;
      }
      for (uint32_t i = 0; i < kBatch && at != nullptr; ++i, at = consumer.Front()) {
        Check(at, length, number++);
        consumer.Pop();
      }
      consumer.Release();
    }
  });
  RingProducer producer(&shared->tail, &shared->head, shared->data, kCapacity);
  for (uint32_t number = 0; number < count; ++number) {
    uint8_t* at = producer.Reserve(length);
    for (; at == nullptr; at = producer.Reserve(length)) std::this_thread::yield();
    Fill(at, length, number);
    producer.Publish(length);
  }
  reader.join();
}

void Time(const char* threads, void (*run)(uint32_t, uint32_t), uint32_t length, uint32_t count) {
  run(length, count / 4);
  std::vector<double> ns;
  for (int round = 0; round < kRounds; ++round) {
    const double start = NowNs();
    run(length, count);
    ns.push_back((NowNs() - start) / count);
  }
  std::sort(ns.begin(), ns.end());
  printf("{\"threads\":\"%s\",\"bytes\":%u,\"ns\":%.1f,\"nsMin\":%.1f,\"nsMax\":%.1f}\n", threads, length,
         ns[kRounds / 2], ns.front(), ns.back());
  fflush(stdout);
}

}  // namespace

}  // namespace hornet

int main() {
  // A signal, a small request or answer, a browser's request.
  for (const uint32_t length : {24u, 256u, 1024u}) {
    hornet::Time("one", hornet::OneThread, length, 1'600'000);
    hornet::Time("two", hornet::TwoThreads, length, 1'600'000);
  }
  return 0;
}

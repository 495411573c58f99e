// How often each client may do something: so many times a second, and so many at once after a pause (the generic cell
// rate algorithm: one time per client, no timers, no counting down).
// Thread: any. Each part of the table has a lock of its own, held for some ten instructions. Owner: Server.
// Bounds: kClientsMax clients, made once. Where a set is full the client that has the least to make up for is
//         forgotten, which it hardly notices; one over its limit stays.
#ifndef HORNET_NET_CLIENT_RATE_H_
#define HORNET_NET_CLIENT_RATE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <random>

#include "net/client_key.h"

namespace hornet {

class ClientRate {
 public:
  static constexpr uint32_t kParts = 16;
  static constexpr uint32_t kSets = 128;  // of each part
  static constexpr uint32_t kWays = 8;
  static constexpr uint32_t kClientsMax = kParts * kSets * kWays;  // 16384; 24 bytes each

  static constexpr uint32_t kPerSecondMax = 100'000;  // beyond, whole microseconds are too coarse

  // 0 < `per_second` <= kPerSecondMax, `burst` > 0.
  ClientRate(uint32_t per_second, uint32_t burst)
      : interval_us_((1'000'000 + per_second / 2) / per_second),
        slack_us_(interval_us_ * (burst - 1)),
        parts_(new Part[kParts]) {
    std::random_device random;
    seed_ = static_cast<uint64_t>(random()) << 32 | random();
  }

  // True: it may, and that is counted. `now_us` never goes back by more than threads differ.
  bool Take(const IpAddress& client, uint64_t now_us) {
    const ClientKey key = ClientKey::Of(client);
    const uint64_t hash = key.Hash(seed_);
    Part& part = parts_[hash % kParts];
    Entry* set = part.entries[(hash / kParts) % kSets];
    std::lock_guard<std::mutex> lock(part.mutex);
    Entry* entry = &set[0];
    for (uint32_t way = 0; way < kWays; way++) {
      if (set[way].due_us != 0 && set[way].key == key) {
        entry = &set[way];
        break;
      }
      if (set[way].due_us < entry->due_us) entry = &set[way];
    }
    if (!(entry->key == key)) *entry = Entry{key, 0};
    const uint64_t due_us = entry->due_us > now_us ? entry->due_us : now_us;
    if (due_us - now_us > slack_us_) return false;
    entry->due_us = due_us + interval_us_;
    return true;
  }

 private:
  struct Entry {
    ClientKey key;
    uint64_t due_us = 0;  // when the next one would be due at an even pace; 0: free
  };
  struct alignas(64) Part {
    std::mutex mutex;
    Entry entries[kSets][kWays];
  };

  const uint64_t interval_us_;
  const uint64_t slack_us_;
  uint64_t seed_;
  std::unique_ptr<Part[]> parts_;
};

}  // namespace hornet

#endif  // HORNET_NET_CLIENT_RATE_H_

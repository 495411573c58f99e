// Open connections of each client, with a bound for one client.
// Thread: any (a lock, taken as connections come and go and never per request). Owner: Server.
// Bounds: one entry per client with a connection.
#ifndef HORNET_NET_CLIENT_CONNECTIONS_H_
#define HORNET_NET_CLIENT_CONNECTIONS_H_

#include <cstdint>
#include <mutex>
#include <random>
#include <unordered_map>

#include "base/check.h"
#include "net/client_key.h"

namespace hornet {

class ClientConnections {
 public:
  explicit ClientConnections(uint32_t each_max) : each_max_(each_max), counts_(16, Hasher{NewSeed()}) {}

  // False, and nothing counted, when the client has as many as it may.
  bool Enter(const IpAddress& client) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint32_t& count = counts_[ClientKey::Of(client)];
    if (count >= each_max_) return false;
    count++;
    return true;
  }
  void Leave(const IpAddress& client) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = counts_.find(ClientKey::Of(client));
    CHECK(found != counts_.end());
    if (--found->second == 0) counts_.erase(found);
  }
  size_t clients() {
    std::lock_guard<std::mutex> lock(mutex_);
    return counts_.size();
  }

 private:
  struct Hasher {
    uint64_t seed;
    size_t operator()(const ClientKey& key) const { return key.Hash(seed); }
  };
  static uint64_t NewSeed() {
    std::random_device random;
    return static_cast<uint64_t>(random()) << 32 | random();
  }

  const uint32_t each_max_;
  std::mutex mutex_;
  std::unordered_map<ClientKey, uint32_t, Hasher> counts_;
};

}  // namespace hornet

#endif  // HORNET_NET_CLIENT_CONNECTIONS_H_

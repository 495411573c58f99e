// What counts as one client where clients are told apart by address: an IPv4 address, or an IPv6 network of 64 bits. A
// single customer is given that many addresses, so limits by address alone would limit nobody.
#ifndef HORNET_NET_CLIENT_KEY_H_
#define HORNET_NET_CLIENT_KEY_H_

#include <cstdint>
#include <cstring>

#include "base/ip_set.h"

namespace hornet {

struct ClientKey {
  uint64_t high = 0;
  uint64_t low = 0;

  static ClientKey Of(const IpAddress& address) {
    ClientKey key;
    std::memcpy(&key.high, address.bytes, 8);
    if (address.is_v4()) std::memcpy(&key.low, address.bytes + 8, 8);
    return key;
  }
  bool operator==(const ClientKey& other) const { return high == other.high && low == other.low; }
  // `seed` is this process's own, so that nobody can choose addresses that meet in one place of a table.
  uint64_t Hash(uint64_t seed) const {
    uint64_t hash = Mix(high ^ seed);
    return Mix(hash ^ low ^ (seed >> 32 | seed << 32));
  }

 private:
  // The finalizer of MurmurHash3: every bit of the input reaches every bit of the result.
  static uint64_t Mix(uint64_t bits) {
    bits = (bits ^ (bits >> 33)) * 0xff51afd7ed558ccdULL;
    bits = (bits ^ (bits >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return bits ^ (bits >> 33);
  }
};

}  // namespace hornet

#endif  // HORNET_NET_CLIENT_KEY_H_

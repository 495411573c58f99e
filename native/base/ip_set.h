// IP addresses from text, and sets of them as operators write them: addresses and CIDR blocks.
// Pure: values in, values out. Thread: any, once filled.
#ifndef HORNET_BASE_IP_SET_H_
#define HORNET_BASE_IP_SET_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hornet {

// Longest text of an IPv6 address, one with an IPv4 tail: "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".
constexpr size_t kIpTextBytesMax = 45;

// An IPv4 address is kept as the IPv6 address it is mapped to (::ffff:0:0/96), so that both notations are the same one.
struct IpAddress {
  uint8_t bytes[16] = {};

  // False when `text` is no numeric address; zones (%eth0) are none.
  static bool Parse(const char* text, size_t length, IpAddress* out);
  // `address` is the four bytes of an in_addr.
  static IpAddress FromV4(const void* address);
  bool is_v4() const;
  // The usual notation, IPv4 as such; returns the bytes written, at most kIpTextBytesMax. No NUL.
  size_t Write(char* out) const;
};

class IpSet {
 public:
  // "192.0.2.1", "10.0.0.0/8", "2001:db8::/32", or "*" for every address; false for anything else.
  bool Add(const std::string& text);
  bool Contains(const IpAddress& address) const;
  bool empty() const { return blocks_.empty() && !holds_all_; }
  bool holds_all() const { return holds_all_; }

 private:
  struct Block {
    IpAddress address;
    uint32_t prefix_bits;
  };
  std::vector<Block> blocks_;
  bool holds_all_ = false;
};

}  // namespace hornet

#endif  // HORNET_BASE_IP_SET_H_

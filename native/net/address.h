// Socket addresses as text, and back.
#ifndef HORNET_NET_ADDRESS_H_
#define HORNET_NET_ADDRESS_H_

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "base/ip_set.h"

namespace hornet {

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t length = 0;  // bytes of `storage` in use

  // 0, or a negative errno: EINVAL when `host` is no numeric address.
  static int FromNumeric(const std::string& host, uint16_t port, SocketAddress* out);
  static int FromUnixPath(const std::string& path, SocketAddress* out);
  static int OfSocket(int fd, SocketAddress* out);

  int family() const { return storage.ss_family; }
  // Numeric host, without brackets; a mapped IPv4 address keeps its ::ffff: prefix, as in Node. A path for AF_UNIX.
  std::string Host() const;
  uint16_t Port() const;
  // 0.0.0.0 or ::, which stand for all addresses of the machine.
  bool IsAny() const;
  // False when it is none of the internet's.
  bool ToIp(IpAddress* out) const;
  // "host SP port", or nothing when it is none of the internet's. Returns the bytes written, at most
  // kEndpointTextBytesMax; no NUL.
  size_t WriteEndpoint(char* out) const;
};

constexpr uint32_t kEndpointTextBytesMax = kIpTextBytesMax + 1 + 5;

// Bytes of "peer-address SP peer-port SP local-address SP local-port".
constexpr uint32_t kAddressTextBytesMax = 2 * kEndpointTextBytesMax + 1;

}  // namespace hornet

#endif  // HORNET_NET_ADDRESS_H_

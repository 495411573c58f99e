// Socket addresses as text, and back.
#ifndef HORNET_NET_ADDRESS_H_
#define HORNET_NET_ADDRESS_H_

#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace hornet {

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t length = 0;  // bytes of `storage` in use

  // 0, or a negative errno: EINVAL when `host` is no numeric address.
  static int FromNumeric(const std::string& host, uint16_t port, SocketAddress* out);
  static int FromUnixPath(const std::string& path, SocketAddress* out);
  static int OfSocket(int fd, SocketAddress* out);
  static int OfPeer(int fd, SocketAddress* out);

  int family() const { return storage.ss_family; }
  // Numeric host, without brackets; a mapped IPv4 address keeps its ::ffff: prefix, as in Node. A path for AF_UNIX.
  std::string Host() const;
  uint16_t Port() const;
};

// Bytes of "peer-address SP peer-port SP local-address SP local-port": two of the longest IPv6 texts (45), two ports.
constexpr uint32_t kAddressTextBytesMax = 45 + 1 + 5 + 1 + 45 + 1 + 5;

}  // namespace hornet

#endif  // HORNET_NET_ADDRESS_H_

#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <net/if.h>

namespace hornet {

int SocketAddress::FromNumeric(const std::string& host, uint16_t port, SocketAddress* out) {
  *out = SocketAddress();
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out->storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out->length = sizeof(sockaddr_in);
    return 0;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out->storage);
  std::string address = host;
  size_t zone = host.find('%');
  if (zone != std::string::npos) {
    address = host.substr(0, zone);
    v6->sin6_scope_id = if_nametoindex(host.c_str() + zone + 1);
  }
  if (inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) != 1) return -EINVAL;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  out->length = sizeof(sockaddr_in6);
  return 0;
}

int SocketAddress::FromUnixPath(const std::string& path, SocketAddress* out) {
  *out = SocketAddress();
  auto* local = reinterpret_cast<sockaddr_un*>(&out->storage);
  if (path.size() >= sizeof(local->sun_path)) return -ENAMETOOLONG;
  local->sun_family = AF_UNIX;
  std::memcpy(local->sun_path, path.data(), path.size());
  out->length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return 0;
}

int SocketAddress::OfSocket(int fd, SocketAddress* out) {
  out->length = sizeof(out->storage);
  return getsockname(fd, reinterpret_cast<sockaddr*>(&out->storage), &out->length) == 0 ? 0 : -errno;
}

int SocketAddress::OfPeer(int fd, SocketAddress* out) {
  out->length = sizeof(out->storage);
  return getpeername(fd, reinterpret_cast<sockaddr*>(&out->storage), &out->length) == 0 ? 0 : -errno;
}

std::string SocketAddress::Host() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, text, sizeof(text));
  } else if (family() == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, text, sizeof(text));
  } else if (family() == AF_UNIX) {
    const auto* local = reinterpret_cast<const sockaddr_un*>(&storage);
    size_t path_offset = offsetof(sockaddr_un, sun_path);
    if (length <= path_offset) return "";
    return std::string(local->sun_path, strnlen(local->sun_path, length - path_offset));
  }
  return text;
}

uint16_t SocketAddress::Port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  return 0;
}

}  // namespace hornet

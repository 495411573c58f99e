#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <net/if.h>

#include "base/put_number.h"

namespace hornet {

namespace {

// What inet_ntop() writes, which takes a printf for it, and every connection has a peer. Returns its end.
char* PutV4(char* out, const uint8_t* bytes) {
  for (int i = 0; i < 4; i++) {
    if (i > 0) *out++ = '.';
    out = PutNumber(out, bytes[i]);
  }
  return out;
}

}  // namespace

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

bool SocketAddress::IsAny() const {
  if (family() == AF_INET) return reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr.s_addr == htonl(INADDR_ANY);
  if (family() == AF_INET6) return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr);
  return false;
}

bool SocketAddress::ToIp(IpAddress* out) const {
  if (family() == AF_INET) {
    *out = IpAddress::FromV4(&reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr);
    return true;
  }
  if (family() != AF_INET6) return false;
  std::memcpy(out->bytes, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, sizeof(out->bytes));
  return true;
}

size_t SocketAddress::WriteEndpoint(char* out) const {
  char* end = out;
  if (family() == AF_INET) {
    end = PutV4(end, reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr));
  } else if (family() == AF_INET6) {
    const std::string host = Host();
    std::memcpy(end, host.data(), host.size());
    end += host.size();
  } else {
    return 0;
  }
  *end++ = ' ';
  return static_cast<size_t>(PutNumber(end, Port()) - out);
}

uint16_t SocketAddress::Port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  return 0;
}

}  // namespace hornet

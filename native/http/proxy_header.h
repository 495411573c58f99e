// The header that a TCP proxy puts before the bytes of a connection it passes on: PROXY protocol, versions 1 and 2
// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
// Pure: bytes in, values out. Sees native/base alone.
#ifndef HORNET_HTTP_PROXY_HEADER_H_
#define HORNET_HTTP_PROXY_HEADER_H_

#include <cstddef>
#include <cstdint>

#include "base/ip_set.h"

namespace hornet {

// Which headers a listener takes. One of them is then required: who may leave it out may forge it.
enum class ProxyVersions : uint8_t { kNone, kV1, kV2, kEither };

enum class ProxyStatus : uint8_t {
  kDone,  // a whole header; `length` bytes of input are its own
  kMore,  // a correct beginning
  kBad,   // never will be one
};

struct ProxyHeader {
  size_t length;       // bytes
  bool has_addresses;  // otherwise the connection is the proxy's own (a health check), or of no kind that has any
  IpAddress source;
  IpAddress destination;
  uint16_t source_port;
  uint16_t destination_port;
};

// Of version 2, TLVs included; they are skipped. Version 1 has its own bound of 107.
constexpr size_t kProxyHeaderBytesMax = 16 + 4096;

ProxyStatus ParseProxyHeader(const char* data, size_t length, ProxyVersions versions, ProxyHeader* header);

}  // namespace hornet

#endif  // HORNET_HTTP_PROXY_HEADER_H_

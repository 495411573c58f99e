// Checks host[:port] as it stands in a Host field and in the absolute and authority forms of a request target.
// Pure: bytes in, an answer out. Sees native/base alone.
#ifndef HORNET_HTTP_AUTHORITY_H_
#define HORNET_HTTP_AUTHORITY_H_

#include <cstddef>
#include <cstdint>

namespace hornet {

enum class PortRule : uint8_t { kOptional, kRequired };

// Whether `text` is a host that is not empty, then perhaps ":" and a port (RFC 3986 section 3.2, without userinfo).
// An empty port ("host:") is allowed, except where one is required.
bool IsAuthority(const char* text, size_t length, PortRule port_rule);

// Whether `text` is digits, or empty. Stricter than the grammar on one point: a port is at most 65535, since nothing
// can be done with a greater one and `new URL()` throws on it.
bool IsPort(const char* text, size_t length);

}  // namespace hornet

#endif  // HORNET_HTTP_AUTHORITY_H_

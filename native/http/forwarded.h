// Who really sent a request that came through proxies: what trusted ones say in X-Forwarded-For, X-Forwarded-Proto and
// Forwarded (RFC 7239).
// Pure: values in, values out. Sees native/base and head_parser.h alone.
//
// The hops are read from the right, which is the nearest proxy's word; each is believed as long as the one it came from
// is trusted. The first that is not trusted is the client, and what stands left of it is only its word. A malformed hop
// ends the list there. X-Forwarded-For goes before Forwarded: most proxies set the first and pass the second on as it
// came.
#ifndef HORNET_HTTP_FORWARDED_H_
#define HORNET_HTTP_FORWARDED_H_

#include "base/ip_set.h"
#include "http/head_parser.h"

namespace hornet {

enum class ForwardedScheme : uint8_t { kUnsaid, kHttp, kHttps };

struct ForwardedClient {
  bool is_known = false;  // some trusted hop named an address
  IpAddress address;
  uint16_t port = 0;      // 0: not said
  ForwardedScheme scheme = ForwardedScheme::kUnsaid;
};

// For a request whose own peer is trusted.
ForwardedClient ReadForwarded(const RequestHead& head, const char* head_bytes, const IpSet& trusted);

}  // namespace hornet

#endif  // HORNET_HTTP_FORWARDED_H_

// Which client a request is from, for a server that keeps a client's requests on one worker.
// Pure: a parsed head in, a number out.
#ifndef HORNET_HTTP_STICKY_H_
#define HORNET_HTTP_STICKY_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "http/head_parser.h"

namespace hornet {

struct StickyRule {
  enum class Kind : uint8_t { kOff, kIp, kCookie, kHeader, kQuery };
  Kind kind = Kind::kOff;
  std::string name;  // of the cookie, header field or parameter
};

// From "ip", "cookie:NAME", "header:NAME" or "query:NAME"; anything else is off.
StickyRule ParseStickyRule(const std::string& text);

// The same for all requests of a client; 0 when this one does not say. `head_bytes` is what `head` was parsed from, and
// `address` begins with the peer's address, up to a blank.
uint64_t StickyKey(const StickyRule& rule, const RequestHead& head, const char* head_bytes, const char* address,
                   size_t address_length);

// Rendezvous hashing: the client's worker is the one with the greatest weight. When workers come or go, only the
// clients of those that went, or that the new ones win, have another.
uint64_t StickyWeight(uint64_t key, uint32_t worker_id);

}  // namespace hornet

#endif  // HORNET_HTTP_STICKY_H_

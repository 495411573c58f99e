// Reads from the head of a response that the worker frames itself where its body ends, so that what goes to the wire
// keeps to it: an application that announces another length than it writes would put the connection out of step, and
// the next response would be read as part of this one, or this one as the start of the next.
// Pure: bytes in, values out. Sees native/base alone.
#ifndef HORNET_HTTP_RESPONSE_FRAMING_H_
#define HORNET_HTTP_RESPONSE_FRAMING_H_

#include <cstddef>
#include <cstdint>

namespace hornet {

struct ResponseFraming {
  bool is_sound = true;    // a final status; at most one framing, and one that says something
  bool is_sized = false;   // the body has `length` bytes
  bool is_chunked = false; // it ends by its last chunk; neither: with the connection
  uint64_t length = 0;     // bytes
};

// `head` is a status line and fields, each ending in CRLF; whatever is not such a line is passed over. A response to
// HEAD has no body, nor has one of status 204 or 304 (RFC 9112 section 6.3).
ResponseFraming ReadResponseFraming(const char* head, size_t length, bool answers_head);

}  // namespace hornet

#endif  // HORNET_HTTP_RESPONSE_FRAMING_H_

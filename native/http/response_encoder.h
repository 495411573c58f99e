// Writes what a response needs from a clock or from the connection's state, and the server's own short answers.
// Pure: values in, bytes out.
#ifndef HORNET_HTTP_RESPONSE_ENCODER_H_
#define HORNET_HTTP_RESPONSE_ENCODER_H_

#include <cstddef>
#include <cstdint>

#include "base/http_date.h"

namespace hornet {

// The Date field's value, made anew once a second.
class DateCache {
 public:
  const char* Get(int64_t unix_seconds);

 private:
  int64_t seconds_ = -1;
  char text_[kDateLength + 1] = {};
};

struct HeadTail {
  const char* date;         // kDateLength bytes, or null for no Date field
  bool with_connection;     // write Connection, and Keep-Alive when the connection stays
  bool close;               // Connection: close
  uint32_t keep_alive_seconds;
  bool chunked;             // Transfer-Encoding: chunked
  bool with_length;
  uint64_t content_length;  // bytes
};

// Upper bound: "Date: " 29 CRLF, "Connection: keep-alive" CRLF, "Keep-Alive: timeout=" 10 CRLF,
// "Content-Length: " 20 CRLF or "Transfer-Encoding: chunked" CRLF, CRLF.
constexpr size_t kHeadTailBytesMax = (6 + kDateLength + 2) + 24 + (20 + 10 + 2) + (16 + 20 + 2) + 2;

// Writes the fields in Node's order and the empty line; returns the bytes written.
size_t EncodeHeadTail(const HeadTail& tail, char* out);

// Frames a body of `length` bytes as the only chunk of a message: what stands before it (returns the bytes written,
// at most kChunkFrameBytesMax) and what stands behind.
constexpr size_t kChunkFrameBytesMax = 8 + 2;
size_t EncodeChunkStart(uint32_t length, char* out);
constexpr char kChunkEnd[] = "\r\n0\r\n\r\n";
constexpr char kLastChunk[] = "0\r\n\r\n";

constexpr size_t kCannedBytesMax = 512;

// A whole answer of the server's own, with a tiny text body (left out for HEAD); returns the bytes written.
size_t EncodeCanned(int status, bool is_head, bool close, const char* date, char* out);

const char* ReasonPhrase(int status);

}  // namespace hornet

#endif  // HORNET_HTTP_RESPONSE_ENCODER_H_

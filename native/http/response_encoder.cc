#include "http/response_encoder.h"

#include <cstring>

#include "base/put_number.h"

namespace hornet {

namespace {

char* Put(char* out, const char* text, size_t length) {
  std::memcpy(out, text, length);
  return out + length;
}

template <size_t N>
char* Put(char* out, const char (&text)[N]) {
  return Put(out, text, N - 1);
}

}  // namespace

const char* DateCache::Get(int64_t unix_seconds) {
  if (unix_seconds != seconds_) {
    WriteHttpDate(unix_seconds, text_);
    seconds_ = unix_seconds;
  }
  return text_;
}

size_t EncodeHeadTail(const HeadTail& tail, char* out) {
  char* start = out;
  if (tail.date != nullptr) {
    out = Put(out, "Date: ");
    out = Put(out, tail.date, kDateLength);
    out = Put(out, "\r\n");
  }
  if (tail.with_connection) {
    if (tail.close) {
      out = Put(out, "Connection: close\r\n");
    } else {
      out = Put(out, "Connection: keep-alive\r\n");
      if (tail.keep_alive_seconds > 0) {
        out = Put(out, "Keep-Alive: timeout=");
        out = PutNumber(out, tail.keep_alive_seconds);
        out = Put(out, "\r\n");
      }
    }
  }
  if (tail.chunked) {
    out = Put(out, "Transfer-Encoding: chunked\r\n");
  } else if (tail.with_length) {
    out = Put(out, "Content-Length: ");
    out = PutNumber(out, tail.content_length);
    out = Put(out, "\r\n");
  }
  out = Put(out, "\r\n");
  return static_cast<size_t>(out - start);
}

size_t EncodeChunkStart(uint32_t length, char* out) {
  char digits[8];
  size_t count = 0;
  do {
    digits[count++] = "0123456789abcdef"[length & 15];
    length >>= 4;
  } while (length != 0);
  char* start = out;
  while (count > 0) *out++ = digits[--count];
  *out++ = '\r';
  *out++ = '\n';
  return static_cast<size_t>(out - start);
}

const char* ReasonPhrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 408: return "Request Timeout";
    case 413: return "Payload Too Large";
    case 414: return "URI Too Long";
    case 417: return "Expectation Failed";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

size_t EncodeCanned(int status, bool is_head, bool close, const char* date, char* out) {
  const char* reason = ReasonPhrase(status);
  size_t reason_length = std::strlen(reason);
  char* start = out;
  out = Put(out, "HTTP/1.1 ");
  out = PutNumber(out, static_cast<uint64_t>(status));
  *out++ = ' ';
  out = Put(out, reason, reason_length);
  out = Put(out, "\r\nContent-Type: text/plain; charset=utf-8\r\n");
  // A second is what a client over its rate has to wait at most, and what a server out of workers may need.
  if (status == 503 || status == 429) out = Put(out, "Retry-After: 1\r\n");
  out += EncodeHeadTail({date, true, close, 0, false, true, reason_length + 1}, out);
  if (!is_head) {
    out = Put(out, reason, reason_length);
    *out++ = '\n';
  }
  return static_cast<size_t>(out - start);
}

}  // namespace hornet

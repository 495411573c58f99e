// Lines of the access log: what a request says is taken down, escaped, while its head is at hand; the line is put
// together when its response has been sent.
// Pure: values in, bytes out.
#ifndef HORNET_HTTP_ACCESS_FORMAT_H_
#define HORNET_HTTP_ACCESS_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "http/head_parser.h"

namespace hornet {

// A value longer than this is cut: a line has a bound, and nobody fills the log's disk with one request.
constexpr uint32_t kAccessValueBytesMax = 2048;

// What stands in a line, and what JavaScript calls it.
enum class AccessAtom : uint8_t {
  kLiteral,
  // Taken down from the request.
  kRemoteAddress, kUser, kRequestLine, kMethod, kTarget, kPath, kQuery, kProtocol, kReferer, kUserAgent, kRequestHeader,
  // Taken down from the response's head.
  kResponseHeader,
  // Known at the end.
  kDash, kTime, kTimeIso, kStatus, kBytes, kBytesOrDash, kSeconds, kMilliseconds, kMicroseconds, kSecondsDecimal,
  kMillisecondsDecimal, kQueueDecimal, kHandlerDecimal, kConnectionState, kIsAborted, kProcess,
};
constexpr const char* kAccessAtomNames[] = {
    "literal",
    "remoteAddress", "user", "requestLine", "method", "target", "path", "query", "protocol", "referer", "userAgent",
    "requestHeader",
    "responseHeader",
    "dash", "time", "timeIso", "status", "bytes", "bytesOrDash", "seconds", "milliseconds", "microseconds",
    "secondsDecimal", "millisecondsDecimal", "queueDecimal", "handlerDecimal", "connectionState", "isAborted",
    "process",
};
constexpr uint32_t kAccessAtoms = sizeof(kAccessAtomNames) / sizeof(kAccessAtomNames[0]);
static_assert(kAccessAtoms == static_cast<uint32_t>(AccessAtom::kProcess) + 1);

struct AccessPart {
  AccessAtom atom;
  std::string text;  // a literal, or the lower-case name of a header
};

// What is known of a request when it has ended.
struct AccessFacts {
  int64_t unix_us;       // now
  uint32_t status;       // 0: none was sent; shown as 499
  uint64_t body_bytes;
  uint64_t total_us;
  uint64_t queue_us;     // with a claim
  uint64_t handler_us;
  bool was_claimed;      // a worker started it
  bool is_whole;         // the response was sent to its end
  bool stays_open;       // the connection may carry more
};

// The date in both notations, made anew once a second.
class AccessClock {
 public:
  // "[24/Nov/2026:20:16:00 +0000]", in local time.
  const char* Local(int64_t unix_seconds, size_t* length);
  // "2026-11-24T20:16:00", in UTC.
  const char* Iso(int64_t unix_seconds, size_t* length);

 private:
  int64_t local_seconds_ = -1;
  int64_t iso_seconds_ = -1;
  size_t local_length_ = 0;
  char local_[40] = {};
  char iso_[24] = {};
};

class AccessFormat {
 public:
  // `is_json`: values are strings in quotes, or null when there is none; parts put them together into an object.
  AccessFormat(std::vector<AccessPart> parts, bool is_json);

  bool needs_response_head() const { return needs_response_head_; }

  // Each writes what it takes down at `out`, at most to `end`; returns where it ended, or null when there is no room.
  // Measure*() says how much room is always enough.
  char* TakeRequest(const RequestHead& head, const char* head_bytes, const char* address, size_t address_length,
                    char* out, char* end) const;
  size_t MeasureRequest(const RequestHead& head, size_t address_length) const;
  // The same for what was refused: `line` begins with the request line, as far as it came.
  char* TakeRefused(const char* line, size_t length, const char* address, size_t address_length, char* out,
                    char* end) const;
  size_t MeasureRefused(size_t address_length) const;
  // A response's head, in two pieces; behind what was taken from the request.
  char* TakeResponse(const char* head, size_t head_length, const char* tail, size_t tail_length, char* out,
                     char* end) const;
  size_t MeasureResponse(size_t head_length, size_t tail_length) const;

  // Appends the line, its line feed included. `taken` is what the Take functions wrote; what is missing at its end is
  // shown as absent.
  void Write(const AccessFacts& facts, const char* taken, size_t taken_length, AccessClock* clock,
             std::vector<char>* out) const;

 private:
  char* TakeValue(const char* value, size_t length, char* out, char* end) const;
  char* TakeAbsent(char* out, char* end) const;
  char* TakeHeader(const RequestHead& head, const char* head_bytes, const std::string& name, char* out,
                   char* end) const;
  char* TakeUser(const RequestHead& head, const char* head_bytes, char* out, char* end) const;

  std::vector<AccessPart> parts_;
  bool is_json_;
  bool needs_response_head_ = false;
  size_t request_values_ = 0;
  size_t response_values_ = 0;
  std::string process_;
};

// Writes `value` so that it can end neither its quotes nor its line; null when there is no room. In text, what is not
// printable ASCII becomes \xHH; in JSON, an octet from 0x80 is the character of that number, as in Node's strings.
char* EscapeText(const char* value, size_t length, char* out, char* end);
char* EscapeJson(const char* value, size_t length, char* out, char* end);

}  // namespace hornet

#endif  // HORNET_HTTP_ACCESS_FORMAT_H_

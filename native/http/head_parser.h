// Parses a request head (RFC 9112 sections 2 to 5) in one pass into offsets; copies nothing.
// Pure: bytes in, values out. Sees native/base alone.
#ifndef HORNET_HTTP_HEAD_PARSER_H_
#define HORNET_HTTP_HEAD_PARSER_H_

#include <cstddef>
#include <cstdint>

#include "base/methods.h"

namespace hornet {

constexpr uint32_t kHeadFieldsCapacity = 512;  // fields a RequestHead can hold; limits.fields_max may not exceed it

// Known field names; kOther for the rest. Extend as the server needs, never reorder by habit.
enum class FieldName : uint8_t {
  kOther, kHost, kConnection, kContentLength, kTransferEncoding, kExpect, kUpgrade, kKeepAlive, kTrailer, kTe,
  kProxyConnection, kContentType, kUserAgent, kAccept, kForwarded, kXForwardedFor, kXForwardedProto, kXForwardedHost,
};

enum class ParseStatus : uint8_t {
  kDone,  // a whole head; RequestHead is complete and head_length bytes were consumed
  kMore,  // a correct beginning; ask again with the same bytes and more
  kBad,   // never will be a head; `fault` says why
};

// Why a head was refused; FaultStatus() gives the status code.
enum class HeadFault : uint8_t {
  kNone,
  kBadRequestLine, kBadMethod, kBadTarget, kBadVersion, kBadFieldName, kBadFieldValue, kBareLineFeed,
  kBareCarriageReturn, kFolding, kBadHost, kMissingHost, kDuplicateHost, kBadContentLength, kDuplicateContentLength,
  kLengthWithTransferEncoding, kBadTransferEncoding, kBadConnection,  // 400
  kUnknownTransferCoding,          // 501
  kMethodNotImplemented,           // 501
  kTargetTooLong,                  // 414
  kFieldTooLarge, kTooManyFields, kHeadTooLarge,  // 431
  kBadExpectation,                 // 417
  kVersionNotSupported,            // 505
};

int FaultStatus(HeadFault fault);
const char* FaultName(HeadFault fault);

struct HeadLimits {
  uint32_t request_line_max = 8190;  // bytes, without its CRLF
  uint32_t fields_max = 100;
  uint32_t field_size_max = 8190;    // bytes: name, colon and value of one field line
  uint32_t head_bytes_max = 65536;   // bytes of the whole head
};

struct HeadField {
  uint32_t name_offset;   // bytes from the head's start
  uint32_t value_offset;  // bytes from the head's start, optional whitespace stripped on both ends
  uint32_t value_length;  // bytes
  uint16_t name_length;   // bytes
  FieldName id;
};

enum class BodyFraming : uint8_t { kNone, kLength, kChunked };
enum class TargetForm : uint8_t { kOrigin, kAbsolute, kAuthority, kAsterisk };

// The result. Big (a field table): one per I/O thread as scratch, never one per connection.
struct RequestHead {
  uint32_t head_length;    // bytes consumed, the leading empty line and the final CRLFCRLF included
  uint32_t target_offset;  // bytes
  uint32_t target_length;  // bytes
  uint32_t field_count;
  Method method;
  TargetForm target_form;
  uint8_t minor_version;   // 0 or 1
  BodyFraming framing;
  uint64_t content_length; // bytes, with kLength
  bool keep_alive;         // what the version and Connection say
  bool expect_continue;    // Expect: 100-continue on HTTP/1.1
  bool upgrade;            // Connection lists "upgrade" and an Upgrade field is present
  HeadFault fault;         // with kBad
  HeadField fields[kHeadFieldsCapacity];
};

// `data` always starts at the head's first byte. A caller with a partial head calls again only when a line feed has
// arrived (or the head reached a limit), so the whole cost stays bounded by fields_max passes.
// Every beginning of an input gives kMore or what the whole input gives, so how it was cut never matters. A head that
// fills limits.head_bytes_max without an end is kBad, never kMore. With kMore and kBad only `fault` may be read, and
// that only with kBad.
ParseStatus ParseHead(const char* data, size_t length, const HeadLimits& limits, RequestHead* head);

// The same without SIMD: what ParseHead() is where there is none, here for the tests that compare the two.
ParseStatus ParseHeadPortable(const char* data, size_t length, const HeadLimits& limits, RequestHead* head);

}  // namespace hornet

#endif  // HORNET_HTTP_HEAD_PARSER_H_

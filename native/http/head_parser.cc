#include "http/head_parser.h"

#include <cstring>

#include "base/bytes.h"
#include "http/authority.h"

// Keeps what is rare out of the hot functions, whose registers it would take.
#define HORNET_NOINLINE __attribute__((noinline))

namespace hornet {

namespace {

// ---- names

struct KnownField {
  char lower[18];
  uint8_t length;  // bytes
  FieldName id;
};

constexpr KnownField kKnownFields[] = {
    {"host", 4, FieldName::kHost},
    {"connection", 10, FieldName::kConnection},
    {"content-length", 14, FieldName::kContentLength},
    {"transfer-encoding", 17, FieldName::kTransferEncoding},
    {"expect", 6, FieldName::kExpect},
    {"upgrade", 7, FieldName::kUpgrade},
    {"keep-alive", 10, FieldName::kKeepAlive},
    {"trailer", 7, FieldName::kTrailer},
    {"te", 2, FieldName::kTe},
    {"proxy-connection", 16, FieldName::kProxyConnection},
    {"content-type", 12, FieldName::kContentType},
    {"user-agent", 10, FieldName::kUserAgent},
    {"accept", 6, FieldName::kAccept},
    {"forwarded", 9, FieldName::kForwarded},
    {"x-forwarded-for", 15, FieldName::kXForwardedFor},
    {"x-forwarded-proto", 17, FieldName::kXForwardedProto},
    {"x-forwarded-host", 16, FieldName::kXForwardedHost},
};

// The known names by first letter and length. A new name that collides fails to compile: find another formula then.
constexpr uint32_t kNameSlots = 32;

constexpr uint32_t NameSlot(char first, size_t length) {
  return ((static_cast<uint8_t>(first) | 0x20u) - static_cast<uint32_t>(length)) % kNameSlots;
}

struct NameTable {
  KnownField slots[kNameSlots];
  bool collides;
};

constexpr NameTable MakeNameTable() {
  NameTable table = {};
  for (KnownField& slot : table.slots) slot = {"", 0, FieldName::kOther};
  for (const KnownField& field : kKnownFields) {
    KnownField& slot = table.slots[NameSlot(field.lower[0], field.length)];
    if (slot.length != 0) table.collides = true;
    slot = field;
  }
  return table;
}

constexpr NameTable kNameTable = MakeNameTable();
static_assert(!kNameTable.collides);

// Fields that change how the message is read; the other known ones only get their id.
inline bool HasMeaning(FieldName id) {
  constexpr uint32_t kMeaningful = 1u << static_cast<int>(FieldName::kHost) |
                                   1u << static_cast<int>(FieldName::kConnection) |
                                   1u << static_cast<int>(FieldName::kProxyConnection) |
                                   1u << static_cast<int>(FieldName::kContentLength) |
                                   1u << static_cast<int>(FieldName::kTransferEncoding) |
                                   1u << static_cast<int>(FieldName::kExpect) |
                                   1u << static_cast<int>(FieldName::kUpgrade);
  return (kMeaningful >> static_cast<int>(id) & 1) != 0;
}

inline FieldName FindFieldName(const char* name, size_t length) {
  const KnownField& known = kNameTable.slots[NameSlot(name[0], length)];
  if (known.length != length || !TokenEquals(name, known.lower, length)) return FieldName::kOther;
  return known.id;
}

// Compares names up to the first difference: `text` is a token and so holds no NUL, and each name ends in one.
bool FindMethod(const char* text, size_t length, Method* method) {
  for (uint32_t i = 0; i < kMethodCount; ++i) {
    if (strncmp(kMethodNames[i], text, length) != 0 || kMethodNames[i][length] != '\0') continue;
    *method = static_cast<Method>(i);
    return true;
  }
  return false;
}

// ---- small readers

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

// The most that Content-Length and a chunk size may say: what a signed 64-bit count holds, so that no sum of two of
// them wraps.
constexpr uint64_t kContentLengthMax = INT64_MAX;

bool ReadDecimal(const char* from, const char* end, uint64_t* value) {
  uint64_t sum = 0;
  if (from == end) return false;
  for (; from != end; ++from) {
    if (!IsByte(kDigitByte, *from)) return false;
    const uint64_t digit = static_cast<uint64_t>(*from - '0');
    if (sum > (kContentLengthMax - digit) / 10) return false;
    sum = sum * 10 + digit;
  }
  *value = sum;
  return true;
}

// One element of a comma-separated list of tokens (RFC 9110 section 5.6.1).
struct ListElement {
  const char* text;
  size_t length;  // bytes; 0 is an empty element
};

// Takes the next element from [*from, end). False when it is not a token; *from is nullptr after the last one.
bool TakeElement(const char** from, const char* end, ListElement* element) {
  const char* p = *from;
  while (p != end && IsSpace(*p)) ++p;
  element->text = p;
  while (p != end && IsByte(kTokenByte, *p)) ++p;
  element->length = static_cast<size_t>(p - element->text);
  while (p != end && IsSpace(*p)) ++p;
  if (p == end) {
    *from = nullptr;
    return true;
  }
  *from = p + 1;
  return *p == ',';
}

bool Is(const ListElement& element, const char* lower, size_t length) {
  return element.length == length && TokenEquals(element.text, lower, length);
}

// ---- the rare target forms

// http and https only: we are the origin server, and no other scheme can name us. Userinfo is refused, as RFC 9110
// section 4.2.4 advises: it serves to mislead about the host.
bool IsAbsolute(const char* target, uint32_t length) {
  const char* end = target + length;
  const char* authority;
  if (length > 7 && TokenEquals(target, "http", 4) && memcmp(target + 4, "://", 3) == 0) {
    authority = target + 7;
  } else if (length > 8 && TokenEquals(target, "https", 5) && memcmp(target + 5, "://", 3) == 0) {
    authority = target + 8;
  } else {
    return false;
  }
  const char* stop = authority;
  while (stop != end && *stop != '/' && *stop != '?') ++stop;
  return IsAuthority(authority, static_cast<size_t>(stop - authority), PortRule::kOptional);
}

HORNET_NOINLINE bool ReadRareTarget(const char* target, uint32_t length, RequestHead* head) {
  if (head->method == Method::kConnect) {
    head->target_form = TargetForm::kAuthority;
    return IsAuthority(target, length, PortRule::kRequired);
  }
  if (length == 1 && *target == '*') {
    head->target_form = TargetForm::kAsterisk;
    return head->method == Method::kOptions;
  }
  head->target_form = TargetForm::kAbsolute;
  return IsAbsolute(target, length);
}

// ---- what fields mean

// What the fields read so far say together.
class FieldMeaning {
 public:
  // Judges one field; the caller has checked its octets. Kept out of the reader's loop: it concerns two or three fields
  // of a head, and the loop needs its registers.
  template <typename Scan>
  HORNET_NOINLINE HeadFault Judge(FieldName id, const char* value, const char* end, const RequestHead& head) {
    switch (id) {
      case FieldName::kHost: return JudgeHost<Scan>(value, end, head);
      // Clients that took us for a proxy; Node heeds it as well.
      case FieldName::kProxyConnection:
      case FieldName::kConnection: return JudgeConnection(value, end);
      case FieldName::kContentLength: return JudgeContentLength(value, end);
      case FieldName::kTransferEncoding: return JudgeTransferEncoding(value, end, head);
      case FieldName::kExpect: return JudgeExpect(value, end, head);
      case FieldName::kUpgrade:
        if (value != end) facts_ |= kHasUpgrade;  // to nothing is no upgrade, as in Node
        return HeadFault::kNone;
      default: return HeadFault::kNone;
    }
  }

  HeadFault Conclude(RequestHead* head) const {
    if (!Has(kHasHost) && head->minor_version == 1) return HeadFault::kMissingHost;
    if (Has(kHasTransferEncoding) && !Has(kIsChunked)) return HeadFault::kBadTransferEncoding;  // RFC 9112 section 6.3
    if (Has(kHasUnknownCoding)) return HeadFault::kUnknownTransferCoding;
    head->framing = BodyFraming::kNone;
    if (Has(kHasContentLength)) head->framing = BodyFraming::kLength;
    if (Has(kIsChunked)) head->framing = BodyFraming::kChunked;
    head->content_length = content_length_;
    head->keep_alive = !Has(kSaysClose) && (head->minor_version == 1 || Has(kSaysKeepAlive));
    head->expect_continue = Has(kExpectsContinue);
    head->upgrade = Has(kSaysUpgrade) && Has(kHasUpgrade) && head->minor_version == 1;  // RFC 9110 section 7.8
    return HeadFault::kNone;
  }

 private:
  // An empty value is right for a target that has no authority (RFC 9112 section 3.2). We cannot tell that of an origin
  // form or an asterisk; the other two forms do have one.
  template <typename Scan>
  HeadFault JudgeHost(const char* value, const char* end, const RequestHead& head) {
    if (Has(kHasHost)) return HeadFault::kDuplicateHost;
    facts_ |= kHasHost;
    if (value == end) {
      const bool may_be_empty = head.target_form == TargetForm::kOrigin || head.target_form == TargetForm::kAsterisk;
      return may_be_empty ? HeadFault::kNone : HeadFault::kBadHost;
    }
    // Almost every host is a plain name or IPv4 address, then perhaps a port: the scanner has it at once.
    const char* host_end = Scan::RegNameEnd(value, end);
    if (host_end == end) return HeadFault::kNone;
    const bool is_host = *host_end == ':' && host_end != value
                             ? IsPort(host_end + 1, static_cast<size_t>(end - host_end - 1))
                             : IsAuthority(value, static_cast<size_t>(end - value), PortRule::kOptional);
    return is_host ? HeadFault::kNone : HeadFault::kBadHost;
  }

  // A tab is white space around a value, but to llhttp part of it when it stands behind: there "chunked" and a tab are
  // not "chunked", and a length with a tab is none.
  static bool HasTabBehind(const char* end) {
    while (*end == ' ') ++end;  // stops at the CR at the latest
    return *end == '\t';
  }

  HeadFault JudgeConnection(const char* value, const char* end) {
    if (HasTabBehind(end)) return HeadFault::kBadConnection;
    const char* from = value;
    while (from != nullptr) {
      ListElement element;
      if (!TakeElement(&from, end, &element)) return HeadFault::kBadConnection;
      if (Is(element, "close", 5)) facts_ |= kSaysClose;
      if (Is(element, "keep-alive", 10)) facts_ |= kSaysKeepAlive;
      if (Is(element, "upgrade", 7)) facts_ |= kSaysUpgrade;
    }
    return HeadFault::kNone;
  }

  HeadFault JudgeContentLength(const char* value, const char* end) {
    if (Has(kHasContentLength)) return HeadFault::kDuplicateContentLength;
    facts_ |= kHasContentLength;
    if (Has(kHasTransferEncoding)) return HeadFault::kLengthWithTransferEncoding;
    if (HasTabBehind(end)) return HeadFault::kBadContentLength;
    return ReadDecimal(value, end, &content_length_) ? HeadFault::kNone : HeadFault::kBadContentLength;
  }

  // The list goes on across several fields. Empty elements and parameters, which the grammar knows, are refused: no
  // honest client sends them, and what another parser makes of them is anyone's guess.
  HeadFault JudgeTransferEncoding(const char* value, const char* end, const RequestHead& head) {
    if (HasTabBehind(end)) return HeadFault::kBadTransferEncoding;
    if (Has(kHasContentLength)) return HeadFault::kLengthWithTransferEncoding;
    if (head.minor_version == 0) return HeadFault::kBadTransferEncoding;  // RFC 9112 section 6.1
    facts_ |= kHasTransferEncoding;
    const char* from = value;
    while (from != nullptr) {
      ListElement element;
      if (!TakeElement(&from, end, &element) || element.length == 0) return HeadFault::kBadTransferEncoding;
      if (Has(kIsChunked)) return HeadFault::kBadTransferEncoding;  // chunked must be the last, and applied once
      if (Is(element, "chunked", 7)) {
        facts_ |= kIsChunked;
      } else {
        facts_ |= kHasUnknownCoding;
      }
    }
    return HeadFault::kNone;
  }

  HeadFault JudgeExpect(const char* value, const char* end, const RequestHead& head) {
    constexpr char kContinue[] = "100-continue";
    constexpr size_t kLength = sizeof(kContinue) - 1;
    if (head.minor_version == 0) return HeadFault::kNone;  // to be ignored: RFC 9110 section 10.1.1
    if (static_cast<size_t>(end - value) != kLength || PortableScan::TokenEnd(value, end) != end ||
        !TokenEquals(value, kContinue, kLength)) {
      return HeadFault::kBadExpectation;
    }
    facts_ |= kExpectsContinue;
    return HeadFault::kNone;
  }

  enum Fact : uint32_t {
    kHasHost = 1,
    kHasContentLength = 2,
    kHasTransferEncoding = 4,
    kHasUnknownCoding = 8,
    kHasUpgrade = 16,
    kIsChunked = 32,
    kSaysClose = 64,
    kSaysKeepAlive = 128,
    kSaysUpgrade = 256,
    kExpectsContinue = 512,
  };

  bool Has(uint32_t facts) const { return (facts_ & facts) == facts; }

  uint64_t content_length_ = 0;
  uint32_t facts_ = 0;  // of Fact
};

// ---- the reader

// One pass over one head. Every fault is found at the first octet that proves it, limits are checked before the octet
// that ends a run is looked at, and nothing is judged that has not fully arrived. So each beginning of an input gives
// kMore or what the whole input gives, whatever the pieces it came in; the vectors and the fuzzer hold us to that.
//
// Each Read function takes the position to read at and returns the one after what it read, or nullptr when there is no
// going on: then status_ says why. The position travels in a register, not in a member: the next thing to do always
// waits for it, and a trip through memory each time cost a third of the whole.
template <typename Scan>
class HeadReader {
 public:
  HeadReader(const char* data, size_t length, const HeadLimits& limits, RequestHead* head)
      : data_(data), end_(data + length), limits_(limits), head_(head) {}

  ParseStatus Read() {
    const char* at = ReadEmptyLine(data_);
    if (at != nullptr) at = ReadRequestLine(at);
    if (at != nullptr) at = ReadFields(at);
    if (at == nullptr) return status_;
    head_->head_length = OffsetOf(at);
    head_->fault = meaning_.Conclude(head_);
    return head_->fault == HeadFault::kNone ? ParseStatus::kDone : ParseStatus::kBad;
  }

 private:
  const char* More() {
    status_ = ParseStatus::kMore;
    return nullptr;
  }

  const char* Bad(HeadFault fault) {
    status_ = ParseStatus::kBad;
    head_->fault = fault;
    return nullptr;
  }

  uint32_t OffsetOf(const char* p) const { return static_cast<uint32_t>(p - data_); }

  static bool IsOver(const char* line, const char* at, uint32_t limit) {
    return static_cast<size_t>(at - line) > limit;
  }

  // A robust server skips one empty line before a request line (RFC 9112 section 2.2): old clients send one after a
  // body. Not more than one: a stream of empty lines would be work without end.
  const char* ReadEmptyLine(const char* at) {
    if (at == end_) return More();
    return *at == '\r' ? ReadLineEnd(at) : at;
  }

  // CR LF; the caller has seen the CR.
  const char* ReadLineEnd(const char* at) {
    if (end_ - at < 2) return More();
    if (at[1] != '\n') return Bad(HeadFault::kBareCarriageReturn);
    return at + 2;
  }

  const char* ReadRequestLine(const char* line) {
    const char* at = ReadMethod(line);
    if (at != nullptr) at = ReadTarget(line, at);
    if (at != nullptr) at = ReadVersion(line, at);
    return at;
  }

  const char* ReadMethod(const char* line) {
    if (end_ - line >= 5) {
      if (memcmp(line, "GET ", 4) == 0) {
        head_->method = Method::kGet;
        return line + 4;
      }
      if (memcmp(line, "POST ", 5) == 0) {
        head_->method = Method::kPost;
        return line + 5;
      }
    }
    return ReadRareMethod(line);
  }

  HORNET_NOINLINE const char* ReadRareMethod(const char* line) {
    const char* at = PortableScan::TokenEnd(line, end_);
    if (IsOver(line, at, limits_.request_line_max)) return Bad(HeadFault::kTargetTooLong);
    if (at == end_) return More();
    if (*at == '\n') return Bad(HeadFault::kBareLineFeed);
    if (*at != ' ') return Bad(*at == '\r' ? HeadFault::kBadRequestLine : HeadFault::kBadMethod);
    if (at == line) return Bad(HeadFault::kBadMethod);
    if (!FindMethod(line, static_cast<size_t>(at - line), &head_->method)) {
      return Bad(HeadFault::kMethodNotImplemented);
    }
    return at + 1;
  }

  const char* ReadTarget(const char* line, const char* target) {
    const char* at = Scan::TargetEnd(target, end_);
    if (IsOver(line, at, limits_.request_line_max)) return Bad(HeadFault::kTargetTooLong);
    if (at == end_) return More();
    if (*at != ' ') return Bad(TargetFault(*at));
    const uint32_t length = static_cast<uint32_t>(at - target);
    head_->target_offset = OffsetOf(target);
    head_->target_length = length;
    head_->target_form = TargetForm::kOrigin;
    const bool is_origin = *target == '/' && head_->method != Method::kConnect;
    if (!is_origin && !ReadRareTarget(target, length, head_)) return Bad(HeadFault::kBadTarget);
    return at + 1;
  }

  static HeadFault TargetFault(char c) {
    if (c == '\n') return HeadFault::kBareLineFeed;
    return c == '\r' ? HeadFault::kBadRequestLine : HeadFault::kBadTarget;  // HTTP/0.9 has no version: refused too
  }

  const char* ReadVersion(const char* line, const char* version) {
    constexpr size_t kVersionLength = 8;  // "HTTP/1.1"
    if (static_cast<size_t>(version - line) + kVersionLength > limits_.request_line_max) {
      return Bad(HeadFault::kTargetTooLong);
    }
    if (end_ - version >= 10 && memcmp(version, "HTTP/1.1\r\n", 10) == 0) {
      head_->minor_version = 1;
      return version + 10;
    }
    return ReadRareVersion(version);
  }

  HORNET_NOINLINE const char* ReadRareVersion(const char* version) {
    constexpr char kShape[] = "HTTP/d.d\r\n";
    const char* at = version;
    for (const char* shape = kShape; *shape != '\0'; ++shape, ++at) {
      if (at == end_) return More();
      if (*shape == 'd' ? IsByte(kDigitByte, *at) : *at == *shape) continue;
      if (*at == '\n') return Bad(HeadFault::kBareLineFeed);
      return Bad(*shape == '\n' ? HeadFault::kBareCarriageReturn : HeadFault::kBadVersion);
    }
    if (version[5] != '1' || version[7] > '1') return Bad(HeadFault::kVersionNotSupported);
    head_->minor_version = static_cast<uint8_t>(version[7] - '0');
    return at;
  }

  const char* ReadFields(const char* at) {
    const uint32_t fields_max = limits_.fields_max < kHeadFieldsCapacity ? limits_.fields_max : kHeadFieldsCapacity;
    for (uint32_t count = 0;; ++count) {
      if (at == end_) return More();
      if (*at == '\r') {
        head_->field_count = count;
        return ReadLineEnd(at);
      }
      if (count == fields_max) return Bad(HeadFault::kTooManyFields);
      at = ReadField(at, &head_->fields[count]);
      if (at == nullptr) return nullptr;
    }
  }

  const char* ReadField(const char* name, HeadField* field) {
    PlainLine line;
    if (!Scan::FindPlainLine(name, end_, &line)) return ReadRareField(name, field);
    if (IsOver(name, line.line_end, limits_.field_size_max)) return Bad(HeadFault::kFieldTooLarge);
    return TakeField(name, line.name_length, line.line_end, field);
  }

  HORNET_NOINLINE const char* ReadRareField(const char* name, HeadField* field) {
    constexpr size_t kNameLengthMax = UINT16_MAX;  // what HeadField can say
    const char* at = Scan::TokenEnd(name, end_);
    const size_t name_length = static_cast<size_t>(at - name);
    if (name_length > limits_.field_size_max || name_length > kNameLengthMax) return Bad(HeadFault::kFieldTooLarge);
    if (at == end_) return More();
    if (*at != ':' || name_length == 0) return Bad(NameFault(*at, name_length));
    at = Scan::ValueEnd(at + 1, end_);
    if (IsOver(name, at, limits_.field_size_max)) return Bad(HeadFault::kFieldTooLarge);
    if (at == end_) return More();
    if (*at != '\r') return Bad(*at == '\n' ? HeadFault::kBareLineFeed : HeadFault::kBadFieldValue);
    if (ReadLineEnd(at) == nullptr) return nullptr;
    return TakeField(name, name_length, at, field);
  }

  // Writes down a field line that is whole and sound, and judges it.
  const char* TakeField(const char* name, size_t name_length, const char* line_end, HeadField* field) {
    const char* value = name + name_length + 1;
    const char* value_end = line_end;
    while (IsSpace(*value)) ++value;  // stops at the CR at the latest
    while (value_end != value && IsSpace(value_end[-1])) --value_end;

    field->name_offset = OffsetOf(name);
    field->value_offset = OffsetOf(value);
    field->value_length = static_cast<uint32_t>(value_end - value);
    field->name_length = static_cast<uint16_t>(name_length);
    field->id = FindFieldName(name, name_length);
    const char* next = line_end + 2;
    if (!HasMeaning(field->id)) return next;
    const HeadFault fault = meaning_.template Judge<Scan>(field->id, value, value_end, *head_);
    return fault == HeadFault::kNone ? next : Bad(fault);
  }

  static HeadFault NameFault(char c, size_t name_length) {
    if (c == '\n') return HeadFault::kBareLineFeed;
    if (name_length == 0 && IsSpace(c)) return HeadFault::kFolding;
    return HeadFault::kBadFieldName;
  }

  const char* const data_;
  const char* const end_;
  const HeadLimits& limits_;
  RequestHead* const head_;
  ParseStatus status_ = ParseStatus::kMore;
  FieldMeaning meaning_;
};

// Octets past head_bytes_max are not looked at: a head that is not whole within them never will be.
template <typename Scan>
ParseStatus ParseBounded(const char* data, size_t length, const HeadLimits& limits, RequestHead* head) {
  const bool is_full = length >= limits.head_bytes_max;
  if (is_full) length = limits.head_bytes_max;
  ParseStatus status;
  // NOLINTNEXTLINE(bugprone-branch-clone): they are the same where Scan is the portable one itself
  if (length >= Scan::kLengthMin) {
    status = HeadReader<Scan>(data, length, limits, head).Read();
  } else {
    status = HeadReader<PortableScan>(data, length, limits, head).Read();
  }
  if (status != ParseStatus::kMore || !is_full) return status;
  head->fault = HeadFault::kHeadTooLarge;
  return ParseStatus::kBad;
}

}  // namespace

ParseStatus ParseHead(const char* data, size_t length, const HeadLimits& limits, RequestHead* head) {
  return ParseBounded<FastScan>(data, length, limits, head);
}

ParseStatus ParseHeadPortable(const char* data, size_t length, const HeadLimits& limits, RequestHead* head) {
  return ParseBounded<PortableScan>(data, length, limits, head);
}

int FaultStatus(HeadFault fault) {
  switch (fault) {
    case HeadFault::kTargetTooLong: return 414;
    case HeadFault::kBadExpectation: return 417;
    case HeadFault::kFieldTooLarge:
    case HeadFault::kTooManyFields:
    case HeadFault::kHeadTooLarge: return 431;
    case HeadFault::kUnknownTransferCoding:
    case HeadFault::kMethodNotImplemented: return 501;
    case HeadFault::kVersionNotSupported: return 505;
    default: return 400;
  }
}

const char* FaultName(HeadFault fault) {
  switch (fault) {
    case HeadFault::kNone: return "none";
    case HeadFault::kBadRequestLine: return "bad_request_line";
    case HeadFault::kBadMethod: return "bad_method";
    case HeadFault::kBadTarget: return "bad_target";
    case HeadFault::kBadVersion: return "bad_version";
    case HeadFault::kBadFieldName: return "bad_field_name";
    case HeadFault::kBadFieldValue: return "bad_field_value";
    case HeadFault::kBareLineFeed: return "bare_line_feed";
    case HeadFault::kBareCarriageReturn: return "bare_carriage_return";
    case HeadFault::kFolding: return "folding";
    case HeadFault::kBadHost: return "bad_host";
    case HeadFault::kMissingHost: return "missing_host";
    case HeadFault::kDuplicateHost: return "duplicate_host";
    case HeadFault::kBadContentLength: return "bad_content_length";
    case HeadFault::kDuplicateContentLength: return "duplicate_content_length";
    case HeadFault::kLengthWithTransferEncoding: return "length_with_transfer_encoding";
    case HeadFault::kBadTransferEncoding: return "bad_transfer_encoding";
    case HeadFault::kBadConnection: return "bad_connection";
    case HeadFault::kUnknownTransferCoding: return "unknown_transfer_coding";
    case HeadFault::kMethodNotImplemented: return "method_not_implemented";
    case HeadFault::kTargetTooLong: return "target_too_long";
    case HeadFault::kFieldTooLarge: return "field_too_large";
    case HeadFault::kTooManyFields: return "too_many_fields";
    case HeadFault::kHeadTooLarge: return "head_too_large";
    case HeadFault::kBadExpectation: return "bad_expectation";
    case HeadFault::kVersionNotSupported: return "version_not_supported";
  }
  return "unknown";
}

}  // namespace hornet

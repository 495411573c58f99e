#include "http/access_format.h"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "base/bytes.h"
#include "base/put_number.h"

namespace hornet {

namespace {

// Taken down, a value is its length in two bytes and its escaped octets. So long is the longest: six for each octet.
constexpr size_t kLengthBytes = 2;
constexpr size_t kEscapedPerOctet = 6;
constexpr uint16_t kAbsent = UINT16_MAX;
static_assert(kAccessValueBytesMax * kEscapedPerOctet < kAbsent);

constexpr char kHex[] = "0123456789abcdef";

// Octets that stand for themselves in text and in JSON: printable ASCII but quotes and backslash.
constexpr bool IsPlain(unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

// True when all eight are plain. Exact: a borrow or carry never leaves its octet for the octets that reach it.
bool ArePlain(uint64_t octets) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHigh = 0x8080808080808080;
  const uint64_t low = octets & ~kHigh;
  const uint64_t not_control = low + kOnes * (0x80 - 0x20);        // high bit: at least 0x20
  const uint64_t del = low + kOnes;                                // high bit: 0x7f
  const uint64_t not_quote = (low ^ (kOnes * '"')) + kOnes * 0x7f;  // high bit: another octet
  const uint64_t not_backslash = (low ^ (kOnes * '\\')) + kOnes * 0x7f;
  return ((~octets & not_control & ~del & not_quote & not_backslash) & kHigh) == kHigh;
}

// `EscapeOne` writes what is not plain: at most kEscapedPerOctet bytes.
template <typename EscapeOne>
char* Escape(const char* value, size_t length, char* out, char* end, EscapeOne escape_one) {
  const char* stop = value + length;
  while (value != stop) {
    if (stop - value >= 8 && end - out >= 8) {
      uint64_t octets;
      std::memcpy(&octets, value, 8);
      if (ArePlain(octets)) {
        std::memcpy(out, &octets, 8);
        value += 8;
        out += 8;
        continue;
      }
    }
    // Up to the next eight.
    for (int i = 0; i < 8 && value != stop; i++) {
      auto c = static_cast<unsigned char>(*value++);
      if (IsPlain(c)) {
        if (out == end) return nullptr;
        *out++ = static_cast<char>(c);
      } else {
        if (static_cast<size_t>(end - out) < kEscapedPerOctet) return nullptr;
        out = escape_one(c, out);
      }
    }
  }
  return out;
}

bool IsRequestAtom(AccessAtom atom) { return atom >= AccessAtom::kRemoteAddress && atom <= AccessAtom::kRequestHeader; }

bool IsNamed(const char* name, size_t length, const std::string& lower) {
  return length == lower.size() && TokenEquals(name, lower.data(), length);
}

const HeadField* FindField(const RequestHead& head, const char* head_bytes, const std::string& lower) {
  for (uint32_t i = 0; i < head.field_count; i++) {
    const HeadField& field = head.fields[i];
    if (IsNamed(head_bytes + field.name_offset, field.name_length, lower)) return &field;
  }
  return nullptr;
}

// One field of a response's head, whose lines all end in CRLF.
bool FindLine(const char* head, size_t length, const std::string& lower, const char** value, size_t* value_length) {
  const char* end = head + length;
  for (const char* line = head; line < end;) {
    const void* found = std::memchr(line, '\n', static_cast<size_t>(end - line));
    const char* line_end = found == nullptr ? end : static_cast<const char*>(found);
    size_t line_length = static_cast<size_t>(line_end - line);
    if (line_length > 0 && line[line_length - 1] == '\r') line_length--;
    if (line_length > lower.size() && line[lower.size()] == ':' && IsNamed(line, lower.size(), lower)) {
      const char* from = line + lower.size() + 1;
      const char* to = line + line_length;
      while (from < to && (*from == ' ' || *from == '\t')) from++;
      *value = from;
      *value_length = static_cast<size_t>(to - from);
      return true;
    }
    line = line_end + 1;
  }
  return false;
}

// Decodes base64 up to the first colon of what it says; false when it is no base64 or has none.
bool DecodeUser(const char* text, size_t length, std::string* user) {
  uint32_t bits = 0;
  int have = 0;
  for (size_t i = 0; i < length && user->size() < kAccessValueBytesMax; i++) {
    char c = text[i];
    int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                : c >= 'a' && c <= 'z' ? c - 'a' + 26
                : c >= '0' && c <= '9' ? c - '0' + 52
                : c == '+'             ? 62
                : c == '/'             ? 63
                                       : -1;
    if (value < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    char octet = static_cast<char>(bits >> have & 0xff);
    if (octet == ':') return true;
    user->push_back(octet);
  }
  return false;
}

// Steps over the length of a value that was taken down; kAbsent also when there is no more.
uint16_t NextLength(const char** taken, const char* end) {
  uint16_t length = kAbsent;
  if (static_cast<size_t>(end - *taken) >= kLengthBytes) {
    std::memcpy(&length, *taken, kLengthBytes);
    *taken += kLengthBytes;
  }
  return length;
}

void Put(std::vector<char>* out, const char* text, size_t length) { out->insert(out->end(), text, text + length); }

void PutNumber(std::vector<char>* out, uint64_t value) {
  char digits[20];
  Put(out, digits, static_cast<size_t>(hornet::PutNumber(digits, value) - digits));
}

// `value` thousandths or millionths, as a decimal number with that many places.
void PutDecimal(std::vector<char>* out, uint64_t value, uint64_t unit) {
  PutNumber(out, value / unit);
  out->push_back('.');
  for (uint64_t place = unit / 10; place > 0; place /= 10) {
    out->push_back(static_cast<char>('0' + value / place % 10));
  }
}

}  // namespace

char* EscapeText(const char* value, size_t length, char* out, char* end) {
  return Escape(value, length, out, end, [](unsigned char c, char* to) {
    *to++ = '\\';
    if (c == '"' || c == '\\') {
      *to++ = static_cast<char>(c);
      return to;
    }
    *to++ = 'x';
    *to++ = kHex[c >> 4];
    *to++ = kHex[c & 15];
    return to;
  });
}

char* EscapeJson(const char* value, size_t length, char* out, char* end) {
  return Escape(value, length, out, end, [](unsigned char c, char* to) {
    *to++ = '\\';
    if (c == '"' || c == '\\') {
      *to++ = static_cast<char>(c);
      return to;
    }
    std::memcpy(to, "u00", 3);
    to[3] = kHex[c >> 4];
    to[4] = kHex[c & 15];
    return to + 5;
  });
}

const char* AccessClock::Local(int64_t unix_seconds, size_t* length) {
  if (unix_seconds != local_seconds_) {
    local_seconds_ = unix_seconds;
    time_t seconds = static_cast<time_t>(unix_seconds);
    struct tm parts;
    localtime_r(&seconds, &parts);
    // Names of months are English whatever the locale says.
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    long minutes = parts.tm_gmtoff / 60;
    char sign = minutes < 0 ? '-' : '+';
    if (minutes < 0) minutes = -minutes;
    int count = std::snprintf(local_, sizeof(local_), "[%02d/%s/%04d:%02d:%02d:%02d %c%02ld%02ld]", parts.tm_mday,
                              kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec,
                              sign, minutes / 60, minutes % 60);
    local_length_ = static_cast<size_t>(count);
  }
  *length = local_length_;
  return local_;
}

const char* AccessClock::Iso(int64_t unix_seconds, size_t* length) {
  if (unix_seconds != iso_seconds_) {
    iso_seconds_ = unix_seconds;
    time_t seconds = static_cast<time_t>(unix_seconds);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    std::strftime(iso_, sizeof(iso_), "%Y-%m-%dT%H:%M:%S", &parts);
  }
  *length = std::strlen(iso_);
  return iso_;
}

AccessFormat::AccessFormat(std::vector<AccessPart> parts, bool is_json)
    : parts_(std::move(parts)), is_json_(is_json), process_("<" + std::to_string(getpid()) + ">") {
  for (AccessPart& part : parts_) {
    if (IsRequestAtom(part.atom)) request_values_++;
    // As TokenEquals() folds what it compares with: names may hold more than letters.
    if (part.atom == AccessAtom::kRequestHeader || part.atom == AccessAtom::kResponseHeader) {
      for (char& c : part.text) c = static_cast<char>(c | 0x20);
    }
    if (part.atom == AccessAtom::kResponseHeader) response_values_++;
  }
  needs_response_head_ = response_values_ > 0;
}

char* AccessFormat::TakeValue(const char* value, size_t length, char* out, char* end) const {
  if (static_cast<size_t>(end - out) < kLengthBytes) return nullptr;
  if (length > kAccessValueBytesMax) length = kAccessValueBytesMax;
  char* from = out + kLengthBytes;
  char* to = is_json_ ? EscapeJson(value, length, from, end) : EscapeText(value, length, from, end);
  if (to == nullptr) return nullptr;
  auto taken = static_cast<uint16_t>(to - from);
  std::memcpy(out, &taken, kLengthBytes);
  return to;
}

char* AccessFormat::TakeAbsent(char* out, char* end) const {
  if (static_cast<size_t>(end - out) < kLengthBytes) return nullptr;
  std::memcpy(out, &kAbsent, kLengthBytes);
  return out + kLengthBytes;
}

char* AccessFormat::TakeHeader(const RequestHead& head, const char* head_bytes, const std::string& name, char* out,
                               char* end) const {
  const HeadField* field = FindField(head, head_bytes, name);
  if (field == nullptr) return TakeAbsent(out, end);
  return TakeValue(head_bytes + field->value_offset, field->value_length, out, end);
}

char* AccessFormat::TakeUser(const RequestHead& head, const char* head_bytes, char* out, char* end) const {
  static const std::string kAuthorization = "authorization";
  const HeadField* field = FindField(head, head_bytes, kAuthorization);
  constexpr size_t kSchemeLength = 6;  // "Basic "
  if (field == nullptr || field->value_length <= kSchemeLength) return TakeAbsent(out, end);
  const char* value = head_bytes + field->value_offset;
  if (!TokenEquals(value, "basic", 5) || value[5] != ' ') return TakeAbsent(out, end);
  std::string user;
  if (!DecodeUser(value + kSchemeLength, field->value_length - kSchemeLength, &user) || user.empty()) {
    return TakeAbsent(out, end);
  }
  // In text it stands between blanks: one of its own would shift all that follows.
  if (!is_json_) {
    for (size_t at = 0; (at = user.find(' ', at)) != std::string::npos;) user[at] = '_';
  }
  return TakeValue(user.data(), user.size(), out, end);
}

char* AccessFormat::TakeRequest(const RequestHead& head, const char* head_bytes, const char* address,
                                size_t address_length, char* out, char* end) const {
  const char* target = head_bytes + head.target_offset;
  const char* method = kMethodNames[static_cast<uint32_t>(head.method)];
  const void* mark = std::memchr(target, '?', head.target_length);
  size_t path_length =
      mark == nullptr ? head.target_length : static_cast<size_t>(static_cast<const char*>(mark) - target);
  static const std::string kReferer = "referer";
  static const std::string kUserAgent = "user-agent";
  for (const AccessPart& part : parts_) {
    if (!IsRequestAtom(part.atom)) continue;
    switch (part.atom) {
      case AccessAtom::kRemoteAddress:
        out = address_length == 0 ? TakeAbsent(out, end) : TakeValue(address, address_length, out, end);
        break;
      case AccessAtom::kUser:
        out = TakeUser(head, head_bytes, out, end);
        break;
      case AccessAtom::kRequestLine: {
        // The line as it came: what is between its parts is one blank each, and the version has its place.
        const char* line = target - std::strlen(method) - 1;
        out = TakeValue(line, static_cast<size_t>(target + head.target_length + 9 - line), out, end);
        break;
      }
      case AccessAtom::kMethod:
        out = TakeValue(method, std::strlen(method), out, end);
        break;
      case AccessAtom::kTarget:
        out = TakeValue(target, head.target_length, out, end);
        break;
      case AccessAtom::kPath:
        out = TakeValue(target, path_length, out, end);
        break;
      case AccessAtom::kQuery:
        out = mark == nullptr ? TakeValue("", 0, out, end)
                              : TakeValue(target + path_length + 1, head.target_length - path_length - 1, out, end);
        break;
      case AccessAtom::kProtocol:
        out = TakeValue(target + head.target_length + 1, 8, out, end);
        break;
      case AccessAtom::kReferer:
        out = TakeHeader(head, head_bytes, kReferer, out, end);
        break;
      case AccessAtom::kUserAgent:
        out = TakeHeader(head, head_bytes, kUserAgent, out, end);
        break;
      default:
        out = TakeHeader(head, head_bytes, part.text, out, end);
        break;
    }
    if (out == nullptr) return nullptr;
  }
  return out;
}

size_t AccessFormat::MeasureRequest(const RequestHead& head, size_t address_length) const {
  // Any value is a part of the head or of the address, and is cut at its bound.
  size_t longest = head.head_length > address_length ? head.head_length : address_length;
  if (longest > kAccessValueBytesMax) longest = kAccessValueBytesMax;
  return request_values_ * (kLengthBytes + longest * kEscapedPerOctet);
}

char* AccessFormat::TakeRefused(const char* line, size_t length, const char* address, size_t address_length, char* out,
                                char* end) const {
  const void* found = length == 0 ? nullptr : std::memchr(line, '\n', length);
  if (found != nullptr) length = static_cast<size_t>(static_cast<const char*>(found) - line);
  if (length > 0 && line[length - 1] == '\r') length--;
  for (const AccessPart& part : parts_) {
    if (!IsRequestAtom(part.atom)) continue;
    if (part.atom == AccessAtom::kRemoteAddress && address_length > 0) {
      out = TakeValue(address, address_length, out, end);
    } else if (part.atom == AccessAtom::kRequestLine && length > 0) {
      out = TakeValue(line, length, out, end);
    } else {
      out = TakeAbsent(out, end);
    }
    if (out == nullptr) return nullptr;
  }
  return out;
}

size_t AccessFormat::MeasureRefused(size_t address_length) const {
  size_t longest = address_length > kAccessValueBytesMax ? address_length : kAccessValueBytesMax;
  return request_values_ * (kLengthBytes + longest * kEscapedPerOctet);
}

char* AccessFormat::TakeResponse(const char* head, size_t head_length, const char* tail, size_t tail_length, char* out,
                                 char* end) const {
  for (const AccessPart& part : parts_) {
    if (part.atom != AccessAtom::kResponseHeader) continue;
    const char* value;
    size_t length;
    bool is_there = FindLine(head, head_length, part.text, &value, &length) ||
                    FindLine(tail, tail_length, part.text, &value, &length);
    out = is_there ? TakeValue(value, length, out, end) : TakeAbsent(out, end);
    if (out == nullptr) return nullptr;
  }
  return out;
}

size_t AccessFormat::MeasureResponse(size_t head_length, size_t tail_length) const {
  size_t longest = head_length > tail_length ? head_length : tail_length;
  if (longest > kAccessValueBytesMax) longest = kAccessValueBytesMax;
  return response_values_ * (kLengthBytes + longest * kEscapedPerOctet);
}

void AccessFormat::Write(const AccessFacts& facts, const char* taken, size_t taken_length, AccessClock* clock,
                         std::vector<char>* out) const {
  const char* taken_end = taken + taken_length;
  const uint32_t status = facts.status == 0 ? 499 : facts.status;
  // The response's values stand behind all of the request's.
  const char* response_taken = taken;
  for (size_t i = 0; needs_response_head_ && i < request_values_; i++) {
    const uint16_t length = NextLength(&response_taken, taken_end);
    if (length != kAbsent) response_taken += length;
  }
  auto put_or_absent = [&](bool is_there, auto put) {
    if (is_there) {
      put();
    } else if (is_json_) {
      Put(out, "null", 4);
    } else {
      out->push_back('-');
    }
  };
  for (const AccessPart& part : parts_) {
    switch (part.atom) {
      case AccessAtom::kLiteral:
        Put(out, part.text.data(), part.text.size());
        break;
      case AccessAtom::kDash:
        out->push_back('-');
        break;
      case AccessAtom::kTime: {
        size_t length;
        const char* text = clock->Local(facts.unix_us / 1000000, &length);
        Put(out, text, length);
        break;
      }
      case AccessAtom::kTimeIso: {
        size_t length;
        const char* text = clock->Iso(facts.unix_us / 1000000, &length);
        Put(out, text, length);
        char rest[] = ".000Z";
        auto milliseconds = static_cast<uint32_t>(facts.unix_us / 1000 % 1000);
        rest[1] = static_cast<char>('0' + milliseconds / 100);
        rest[2] = static_cast<char>('0' + milliseconds / 10 % 10);
        rest[3] = static_cast<char>('0' + milliseconds % 10);
        Put(out, rest, 5);
        break;
      }
      case AccessAtom::kStatus:
        PutNumber(out, status);
        break;
      case AccessAtom::kBytes:
        PutNumber(out, facts.body_bytes);
        break;
      case AccessAtom::kBytesOrDash:
        put_or_absent(facts.body_bytes > 0, [&] { PutNumber(out, facts.body_bytes); });
        break;
      case AccessAtom::kSeconds:
        PutNumber(out, facts.total_us / 1000000);
        break;
      case AccessAtom::kMilliseconds:
        PutNumber(out, facts.total_us / 1000);
        break;
      case AccessAtom::kMicroseconds:
        PutNumber(out, facts.total_us);
        break;
      case AccessAtom::kSecondsDecimal:
        PutDecimal(out, facts.total_us, 1000000);
        break;
      case AccessAtom::kMillisecondsDecimal:
        PutDecimal(out, facts.total_us, 1000);
        break;
      case AccessAtom::kQueueDecimal:
        put_or_absent(facts.was_claimed, [&] { PutDecimal(out, facts.queue_us, 1000); });
        break;
      case AccessAtom::kHandlerDecimal:
        put_or_absent(facts.was_claimed, [&] { PutDecimal(out, facts.handler_us, 1000); });
        break;
      case AccessAtom::kConnectionState:
        out->push_back(!facts.is_whole ? 'X' : facts.stays_open ? '+' : '-');
        break;
      case AccessAtom::kIsAborted:
        Put(out, facts.is_whole ? "false" : "true", facts.is_whole ? 5 : 4);
        break;
      case AccessAtom::kProcess:
        Put(out, process_.data(), process_.size());
        break;
      default: {
        const char** cursor = part.atom == AccessAtom::kResponseHeader ? &response_taken : &taken;
        const uint16_t length = NextLength(cursor, taken_end);
        put_or_absent(length != kAbsent, [&] {
          if (is_json_) out->push_back('"');
          Put(out, *cursor, length);
          *cursor += length;
          if (is_json_) out->push_back('"');
        });
      }
    }
  }
  out->push_back('\n');
}

}  // namespace hornet

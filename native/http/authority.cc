#include "http/authority.h"

#include <cstring>

#include "base/bytes.h"

namespace hornet {

namespace {

const char* EndOf(ByteClass wanted, const char* from, const char* end) {
  while (from != end && IsByte(wanted, *from)) ++from;
  return from;
}

// Returns the end of a reg-name (an IPv4 address is one too), or nullptr after a broken percent-encoding.
const char* RegNameEnd(const char* from, const char* end) {
  for (;;) {
    from = EndOf(kRegNameByte, from, end);
    if (from == end || *from != '%') return from;
    if (end - from < 3 || !IsByte(kHexByte, from[1]) || !IsByte(kHexByte, from[2])) return nullptr;
    from += 3;
  }
}

// dec-octet of RFC 3986: no leading zeros, at most 255.
bool IsIpv4(const char* from, const char* end) {
  for (int part = 0; part < 4; ++part) {
    if (part > 0) {
      if (from == end || *from != '.') return false;
      ++from;
    }
    const char* stop = EndOf(kDigitByte, from, end);
    const ptrdiff_t digits = stop - from;
    if (digits < 1 || digits > 3 || (digits > 1 && *from == '0')) return false;
    int value = 0;
    for (; from != stop; ++from) value = value * 10 + (*from - '0');
    if (value > 255) return false;
  }
  return from == end;
}

// Eight groups of up to four hexadecimal digits; one "::" stands for at least one group of zeros; the last two groups
// may be written as an IPv4 address. A zone id is not allowed: it means nothing to anyone but its sender.
bool IsIpv6(const char* from, const char* end) {
  int groups = 0;
  bool compressed = false;
  if (end - from >= 2 && from[0] == ':' && from[1] == ':') {
    compressed = true;
    from += 2;
  }
  while (from != end) {
    const char* stop = EndOf(kHexByte, from, end);
    if (stop != end && *stop == '.') {
      if (!IsIpv4(from, end)) return false;
      groups += 2;
      break;
    }
    if (stop == from || stop - from > 4) return false;
    ++groups;
    from = stop;
    if (from == end) break;
    if (*from != ':') return false;
    ++from;
    if (from == end) return false;
    if (*from != ':') continue;
    if (compressed) return false;
    compressed = true;
    ++from;
  }
  return compressed ? groups < 8 : groups == 8;
}

// "v" hex-digits "." (reg-name octets or ":"): no such address exists yet, the grammar has it.
bool IsIpFuture(const char* from, const char* end) {
  if (from == end || (*from != 'v' && *from != 'V')) return false;
  const char* version = from + 1;
  const char* dot = EndOf(kHexByte, version, end);
  if (dot == version || dot == end || *dot != '.' || dot + 1 == end) return false;
  for (from = dot + 1; from != end; ++from) {
    if (!IsByte(kRegNameByte, *from) && *from != ':') return false;
  }
  return true;
}

// Returns the end of "[...]", or nullptr.
const char* IpLiteralEnd(const char* from, const char* end) {
  const char* close = static_cast<const char*>(memchr(from, ']', static_cast<size_t>(end - from)));
  if (close == nullptr) return nullptr;
  return IsIpv6(from + 1, close) || IsIpFuture(from + 1, close) ? close + 1 : nullptr;
}

}  // namespace

bool IsPort(const char* text, size_t length) {
  const char* end = text + length;
  if (EndOf(kDigitByte, text, end) != end) return false;
  if (length < 5) return true;
  while (length > 5 && *text == '0') {
    ++text;
    --length;
  }
  return length == 5 && memcmp(text, "65535", 5) <= 0;
}

bool IsAuthority(const char* text, size_t length, PortRule port_rule) {
  if (length == 0) return false;
  const char* end = text + length;
  const char* host_end = *text == '[' ? IpLiteralEnd(text, end) : RegNameEnd(text, end);
  if (host_end == nullptr || host_end == text) return false;
  if (host_end == end) return port_rule == PortRule::kOptional;
  if (*host_end != ':') return false;
  if (host_end + 1 == end) return port_rule == PortRule::kOptional;
  return IsPort(host_end + 1, static_cast<size_t>(end - host_end - 1));
}

}  // namespace hornet

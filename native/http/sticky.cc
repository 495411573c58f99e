#include "http/sticky.h"

#include <cstring>
#include <string_view>

namespace hornet {

namespace {

// The finalizer of SplitMix64: every bit of the input changes half of the output's.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// FNV-1a. What clients choose to collide only brings them to the same worker.
uint64_t Hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  hash = Mix(hash);
  return hash != 0 ? hash : 1;
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++) {
    if (Lower(a[i]) != Lower(b[i])) return false;
  }
  return true;
}

// The value of `name` among `NAME=VALUE` parts; empty when it is not there.
std::string_view FindPart(std::string_view text, char separator, std::string_view name) {
  while (!text.empty()) {
    size_t end = text.find(separator);
    std::string_view part = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    if (part.size() > name.size() && part[name.size()] == '=' && part.substr(0, name.size()) == name) {
      return part.substr(name.size() + 1);
    }
  }
  return {};
}

std::string_view ValueOf(const StickyRule& rule, const RequestHead& head, const char* bytes) {
  if (rule.kind == StickyRule::Kind::kQuery) {
    std::string_view target(bytes + head.target_offset, head.target_length);
    size_t start = target.find('?');
    if (start == std::string_view::npos) return {};
    std::string_view query = target.substr(start + 1);
    return FindPart(query.substr(0, query.find('#')), '&', rule.name);
  }
  bool is_cookie = rule.kind == StickyRule::Kind::kCookie;
  for (uint32_t i = 0; i < head.field_count; i++) {
    const HeadField& field = head.fields[i];
    std::string_view name(bytes + field.name_offset, field.name_length);
    if (!EqualsIgnoringCase(name, is_cookie ? std::string_view("cookie") : std::string_view(rule.name))) continue;
    std::string_view value(bytes + field.value_offset, field.value_length);
    if (is_cookie) value = FindPart(value, ';', rule.name);
    if (!value.empty()) return value;
  }
  return {};
}

}  // namespace

StickyRule ParseStickyRule(const std::string& text) {
  StickyRule rule;
  size_t colon = text.find(':');
  std::string kind = text.substr(0, colon);
  if (kind == "ip") rule.kind = StickyRule::Kind::kIp;
  if (colon == std::string::npos || colon + 1 == text.size()) return rule;
  rule.name = text.substr(colon + 1);
  if (kind == "cookie") rule.kind = StickyRule::Kind::kCookie;
  if (kind == "header") rule.kind = StickyRule::Kind::kHeader;
  if (kind == "query") rule.kind = StickyRule::Kind::kQuery;
  return rule;
}

uint64_t StickyKey(const StickyRule& rule, const RequestHead& head, const char* head_bytes, const char* address,
                   size_t address_length) {
  if (rule.kind == StickyRule::Kind::kOff) return 0;
  std::string_view value;
  if (rule.kind == StickyRule::Kind::kIp) {
    value = std::string_view(address, address_length);
    value = value.substr(0, value.find(' '));
  } else {
    value = ValueOf(rule, head, head_bytes);
  }
  return value.empty() ? 0 : Hash(value);
}

uint64_t StickyWeight(uint64_t key, uint32_t worker_id) { return Mix(key ^ Mix(worker_id + 0x9e3779b97f4a7c15u)); }

}  // namespace hornet

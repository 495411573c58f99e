#include "http/response_framing.h"

#include <string_view>

#include "base/bytes.h"

namespace hornet {

namespace {

bool Is(std::string_view name, std::string_view lower) {
  return name.size() == lower.size() && TokenEquals(name.data(), lower.data(), lower.size());
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Of the codings in a list the last one frames.
bool EndsInChunked(std::string_view value) {
  constexpr std::string_view kChunked = "chunked";
  if (value.size() < kChunked.size()) return false;
  const size_t start = value.size() - kChunked.size();
  const bool is_alone = start == 0 || value[start - 1] == ' ' || value[start - 1] == ',';
  return is_alone && Is(value.substr(start), kChunked);
}

bool ReadLength(std::string_view text, uint64_t* length) {
  constexpr size_t kDigitsMax = 18;  // no sum of two of them wraps
  if (text.empty() || text.size() > kDigitsMax) return false;
  *length = 0;
  for (const char c : text) {
    if (!IsByte(kDigitByte, c)) return false;
    *length = *length * 10 + static_cast<uint64_t>(c - '0');
  }
  return true;
}

// 0 when the line is no status line.
int StatusOf(std::string_view line) {
  constexpr size_t kVersionLength = 9;  // "HTTP/1.1 "
  if (line.size() < kVersionLength + 3) return 0;
  int status = 0;
  for (const char c : line.substr(kVersionLength, 3)) {
    if (!IsByte(kDigitByte, c)) return 0;
    status = status * 10 + (c - '0');
  }
  return status;
}

}  // namespace

ResponseFraming ReadResponseFraming(const char* head, size_t length, bool answers_head) {
  ResponseFraming framing;
  std::string_view rest(head, length);
  int status = 0;
  bool has_coding = false;
  for (bool is_first = true; !rest.empty(); is_first = false) {
    const size_t end = rest.find("\r\n");
    if (end == std::string_view::npos) break;
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (is_first) status = StatusOf(line);
    const size_t colon = line.find(':');
    // The two names of interest are told apart from nearly all others by their lengths.
    if (colon != 14 && colon != 17) continue;
    const std::string_view name = line.substr(0, colon);
    if (Is(name, "transfer-encoding")) {
      has_coding = true;
      framing.is_chunked = EndsInChunked(Trim(line.substr(colon + 1)));
    } else if (Is(name, "content-length")) {
      uint64_t value = 0;
      const bool is_number = ReadLength(Trim(line.substr(colon + 1)), &value);
      if (!is_number || (framing.is_sized && framing.length != value)) framing.is_sound = false;
      framing.is_sized = true;
      framing.length = value;
    }
  }
  if (framing.is_sized && has_coding) framing.is_sound = false;
  if (status >= 100 && status < 200) framing.is_sound = false;
  if (answers_head || status == 204 || status == 304) {
    framing.is_sized = true;
    framing.is_chunked = false;
    framing.length = 0;
  }
  return framing;
}

}  // namespace hornet

#include "static/conditions.h"

#include <cstdio>
#include <cstring>
#include <memory>

#include "base/bytes.h"
#include "base/http_date.h"

namespace hornet {

namespace {

constexpr std::string_view kNames[FileRequest::kFields] = {
    "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range", "accept-encoding"};

// Two changes within this time may leave the same date: clocks of file systems tick every few milliseconds, and some
// (FAT) every two seconds. Until it has passed a version cannot be told for sure.
constexpr int64_t kSettledNs = 2'000'000'000;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); i++) {
    if (Lower(text[i]) != lower[i]) return false;
  }
  return true;
}

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view WithoutWeakness(std::string_view tag) {
  return tag.substr(0, 2) == "W/" ? tag.substr(2) : tag;
}

// Whether a list of entity-tags, or `*`, names this version. Strong comparison (RFC 9110 section 8.8.3.2) never holds
// for a weak tag on either side.
bool ListNames(std::string_view list, const FileVersion& version, bool is_strong) {
  list = Trim(list);
  if (list == "*") return true;
  const std::string_view ours = version.tag_text();
  while (!list.empty()) {
    if (list.front() == ',' || IsBlank(list.front())) {
      list.remove_prefix(1);
      continue;
    }
    const size_t open = list.substr(0, 2) == "W/" ? 2 : 0;
    if (list.size() <= open || list[open] != '"') return false;
    const size_t close = list.find('"', open + 1);
    // What is no tag ends the list: nothing behind it can be trusted to be one.
    if (close == std::string_view::npos) return false;
    const std::string_view tag = list.substr(0, close + 1);
    if (is_strong ? (tag == ours && !version.is_weak) : WithoutWeakness(tag) == WithoutWeakness(ours)) return true;
    list.remove_prefix(close + 1);
  }
  return false;
}

// A number of bytes; more than fits counts as the most that does. False when there are no digits, or anything else.
bool ReadBytes(std::string_view text, uint64_t* value) {
  if (text.empty()) return false;
  uint64_t sum = 0;
  for (char c : text) {
    if (!IsByte(kDigitByte, c)) return false;
    const uint64_t digit = static_cast<uint64_t>(c - '0');
    sum = sum > (UINT64_MAX - digit) / 10 ? UINT64_MAX : sum * 10 + digit;
  }
  *value = sum;
  return true;
}

// Takes the one range out of a Range field, if it is one that is understood; otherwise the field means nothing.
Selection SelectRange(std::string_view range, uint64_t size) {
  const Selection whole = {FileAnswer::kWhole, 0, size};
  constexpr std::string_view kUnit = "bytes=";
  if (range.size() < kUnit.size() || !EqualsIgnoringCase(range.substr(0, kUnit.size()), kUnit)) return whole;
  range = Trim(range.substr(kUnit.size()));
  const size_t hyphen = range.find('-');
  if (hyphen == std::string_view::npos) return whole;
  const std::string_view before = range.substr(0, hyphen);
  const std::string_view after = range.substr(hyphen + 1);
  uint64_t first = 0;
  uint64_t last = UINT64_MAX;
  if (before.empty()) {
    uint64_t length = 0;
    if (!ReadBytes(after, &length)) return whole;
    if (length == 0) return {FileAnswer::kUnsatisfiable, 0, 0};
    // The last bytes of nothing are all of it.
    if (size == 0) return whole;
    if (length > size) length = size;
    return {FileAnswer::kPart, size - length, length};
  }
  if (!ReadBytes(before, &first) || (!after.empty() && !ReadBytes(after, &last)) || last < first) return whole;
  if (first >= size) return {FileAnswer::kUnsatisfiable, 0, 0};
  if (last >= size) last = size - 1;
  return {FileAnswer::kPart, first, last - first + 1};
}

bool IfRangeHolds(std::string_view value, const FileVersion& version) {
  value = Trim(value);
  if (!value.empty() && (value[0] == '"' || value.substr(0, 2) == "W/")) {
    return value == version.tag_text() && !version.is_weak;
  }
  int64_t date = 0;
  // Exactly that date, and one that tells versions apart (section 13.1.5).
  return ParseHttpDate(value, &date) && date == version.modified && !version.is_weak;
}

// A weight (RFC 9110 section 12.4.2) in thousandths; what is none counts as 0.
uint32_t ReadWeight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return 0;
  if (text.size() == 1) return text[0] == '1' ? 1000 : 0;
  if (text[1] != '.') return 0;
  uint32_t thousandths = 0;
  uint32_t unit = 100;
  for (char c : text.substr(2)) {
    if (!IsByte(kDigitByte, c)) return 0;
    thousandths += static_cast<uint32_t>(c - '0') * unit;
    unit /= 10;
  }
  if (text[0] == '1') return thousandths == 0 ? 1000 : 0;
  return thousandths;
}

}  // namespace

const char* CodingName(Coding coding) {
  switch (coding) {
    case Coding::kBrotli: return "br";
    case Coding::kGzip: return "gzip";
    case Coding::kIdentity: break;
  }
  return "identity";
}

const char* CodingEnding(Coding coding) {
  switch (coding) {
    case Coding::kBrotli: return ".br";
    case Coding::kGzip: return ".gz";
    case Coding::kIdentity: break;
  }
  return "";
}

void FileRequest::Take(std::string_view name, std::string_view value) {
  for (uint32_t i = 0; i < kFields; i++) {
    if (name.size() != kNames[i].size() || !EqualsIgnoringCase(name, kNames[i])) continue;
    if (fields[i].data() == nullptr) {
      fields[i] = value;
      return;
    }
    auto list = std::make_unique<std::string>(fields[i]);
    *list += ", ";
    *list += value;
    fields[i] = *list;
    joined_.push_back(std::move(list));
    return;
  }
}

FileVersion MakeVersion(uint64_t size, int64_t modified_ns, uint64_t inode, Coding coding, int64_t now_ns) {
  FileVersion version;
  version.size = size;
  // Also what comes from the future, where a clock was wrong.
  version.is_weak = now_ns - modified_ns < kSettledNs;
  // RFC 9110 section 8.8.2.1: never later than the message's own date.
  const int64_t shown_ns = modified_ns < now_ns ? modified_ns : now_ns;
  version.modified = shown_ns / 1'000'000'000 - (shown_ns % 1'000'000'000 < 0 ? 1 : 0);
  const int length =
      std::snprintf(version.tag, sizeof(version.tag), "%s\"%llx-%llx-%llx%s\"", version.is_weak ? "W/" : "",
                    static_cast<unsigned long long>(modified_ns), static_cast<unsigned long long>(size),
                    static_cast<unsigned long long>(inode),
                    coding == Coding::kBrotli ? "-br" : coding == Coding::kGzip ? "-gz" : "");
  version.tag_length = static_cast<uint32_t>(length);
  return version;
}

Selection Select(const FileRequest& request, const FileVersion& version) {
  using Field = FileRequest::Field;
  const Selection failed = {FileAnswer::kFailed, 0, 0};
  const Selection unmodified = {FileAnswer::kNotModified, 0, 0};
  int64_t date = 0;
  if (request.Has(Field::kIfMatch)) {
    if (!ListNames(request.fields[Field::kIfMatch], version, true)) return failed;
  } else if (request.Has(Field::kIfUnmodifiedSince)) {
    if (ParseHttpDate(Trim(request.fields[Field::kIfUnmodifiedSince]), &date) && version.modified > date) return failed;
  }
  if (request.Has(Field::kIfNoneMatch)) {
    if (ListNames(request.fields[Field::kIfNoneMatch], version, false)) return unmodified;
  } else if (request.Has(Field::kIfModifiedSince)) {
    if (ParseHttpDate(Trim(request.fields[Field::kIfModifiedSince]), &date) && version.modified <= date) {
      return unmodified;
    }
  }
  // Range means nothing to HEAD (section 14.2).
  const bool wants_part = request.Has(Field::kRange) && !request.is_head &&
                          (!request.Has(Field::kIfRange) || IfRangeHolds(request.fields[Field::kIfRange], version));
  if (wants_part) return SelectRange(request.fields[Field::kRange], version.size);
  return {FileAnswer::kWhole, 0, version.size};
}

AcceptedCodings ReadAcceptEncoding(std::string_view value) {
  constexpr uint32_t kUnsaid = UINT32_MAX;
  uint32_t brotli = kUnsaid;
  uint32_t gzip = kUnsaid;
  uint32_t identity = kUnsaid;
  uint32_t any = kUnsaid;
  while (!value.empty()) {
    const size_t comma = value.find(',');
    const std::string_view item = value.substr(0, comma);
    value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
    const size_t semicolon = item.find(';');
    const std::string_view name = Trim(item.substr(0, semicolon));
    uint32_t weight = 1000;
    if (semicolon != std::string_view::npos) {
      const std::string_view parameter = Trim(item.substr(semicolon + 1));
      const bool is_weight = parameter.size() >= 2 && Lower(parameter[0]) == 'q' && parameter[1] == '=';
      weight = is_weight ? ReadWeight(parameter.substr(2)) : 0;
    }
    if (EqualsIgnoringCase(name, "br")) {
      brotli = weight;
    } else if (EqualsIgnoringCase(name, "gzip") || EqualsIgnoringCase(name, "x-gzip")) {
      gzip = weight;
    } else if (EqualsIgnoringCase(name, "identity")) {
      identity = weight;
    } else if (name == "*") {
      any = weight;
    }
  }
  const uint32_t rest = any == kUnsaid ? 0 : any;
  if (brotli == kUnsaid) brotli = rest;
  if (gzip == kUnsaid) gzip = rest;
  // Not said, it is acceptable but liked least.
  if (identity == kUnsaid) identity = 0;
  AcceptedCodings accepted;
  auto take = [&](Coding coding, uint32_t weight) {
    if (weight > 0 && weight >= identity) accepted.order[accepted.count++] = coding;
  };
  // Of two that are liked alike brotli is the smaller.
  if (gzip > brotli) {
    take(Coding::kGzip, gzip);
    take(Coding::kBrotli, brotli);
  } else {
    take(Coding::kBrotli, brotli);
    take(Coding::kGzip, gzip);
  }
  return accepted;
}

}  // namespace hornet

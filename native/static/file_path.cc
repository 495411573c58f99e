#include "static/file_path.h"

#include <algorithm>

#include "base/bytes.h"

namespace hornet {

namespace {

// Path and query of a target: for http://host/path what follows the host. Empty when there is none (asterisk form).
std::string_view PathAndQuery(std::string_view target) {
  if (!target.empty() && target[0] == '/') return target;
  const size_t scheme_end = target.find("://");
  if (scheme_end == std::string_view::npos) return {};
  const size_t slash = target.find_first_of("/?", scheme_end + 3);
  return slash == std::string_view::npos || target[slash] == '?' ? std::string_view{} : target.substr(slash);
}

// Decodes a path; false when it holds what no path of a file holds. Returns the decoded bytes in *length.
bool Decode(std::string_view path, char* out, size_t* length) {
  if (path.empty() || path.size() > kFilePathBytesMax) return false;
  size_t used = 0;
  for (size_t i = 0; i < path.size(); i++) {
    char c = path[i];
    if (c == '%') {
      if (i + 2 >= path.size() || !IsByte(kHexByte, path[i + 1]) || !IsByte(kHexByte, path[i + 2])) return false;
      c = static_cast<char>(HexValue(path[i + 1]) << 4 | HexValue(path[i + 2]));
      if (c == '/') return false;
      i += 2;
    }
    const auto octet = static_cast<unsigned char>(c);
    if (c == '\\' || octet < 0x20 || octet == 0x7f) return false;
    out[used++] = c;
  }
  *length = used;
  return true;
}

template <class Judge>
bool EachSegment(std::string_view path, Judge judge) {
  while (true) {
    const size_t slash = path.find('/');
    if (!judge(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

void SortMounts(StaticMounts* mounts) {
  std::stable_sort(mounts->begin(), mounts->end(), [](const StaticMount& a, const StaticMount& b) {
    return a.prefix.size() > b.prefix.size();
  });
}

bool FindFilePath(std::string_view target, const StaticMounts& mounts, char* buffer, FilePath* found) {
  std::string_view path = PathAndQuery(target);
  path = path.substr(0, path.find('?'));
  size_t length = 0;
  if (!Decode(path, buffer, &length)) return false;
  const std::string_view decoded(buffer, length);
  const StaticMount* mount = nullptr;
  for (const StaticMount& each : mounts) {
    const size_t end = each.prefix.size();
    // Whole segments: /assets is not the beginning of /assets2.
    if (decoded.substr(0, end) != each.prefix || (decoded.size() > end && decoded[end] != '/')) continue;
    mount = &each;
    break;
  }
  if (mount == nullptr) return false;
  std::string_view rest = decoded.substr(mount->prefix.size());
  found->mount = mount;
  found->is_folder = !rest.empty() && rest.back() == '/';
  if (!rest.empty()) rest.remove_prefix(1);
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  found->path = rest;
  // One slash alone, /, has been taken for both of its ends; two, //, leave the segment between them.
  if (rest.empty()) return decoded.size() <= mount->prefix.size() + 1;
  bool is_first = true;
  return EachSegment(rest, [&](std::string_view segment) {
    const bool is_well_known = is_first && segment == ".well-known";
    is_first = false;
    return !segment.empty() && (segment[0] != '.' || is_well_known);
  });
}

std::string FolderLocation(std::string_view target) {
  const std::string_view whole = PathAndQuery(target);
  const size_t query = whole.find('?');
  std::string location(whole.substr(0, query));
  location += '/';
  if (query != std::string_view::npos) location += whole.substr(query);
  return location;
}

}  // namespace hornet

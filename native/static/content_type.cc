#include "static/content_type.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace hornet {

namespace {

// What is text says that it is UTF-8, as everything is today: without it browsers guess. JSON and XML have rules of
// their own for that (RFC 8259, RFC 7303). Sorted by ending.
constexpr ContentType kTypes[] = {
    {"3gp", "video/3gpp", false},
    {"7z", "application/x-7z-compressed", false},
    {"aac", "audio/aac", false},
    {"apng", "image/apng", false},
    {"appcache", "text/cache-manifest; charset=utf-8", true},
    {"atom", "application/atom+xml", true},
    {"avif", "image/avif", false},
    {"bin", "application/octet-stream", false},
    {"bmp", "image/bmp", true},
    {"br", "application/x-brotli", false},
    {"bz2", "application/x-bzip2", false},
    {"cjs", "text/javascript; charset=utf-8", true},
    {"css", "text/css; charset=utf-8", true},
    {"csv", "text/csv; charset=utf-8", true},
    {"cur", "image/x-icon", true},
    {"doc", "application/msword", false},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", false},
    {"eot", "application/vnd.ms-fontobject", true},
    {"epub", "application/epub+zip", false},
    {"flac", "audio/flac", false},
    {"geojson", "application/geo+json", true},
    {"gif", "image/gif", false},
    {"glb", "model/gltf-binary", true},
    {"gltf", "model/gltf+json", true},
    {"gz", "application/gzip", false},
    {"heic", "image/heic", false},
    {"heif", "image/heif", false},
    {"htm", "text/html; charset=utf-8", true},
    {"html", "text/html; charset=utf-8", true},
    {"ico", "image/x-icon", true},
    {"ics", "text/calendar; charset=utf-8", true},
    {"jar", "application/java-archive", false},
    {"jpeg", "image/jpeg", false},
    {"jpg", "image/jpeg", false},
    {"js", "text/javascript; charset=utf-8", true},
    {"json", "application/json", true},
    {"jsonld", "application/ld+json", true},
    {"jxl", "image/jxl", false},
    {"m3u8", "application/vnd.apple.mpegurl", true},
    {"m4a", "audio/mp4", false},
    {"m4v", "video/mp4", false},
    {"map", "application/json", true},
    {"markdown", "text/markdown; charset=utf-8", true},
    {"md", "text/markdown; charset=utf-8", true},
    {"mid", "audio/midi", false},
    {"mjs", "text/javascript; charset=utf-8", true},
    {"mkv", "video/x-matroska", false},
    {"mov", "video/quicktime", false},
    {"mp3", "audio/mpeg", false},
    {"mp4", "video/mp4", false},
    {"mpd", "application/dash+xml", true},
    {"mpeg", "video/mpeg", false},
    {"mpg", "video/mpeg", false},
    {"odp", "application/vnd.oasis.opendocument.presentation", false},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet", false},
    {"odt", "application/vnd.oasis.opendocument.text", false},
    {"oga", "audio/ogg", false},
    {"ogg", "audio/ogg", false},
    {"ogv", "video/ogg", false},
    {"opus", "audio/ogg", false},
    {"otf", "font/otf", true},
    {"pdf", "application/pdf", false},
    {"png", "image/png", false},
    {"ppt", "application/vnd.ms-powerpoint", false},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", false},
    {"rar", "application/vnd.rar", false},
    {"rss", "application/rss+xml", true},
    {"rtf", "application/rtf", true},
    {"svg", "image/svg+xml", true},
    {"tar", "application/x-tar", true},
    {"tgz", "application/gzip", false},
    {"tif", "image/tiff", false},
    {"tiff", "image/tiff", false},
    {"toml", "application/toml", true},
    {"ts", "video/mp2t", false},
    {"ttf", "font/ttf", true},
    {"txt", "text/plain; charset=utf-8", true},
    {"vtt", "text/vtt; charset=utf-8", true},
    {"wasm", "application/wasm", true},
    {"wav", "audio/wav", false},
    {"weba", "audio/webm", false},
    {"webm", "video/webm", false},
    {"webmanifest", "application/manifest+json", true},
    {"webp", "image/webp", false},
    {"woff", "font/woff", false},
    {"woff2", "font/woff2", false},
    {"xhtml", "application/xhtml+xml", true},
    {"xls", "application/vnd.ms-excel", false},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", false},
    {"xml", "application/xml", true},
    {"xz", "application/x-xz", false},
    {"yaml", "application/yaml", true},
    {"yml", "application/yaml", true},
    {"zip", "application/zip", false},
    {"zst", "application/zstd", false},
};

constexpr bool IsSorted() {
  for (size_t i = 1; i < std::size(kTypes); i++) {
    if (std::string_view(kTypes[i - 1].ending) >= std::string_view(kTypes[i].ending)) return false;
  }
  return true;
}
static_assert(IsSorted());

constexpr ContentType kUnknown = {"", "application/octet-stream", false};
constexpr size_t kEndingBytesMax = 11;  // "webmanifest"

}  // namespace

const ContentType& ContentTypeOf(std::string_view path) {
  const size_t dot = path.find_last_of("./");
  if (dot == std::string_view::npos || path[dot] != '.') return kUnknown;
  const std::string_view ending = path.substr(dot + 1);
  if (ending.size() > kEndingBytesMax) return kUnknown;
  char lower[kEndingBytesMax];
  std::transform(ending.begin(), ending.end(), lower, [](char c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; });
  const std::string_view wanted(lower, ending.size());
  const ContentType* at = std::lower_bound(
      std::begin(kTypes), std::end(kTypes), wanted,
      [](const ContentType& type, std::string_view text) { return std::string_view(type.ending) < text; });
  return at != std::end(kTypes) && at->ending == wanted ? *at : kUnknown;
}

}  // namespace hornet

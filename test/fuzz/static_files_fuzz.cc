// Whatever is asked for: the path that is found leads nowhere but down, and what is sent lies within the file.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "static/conditions.h"
#include "static/content_type.h"
#include "static/file_head.h"
#include "static/file_path.h"

using namespace hornet;

namespace {

void CheckPath(std::string_view target) {
  static const StaticMounts mounts = [] {
    StaticMounts made = {{"", "/r"}, {"/a", "/r"}, {"/a/b", "/r"}};
    SortMounts(&made);
    return made;
  }();
  static char buffer[kFilePathBytesMax];
  FilePath found;
  if (!FindFilePath(target, mounts, buffer, &found)) return;
  const std::string path(found.path);
  if (path.size() > kFilePathBytesMax || path.find('\0') != std::string::npos) abort();
  if (path.find('\\') != std::string::npos) abort();
  if (!path.empty() && (path.front() == '/' || path.back() == '/')) abort();
  const std::string padded = "/" + path + "/";
  const size_t dot = padded.find("/.");
  if (!path.empty() && (padded.find("//") != std::string::npos ||
                        (dot != std::string::npos && (dot != 0 || padded.rfind("/.well-known/", 0) != 0)))) {
    abort();
  }
  const std::string location = FolderLocation(target);
  // A browser would take two slashes for the name of another server.
  if (!found.is_folder && (location.size() < 2 || location[0] != '/' || strchr("/\\", location[1]) != nullptr)) abort();
  ContentTypeOf(path);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Lines: the target, then values of the fields in their order; the first octet says how large the file is.
  if (size == 0) return 0;
  static const char* const kNames[] = {"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
                                       "If-Range", "Range",         "Accept-Encoding",   "Range"};
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto line = [&rest] {
    const size_t end = rest.find('\n');
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return text;
  };
  CheckPath(line());
  FileRequest request;
  request.is_head = (data[0] & 1) != 0;
  for (const char* name : kNames) {
    if (rest.empty()) break;
    const std::string_view value = line();
    if (!value.empty()) request.Take(name, value);
  }
  const uint64_t bytes = data[0] < 200 ? data[0] / 2 : UINT64_MAX - data[0];
  const FileVersion version = MakeVersion(bytes, 784111777000000000, data[0], Coding::kIdentity,
                                          784111777000000000 + data[0] * 100000000LL);
  const Selection selection = Select(request, version);
  switch (selection.answer) {
    case FileAnswer::kWhole:
      if (selection.first != 0 || selection.length != bytes) abort();
      break;
    case FileAnswer::kPart:
      if (request.is_head || selection.length == 0 || selection.first >= bytes ||
          selection.length > bytes - selection.first) {
        abort();
      }
      break;
    default:
      if (selection.length != 0) abort();
  }
  const AcceptedCodings accepted = ReadAcceptEncoding(request.fields[FileRequest::kAcceptEncoding]);
  if (accepted.count > 2 || (accepted.count == 2 && accepted.order[0] == accepted.order[1])) abort();
  FileHead head;
  head.version = version;
  head.selection = selection;
  head.type = &ContentTypeOf("a.html");
  char text[kFileHeadBytesMax];
  const std::string written(text, WriteFileHead(head, text));
  if (written.find("\r\n\r\n") != std::string::npos) abort();
  return 0;
}

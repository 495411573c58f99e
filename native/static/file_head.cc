#include "static/file_head.h"

#include <cstdio>
#include <cstring>

#include "base/check.h"
#include "base/http_date.h"

namespace hornet {

namespace {

const char* StatusLine(FileAnswer answer) {
  switch (answer) {
    case FileAnswer::kWhole: return "HTTP/1.1 200 OK\r\n";
    case FileAnswer::kPart: return "HTTP/1.1 206 Partial Content\r\n";
    case FileAnswer::kNotModified: return "HTTP/1.1 304 Not Modified\r\n";
    case FileAnswer::kFailed: return "HTTP/1.1 412 Precondition Failed\r\n";
    case FileAnswer::kUnsatisfiable: return "HTTP/1.1 416 Range Not Satisfiable\r\n";
  }
  return "";
}

// Appends within kFileHeadBytesMax.
class Writer {
 public:
  explicit Writer(char* out) : out_(out) {}

  size_t length() const { return length_; }
  void Text(std::string_view text) {
    CHECK(length_ + text.size() <= kFileHeadBytesMax);
    std::memcpy(out_ + length_, text.data(), text.size());
    length_ += text.size();
  }
  void Number(uint64_t value) {
    char digits[24];
    const int count = std::snprintf(digits, sizeof(digits), "%llu", static_cast<unsigned long long>(value));
    Text({digits, static_cast<size_t>(count)});
  }

 private:
  char* out_;
  size_t length_ = 0;
};

}  // namespace

int FileStatus(FileAnswer answer) {
  switch (answer) {
    case FileAnswer::kWhole: return 200;
    case FileAnswer::kPart: return 206;
    case FileAnswer::kNotModified: return 304;
    case FileAnswer::kFailed: return 412;
    case FileAnswer::kUnsatisfiable: return 416;
  }
  return 500;
}

size_t WriteFileHead(const FileHead& head, char* out) {
  const FileAnswer answer = head.selection.answer;
  const bool has_content = answer == FileAnswer::kWhole || answer == FileAnswer::kPart;
  Writer to(out);
  to.Text(StatusLine(answer));
  if (has_content) {
    to.Text("Content-Type: ");
    to.Text(head.type->type);
    to.Text("\r\nLast-Modified: ");
    char date[kDateLength];
    WriteHttpDate(head.version.modified, date);
    to.Text({date, kDateLength});
    to.Text("\r\nAccept-Ranges: bytes\r\n");
    if (head.coding != Coding::kIdentity) {
      to.Text("Content-Encoding: ");
      to.Text(CodingName(head.coding));
      to.Text("\r\n");
    }
  }
  to.Text("ETag: ");
  to.Text(head.version.tag_text());
  to.Text("\r\n");
  // Also of a file without a compressed copy: there may be one tomorrow, and caches would not ask.
  if (head.type->is_compressible) to.Text("Vary: Accept-Encoding\r\n");
  if (has_content || answer == FileAnswer::kNotModified) {
    to.Text("Cache-Control: public, max-age=");
    to.Number(head.max_age_seconds);
    to.Text("\r\n");
  }
  if (answer == FileAnswer::kPart || answer == FileAnswer::kUnsatisfiable) {
    to.Text("Content-Range: bytes ");
    if (answer == FileAnswer::kPart) {
      to.Number(head.selection.first);
      to.Text("-");
      to.Number(head.selection.first + head.selection.length - 1);
    } else {
      to.Text("*");
    }
    to.Text("/");
    to.Number(head.version.size);
    to.Text("\r\n");
  }
  return to.length();
}

}  // namespace hornet

// Writes the head of a response that carries a file, or says that it need not be carried. Pure.
#ifndef HORNET_STATIC_FILE_HEAD_H_
#define HORNET_STATIC_FILE_HEAD_H_

#include <cstddef>
#include <cstdint>

#include "static/conditions.h"
#include "static/content_type.h"

namespace hornet {

struct FileHead {
  FileVersion version;
  Selection selection;
  const ContentType* type = nullptr;
  Coding coding = Coding::kIdentity;
  uint32_t max_age_seconds = 0;
};

int FileStatus(FileAnswer answer);

// The status line and at most nine fields, of which the longest are: Content-Type (90 bytes), ETag (80),
// Content-Range (85), Last-Modified (46), Cache-Control (42).
constexpr size_t kFileHeadBytesMax = 640;

// Without what needs a clock or the connection (Date, Connection, Content-Length) and without the empty line; returns
// the bytes written.
size_t WriteFileHead(const FileHead& head, char* out);

}  // namespace hornet

#endif  // HORNET_STATIC_FILE_HEAD_H_

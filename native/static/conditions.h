// What a request wants of a file: the whole, a part, or nothing because the client has it (RFC 9110 sections 12 to 14).
// Pure.
#ifndef HORNET_STATIC_CONDITIONS_H_
#define HORNET_STATIC_CONDITIONS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hornet {

// How a file is stored: as it is, or compressed beside it.
enum class Coding : uint8_t { kIdentity, kBrotli, kGzip };
const char* CodingName(Coding coding);    // of Content-Encoding
const char* CodingEnding(Coding coding);  // of the file's name, with its dot

// The fields of a request that decide.
struct FileRequest {
  enum Field : uint8_t {
    kIfMatch, kIfNoneMatch, kIfModifiedSince, kIfUnmodifiedSince, kIfRange, kRange, kAcceptEncoding, kFields
  };

  bool is_head = false;
  // data() is null for a field that was not sent. They borrow from the request's text, but for those sent in several
  // lines, which are one list (RFC 9110 section 5.3).
  std::string_view fields[kFields];

  bool Has(Field field) const { return fields[field].data() != nullptr; }
  // One field line of the request; others than the above are passed over.
  void Take(std::string_view name, std::string_view value);

 private:
  std::vector<std::unique_ptr<std::string>> joined_;
};

// What a response says of the version of a file that it carries.
struct FileVersion {
  static constexpr size_t kTagBytesMax = 72;

  char tag[kTagBytesMax];   // an entity-tag, with its quotes
  uint32_t tag_length = 0;  // bytes
  // It may have changed again since without anything to tell it by.
  bool is_weak = false;
  int64_t modified = 0;  // Unix seconds
  uint64_t size = 0;     // bytes

  std::string_view tag_text() const { return {tag, tag_length}; }
};

// The version of a file that was last changed at `modified_ns`, seen at `now_ns` (Unix nanoseconds both).
FileVersion MakeVersion(uint64_t size, int64_t modified_ns, uint64_t inode, Coding coding, int64_t now_ns);

enum class FileAnswer : uint8_t {
  kWhole,          // 200
  kPart,           // 206
  kNotModified,    // 304
  kFailed,         // 412: a precondition does not hold
  kUnsatisfiable,  // 416: there is no such part
};

struct Selection {
  FileAnswer answer = FileAnswer::kWhole;
  uint64_t first = 0;   // bytes from the file's start
  uint64_t length = 0;  // bytes to send; of kWhole and kPart
};

// In the order of RFC 9110 section 13.2.2. Of several ranges in one request none is sent alone, but the whole, which
// the RFC allows (section 14.2): who asks for many small ones costs more than one who asks for all.
Selection Select(const FileRequest& request, const FileVersion& version);

// Compressed codings that are better for the client than none, the one it likes most first.
struct AcceptedCodings {
  Coding order[2];
  uint32_t count = 0;
};
AcceptedCodings ReadAcceptEncoding(std::string_view value);

}  // namespace hornet

#endif  // HORNET_STATIC_CONDITIONS_H_

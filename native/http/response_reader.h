// Reads the one response of a stream, as HTTP/1.1 has it, piece by piece: heads, the body without its framing,
// trailers.
// Pure: bytes in, values out. What it reads was written by this process, or by the application in its own words.
// Bounds: a head, and trailers, are at most kResponseHeadBytesMax.
#ifndef HORNET_HTTP_RESPONSE_READER_H_
#define HORNET_HTTP_RESPONSE_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hornet {

constexpr size_t kResponseHeadBytesMax = 1024 * 1024;

class ResponseReader {
 public:
  struct Field {
    std::string_view name;  // in lower case
    std::string_view value;
  };
  enum class Status : uint8_t {
    kMore,  // all was taken, and more must come
    kHead,  // a head is whole: an interim one if status() is below 200, and another follows
    kData,  // `part` is of the body
    kEnd,   // the response is whole; fields() are its trailers
    kBad,   // that is no response
  };

  // To a HEAD request no body comes, whatever the head says.
  explicit ResponseReader(bool is_head_request) : is_head_request_(is_head_request) {}

  // Takes some of `data`; *used says how much.
  Status Read(const char* data, size_t length, size_t* used, std::string_view* part);
  // No more comes. True when that makes it whole.
  bool End();
  int status() const { return status_; }
  // Those that mean something beyond the connection. They live until the next Read().
  const std::vector<Field>& fields() const { return fields_; }
  // With the head alone it is whole.
  bool has_no_body() const { return state_ == State::kWhole; }

 private:
  enum class State : uint8_t { kHead, kLength, kUntilEnd, kChunkSize, kChunk, kChunkEnd, kTrailers, kWhole };

  Status ReadHead(const char* data, size_t length, size_t* used);
  bool ParseHead();
  bool ParseFields(size_t from);
  bool TakeChunkSize(char c);

  const bool is_head_request_;
  State state_ = State::kHead;
  int status_ = 0;
  std::string text_;  // of the head, or the trailers
  std::vector<Field> fields_;
  uint64_t left_ = 0;        // bytes of the body, or of the chunk
  uint32_t digits_ = 0;      // of the chunk's size
  bool is_in_extension_ = false;
  bool is_chunked_ = false;
  bool has_length_ = false;
};

}  // namespace hornet

#endif  // HORNET_HTTP_RESPONSE_READER_H_

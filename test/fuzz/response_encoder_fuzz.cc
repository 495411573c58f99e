// Any values for what the I/O thread writes into a response, read again by a parser of responses written here. What
// must hold:
//   - what was asked for is there, once, and nothing else is: no field, no line, no octet that ends one;
//   - there is one framing or none, and the length is the one that was given; chunks end where they say they end;
//   - an answer of the server's own is one message of exactly the length it announces, and to HEAD it has no body;
//   - nothing is written beyond what the header promises as the most;
//   - the reader of framings (response_framing) reads the same, and stays within whatever it is given.
// Built and run by `npm run fuzz -- response_encoder 60`.
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "http/response_encoder.h"
#include "http/response_framing.h"
#include "require.h"

namespace hornet {

namespace {

// Takes numbers off the input; zeros behind its end.
class Source {
 public:
  Source(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  template <typename Number>
  Number Take() {
    Number number = 0;
    const size_t count = size_ < sizeof(number) ? size_ : sizeof(number);
    if (count > 0) memcpy(&number, data_, count);
    data_ += count;
    size_ -= count;
    return number;
  }
  bool TakeBit() { return (Take<uint8_t>() & 1) != 0; }

 private:
  const uint8_t* data_;
  size_t size_;
};

// What an encoder writes, in a block of exactly the size it may use.
template <typename Encode>
std::string Written(size_t bytes_max, Encode encode) {
  const std::unique_ptr<char[]> out(new char[bytes_max]);
  const size_t length = encode(out.get());
  Require(length <= bytes_max, "no more than promised");
  return std::string(out.get(), length);
}

struct Message {
  std::string status_line;
  std::map<std::string, std::string> fields;
  std::string_view body;  // all behind the empty line
};

// A head of whole lines, each field once, of visible ASCII and blanks alone.
Message ReadMessage(std::string_view text, bool has_status_line) {
  Message message;
  for (bool is_first = has_status_line;; is_first = false) {
    const size_t end = text.find("\r\n");
    Require(end != std::string_view::npos, "whole lines");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    for (const char c : line) Require(c >= 0x20 && c < 0x7f, "lines of plain text");
    if (line.empty()) {
      message.body = text;
      return message;
    }
    if (is_first) {
      message.status_line = line;
      continue;
    }
    const size_t colon = line.find(": ");
    Require(colon != std::string_view::npos && colon > 0, "a field");
    const std::string name(line.substr(0, colon));
    Require(message.fields.emplace(name, line.substr(colon + 2)).second, "no field twice");
  }
}

std::string FieldOf(const Message& message, const char* name) {
  const auto field = message.fields.find(name);
  return field == message.fields.end() ? "" : field->second;
}

void CheckTail(Source* source, const char* date) {
  HeadTail tail;
  tail.date = source->TakeBit() ? date : nullptr;
  tail.with_connection = source->TakeBit();
  tail.close = source->TakeBit();
  tail.keep_alive_seconds = source->Take<uint32_t>();
  tail.chunked = source->TakeBit();
  tail.with_length = source->TakeBit();
  tail.content_length = source->Take<uint64_t>();
  const std::string text = Written(kHeadTailBytesMax, [&](char* out) { return EncodeHeadTail(tail, out); });
  const Message message = ReadMessage(text, false);
  Require(message.body.empty(), "nothing behind the head");
  const bool is_kept = tail.with_connection && !tail.close;
  size_t wanted = 0;
  if (tail.date != nullptr) wanted++;
  if (tail.with_connection) wanted++;
  if (is_kept && tail.keep_alive_seconds > 0) wanted++;
  if (tail.chunked || tail.with_length) wanted++;
  Require(message.fields.size() == wanted, "what was asked for and no more");
  Require(FieldOf(message, "Date") == (tail.date == nullptr ? "" : date), "the date");
  if (tail.with_connection) Require(FieldOf(message, "Connection") == (tail.close ? "close" : "keep-alive"), "its end");
  if (tail.chunked) {
    Require(FieldOf(message, "Transfer-Encoding") == "chunked", "chunks");
  } else if (tail.with_length) {
    Require(FieldOf(message, "Content-Length") == std::to_string(tail.content_length), "its length");
  }
  const std::string head = "HTTP/1.1 200 OK\r\n" + text;
  const ResponseFraming framing = ReadResponseFraming(head.data(), head.size(), false);
  Require(framing.is_sized == (tail.with_length && !tail.chunked), "a length that is seen");
  if (framing.is_sized && framing.is_sound) Require(framing.length == tail.content_length, "as it was written");
}

// Whatever an application may have put into a head.
void CheckFraming(const uint8_t* data, size_t size) {
  const std::unique_ptr<char[]> copy(new char[size]);
  memcpy(copy.get(), data, size);
  const ResponseFraming framing = ReadResponseFraming(copy.get(), size, false);
  Require(framing.is_sized || framing.length == 0, "no length without its framing");
  const ResponseFraming empty = ReadResponseFraming(copy.get(), size, true);
  Require(empty.is_sized && empty.length == 0, "no body for HEAD");
}

// A body as the only chunk of a message: where it ends is where it says.
void CheckChunk(Source* source) {
  const uint32_t length = source->Take<uint32_t>();
  const std::string start = Written(kChunkFrameBytesMax, [&](char* out) { return EncodeChunkStart(length, out); });
  char* end;
  Require(strtoull(start.c_str(), &end, 16) == length, "its size");
  Require(std::string_view(end) == "\r\n" && start.front() != '+' && start.front() != '-', "a line");
  Require(std::string_view(kChunkEnd) == std::string("\r\n") + kLastChunk, "the last chunk");
}

void CheckCanned(Source* source, const char* date) {
  // What it is called with: a status of three digits.
  const int status = 200 + source->Take<uint16_t>() % 400;
  const bool is_head = source->TakeBit();
  const bool close = source->TakeBit();
  const std::string text =
      Written(kCannedBytesMax, [&](char* out) { return EncodeCanned(status, is_head, close, date, out); });
  const Message message = ReadMessage(text, true);
  Require(message.status_line.compare(0, 13, "HTTP/1.1 " + std::to_string(status) + " ") == 0, "its status");
  Require(FieldOf(message, "Connection") == (close ? "close" : "keep-alive"), "its connection");
  const std::string length = FieldOf(message, "Content-Length");
  Require(!length.empty(), "a length");
  const size_t wanted = is_head ? 0 : strtoull(length.c_str(), nullptr, 10);
  Require(message.body.size() == wanted, "a body of just that length");
  const bool may_come_again = status == 503 || status == 429;
  Require(FieldOf(message, "Retry-After").empty() != may_come_again, "when to come again");
}

}  // namespace

}  // namespace hornet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hornet::Source source(data, size);
  // Years of four digits: what the clock of a machine may show.
  const int64_t seconds = static_cast<int64_t>(source.Take<uint64_t>() % 253402300800u);
  static hornet::DateCache cache;
  const char* date = cache.Get(seconds);
  hornet::Require(strlen(date) == hornet::kDateLength, "a date of its length");
  hornet::CheckTail(&source, date);
  hornet::CheckChunk(&source);
  hornet::CheckCanned(&source, date);
  hornet::CheckFraming(data, size);
  return 0;
}

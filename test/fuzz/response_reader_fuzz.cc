// Any bytes for the reader of a stream's response, whole and cut anywhere. What must hold:
//   - it tells the same however its input is cut, and takes no byte twice and leaves none behind;
//   - fields are names without capitals, blanks or line ends, and values without line ends, none of a connection;
//   - the body is made of bytes that came, in their order, and no more of them than its framing says;
//   - what is whole stays whole, and what is wrong is not read on;
//   - a response that was made here is read as it was made.
// Built and run by `npm run fuzz -- response_reader 60`.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "http/response_reader.h"
#include "require.h"

namespace hornet {

namespace {

bool IsOfConnection(std::string_view name) {
  for (const std::string_view each : {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}) {
    if (name == each) return true;
  }
  return false;
}

// All that a reader tells, in its order; bodies in one piece.
struct Told {
  std::string heads;
  std::string body;
  std::string trailers;
  bool is_bad = false;
  bool is_whole = false;

  bool operator==(const Told&) const = default;
};

std::string FieldsOf(const ResponseReader& reader) {
  std::string text;
  for (const auto& [name, value] : reader.fields()) {
    Require(!name.empty() && !IsOfConnection(name), "fields that mean something");
    for (const char c : name) Require(c != '\n' && c != ':' && (c < 'A' || c > 'Z'), "names in lower case");
    Require(value.find('\n') == value.npos, "values of one line");
    if (!value.empty()) {
      for (const char c : {value.front(), value.back()}) Require(c != ' ' && c != '\t', "values without blanks around");
    }
    text.append(name).append("=").append(value).append(";");
  }
  return text;
}

// `cut` says how long the pieces are: its bits, over and over; 0 is the whole.
Told ReadCut(const uint8_t* data, size_t size, uint32_t cut, bool is_head_request, bool ends) {
  ResponseReader reader(is_head_request);
  Told told;
  size_t at = 0;
  for (uint32_t bits = cut; at < size; bits = bits >> 4 | bits << 28) {
    const size_t length = cut == 0 ? size : std::min<size_t>(1 + (bits & 15), size - at);
    // Of exactly its size: a look beyond it is seen.
    const std::unique_ptr<char[]> piece(new char[length]);
    memcpy(piece.get(), data + at, length);
    at += length;
    for (size_t done = 0; done < length;) {
      size_t used = 0;
      std::string_view part;
      const bool was_whole = reader.has_no_body();
      const auto status = reader.Read(piece.get() + done, length - done, &used, &part);
      Require(used <= length - done, "no more than there is");
      Require(used > 0 || status == ResponseReader::Status::kBad, "it goes on");
      switch (status) {
        case ResponseReader::Status::kMore:
          Require(used == length - done && !was_whole, "all is taken");
          break;
        case ResponseReader::Status::kHead:
          Require(!was_whole && reader.status() >= 100 && reader.status() <= 999, "a status");
          told.heads += std::to_string(reader.status()) + " " + FieldsOf(reader) + "\n";
          break;
        case ResponseReader::Status::kData:
          Require(!was_whole, "nothing behind the end");
          Require(part.data() >= piece.get() + done && part.data() + part.size() <= piece.get() + done + used,
                  "bytes that came");
          told.body += part;
          break;
        case ResponseReader::Status::kEnd:
          Require(reader.has_no_body(), "the end");
          if (!was_whole) told.trailers = FieldsOf(reader);
          break;
        case ResponseReader::Status::kBad:
          told.is_bad = true;
          return told;
      }
      done += used;
    }
  }
  told.is_whole = reader.has_no_body() || (ends && reader.End());
  if (told.is_whole) Require(reader.End() && reader.has_no_body(), "whole for good");
  return told;
}

// A response with what is left of the input as its body, in pieces of some length.
void CheckMade(const uint8_t* data, size_t size, uint32_t cut, uint8_t kind) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  std::string text = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nX-One: 1\r\n";
  std::string fields = "x-one=1;";
  std::string trailers;
  if (kind % 3 == 0) {
    text += "Content-Length: " + std::to_string(size) + "\r\n\r\n" + body;
    fields += "content-length=" + std::to_string(size) + ";";
  } else if (kind % 3 == 1) {
    text += "Transfer-Encoding: chunked\r\n\r\n";
    for (size_t at = 0; at < size;) {
      const size_t length = std::min<size_t>(1 + (cut & 63), size - at);
      char line[20];
      snprintf(line, sizeof(line), "%zx\r\n", length);
      text.append(line).append(body, at, length).append("\r\n");
      at += length;
    }
    text += "0\r\nX-Sum: 2\r\n\r\n";
    trailers = "x-sum=2;";
  } else {
    text += "\r\n" + body;
  }
  const Told told = ReadCut(reinterpret_cast<const uint8_t*>(text.data()), text.size(), cut, false, kind % 3 == 2);
  Require(told.heads == "103 link=</a>;\n200 " + fields + "\n", "the heads that were made");
  Require(told.body == body && told.trailers == trailers, "the body that was made");
  Require(told.is_whole && !told.is_bad, "whole");
}

}  // namespace

}  // namespace hornet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using hornet::ReadCut;
  uint32_t cut = 0;
  uint8_t kind = 0;
  if (size < sizeof(cut) + 1) return 0;
  memcpy(&cut, data, sizeof(cut));
  kind = data[sizeof(cut)];
  data += sizeof(cut) + 1;
  size -= sizeof(cut) + 1;
  const bool is_head_request = (kind & 1) != 0;
  const bool ends = (kind & 2) != 0;
  const hornet::Told whole = ReadCut(data, size, 0, is_head_request, ends);
  hornet::Require(whole == ReadCut(data, size, cut == 0 ? 1 : cut, is_head_request, ends), "the same in pieces");
  hornet::Require(whole.body.size() <= size, "no more than came");
  if (is_head_request) hornet::Require(whole.body.empty(), "no body for HEAD");
  hornet::CheckMade(data, size, cut, kind);
  return 0;
}

// Whatever a client sends, a line of the access log is one line, its quotes are closed, and the room that was measured
// for it is enough.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "http/access_format.h"

using namespace hornet;

namespace {

const std::vector<AccessPart> kParts = {
    {AccessAtom::kRemoteAddress, ""}, {AccessAtom::kLiteral, "\n"},    {AccessAtom::kUser, ""},
    {AccessAtom::kLiteral, "\n"},     {AccessAtom::kRequestLine, ""},  {AccessAtom::kLiteral, "\n"},
    {AccessAtom::kTarget, ""},        {AccessAtom::kLiteral, "\n"},    {AccessAtom::kPath, ""},
    {AccessAtom::kLiteral, "\n"},     {AccessAtom::kQuery, ""},        {AccessAtom::kLiteral, "\n"},
    {AccessAtom::kReferer, ""},       {AccessAtom::kLiteral, "\n"},    {AccessAtom::kResponseHeader, "x-a"},
    {AccessAtom::kLiteral, "\n"},     {AccessAtom::kRequestHeader, "x-a"},
};
constexpr size_t kLines = 9;

void Require(bool condition) {
  if (!condition) abort();
}

// Between our own line feeds (a stand-in for what surrounds a value) there is one value each, that ends nothing.
void CheckLine(const std::vector<char>& line, bool is_json) {
  size_t lines = 0;
  bool is_quoted = false;
  for (size_t i = 0; i < line.size(); i++) {
    const auto c = static_cast<unsigned char>(line[i]);
    if (c == '\n') {
      Require(!is_quoted);
      lines++;
      continue;
    }
    Require(c >= 0x20 && c < 0x7f);
    if (c == '\\') {
      i++;
      Require(i < line.size() && line[i] != '\n');
    } else if (c == '"') {
      Require(is_json);
      is_quoted = !is_quoted;
    }
  }
  Require(lines == kLines);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static RequestHead head;
  const char* bytes = reinterpret_cast<const char*>(data);
  const size_t address_length = size < 8 ? size : 8;
  for (const bool is_json : {false, true}) {
    const AccessFormat format(kParts, is_json);
    const bool is_head = ParseHead(bytes, size, HeadLimits(), &head) == ParseStatus::kDone;
    const size_t room = format.MeasureResponse(size, size) + (is_head ? format.MeasureRequest(head, address_length)
                                                                      : format.MeasureRefused(address_length));
    // Exactly so much: one octet more is the sanitizer's to see.
    const std::unique_ptr<char[]> taken(new char[room]);
    char* end = taken.get() + room;
    char* at = is_head ? format.TakeRequest(head, bytes, bytes, address_length, taken.get(), end)
                       : format.TakeRefused(bytes, size, bytes, address_length, taken.get(), end);
    Require(at != nullptr);
    at = format.TakeResponse(bytes, size, bytes, size, at, end);
    Require(at != nullptr);
    AccessClock clock;
    std::vector<char> line;
    format.Write(AccessFacts(), taken.get(), static_cast<size_t>(at - taken.get()), &clock, &line);
    CheckLine(line, is_json);
  }
  return 0;
}

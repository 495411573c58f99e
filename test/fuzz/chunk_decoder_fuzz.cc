// Any octets, taken as a chunked body, by the decoder and by a slow second reading of the grammar (RFC 9112 section
// 7.1, without blanks in extensions) written here, which sees the message whole. What must hold:
//   - both find the same data, the same trailers and the same end, or both refuse;
//   - what is incomplete for one is incomplete for the other, or refused by the decoder, which may look ahead of it;
//   - only what is ours alone is refused beyond the grammar: limits, and trailers that have no business there.
// Built and run by `npm run fuzz -- chunk_decoder 60`.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "http/body_decoder.h"
#include "require.h"

namespace hornet {

namespace {

enum class Found { kWhole, kMore, kWrong };

struct Message {
  std::string data;
  std::vector<std::pair<std::string, std::string>> trailers;
  size_t end = 0;  // bytes of the input it takes
};

// The grammar, by hand and by line. Recursive descent over a text that never changes: slow, and plain to check.
class Grammar {
 public:
  explicit Grammar(std::string_view input) : input_(input) {}

  Found Read(Message* message) {
    for (;;) {
      uint64_t size;
      const Found line = ReadChunkLine(&size);
      if (line != Found::kWhole) return line;
      if (size == 0) return ReadTrailers(message);
      if (input_.size() - at_ < size) return Found::kMore;
      message->data += input_.substr(at_, size);
      at_ += size;
      if (!Take('\r') || !Take('\n')) return Stopped();
    }
  }

 private:
  bool IsAtEnd() const { return at_ == input_.size(); }
  // What it means that the octet wanted is not there.
  Found Stopped() const { return IsAtEnd() ? Found::kMore : Found::kWrong; }

  bool Take(char c) {
    if (IsAtEnd() || input_[at_] != c) return false;
    at_++;
    return true;
  }

  size_t TakeAll(ByteClass wanted) {
    const size_t from = at_;
    while (!IsAtEnd() && IsByte(wanted, input_[at_])) at_++;
    return at_ - from;
  }

  Found ReadChunkLine(uint64_t* size) {
    const size_t from = at_;
    const size_t digits = TakeAll(kHexByte);
    if (digits == 0) return Stopped();
    if (digits > 16) return Found::kWrong;
    *size = strtoull(std::string(input_.substr(from, digits)).c_str(), nullptr, 16);
    if (!IsAtEnd() && *size > INT64_MAX) return Found::kWrong;
    for (;;) {
      if (Take('\r')) return Take('\n') ? Found::kWhole : Stopped();
      if (!Take(';')) return Stopped();
      const Found extension = ReadExtension();
      if (extension != Found::kWhole) return extension;
    }
  }

  Found ReadExtension() {
    if (TakeAll(kTokenByte) == 0) return Stopped();
    if (!Take('=')) return Found::kWhole;
    if (!Take('"')) return TakeAll(kTokenByte) == 0 ? Stopped() : Found::kWhole;
    while (!Take('"')) {
      Take('\\');
      if (IsAtEnd()) return Found::kMore;
      if (!IsByte(kValueByte, input_[at_])) return Found::kWrong;
      at_++;
    }
    return Found::kWhole;
  }

  Found ReadTrailers(Message* message) {
    while (!Take('\r')) {
      const size_t name = at_;
      const size_t name_length = TakeAll(kTokenByte);
      if (name_length == 0 || !Take(':')) return Stopped();
      const size_t value = at_;
      const size_t value_length = TakeAll(kValueByte);
      if (!Take('\r') || !Take('\n')) return Stopped();
      message->trailers.emplace_back(input_.substr(name, name_length), Trim(input_.substr(value, value_length)));
    }
    if (!Take('\n')) return Stopped();
    message->end = at_;
    return Found::kWhole;
  }

  static std::string_view Trim(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
  }

  std::string_view input_;
  size_t at_ = 0;
};

bool IsOurRule(BodyFault fault) {
  return fault == BodyFault::kChunkExtensionTooLong || fault == BodyFault::kTrailersTooLarge ||
         fault == BodyFault::kForbiddenTrailer;
}

void Check(std::string_view input) {
  Message wanted;
  const Found found = Grammar(input).Read(&wanted);

  Message message;
  BodyDecoder decoder;
  decoder.Start(BodyFraming::kChunked, 0);
  BodyStep step;
  size_t at = 0;
  do {
    step = decoder.Step(input.data() + at, input.size() - at);
    at += step.consumed;
    if (step.status == BodyStatus::kData) message.data.append(step.data, step.data_length);
    if (step.status == BodyStatus::kTrailer) {
      message.trailers.emplace_back(std::string(step.data, step.data_length),
                                    std::string(step.value, step.value_length));
    }
  } while (step.status == BodyStatus::kData || step.status == BodyStatus::kTrailer);

  if (step.status == BodyStatus::kBad) {
    // What the grammar has no end of may be past saving already.
    Require(found != Found::kWhole || IsOurRule(step.fault), "nothing right is refused");
    return;
  }
  Require(found == (step.status == BodyStatus::kDone ? Found::kWhole : Found::kMore), "nothing wrong is taken");
  if (found != Found::kWhole) return;
  Require(message.data == wanted.data, "the same data");
  Require(message.trailers == wanted.trailers, "the same trailers");
  Require(at == wanted.end, "the same end");
}

}  // namespace

}  // namespace hornet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hornet::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}

// Any octets, taken as a request body. The first octet is the size of the pieces it comes in; the rest is a chunked
// body, and a sized one too. What must hold:
//   - the pieces never change what comes out;
//   - data and trailers lie in the input; nothing is consumed that was not given, no step stands still;
//   - a sized body is the input's beginning;
//   - a chunked message written again from its data and trailers decodes to the same.
// Built and run by `npm run fuzz -- body_decoder 60`.
#include <cstdint>
#include <cstdio>

#include "../native/replay.h"
#include "http/body_decoder.h"
#include "require.h"

namespace hornet {

namespace {

struct Outcome {
  std::string data;
  std::vector<std::pair<std::string, std::string>> trailers;
  BodyStatus status = BodyStatus::kMore;
  BodyFault fault = BodyFault::kNone;
  size_t left = 0;  // bytes given and not consumed when the message was done

  bool operator==(const Outcome& other) const {
    return data == other.data && trailers == other.trailers && status == other.status && fault == other.fault;
  }
};

void CheckWithin(const ExactCopy& copy, const char* part, size_t length) {
  Require(part >= copy.data() && part + length <= copy.data() + copy.size(), "a part of the input");
}

// Steps over what has come; false when the body has ended, well or not.
bool StepOver(BodyDecoder* decoder, std::string* pending, Outcome* outcome) {
  for (;;) {
    const ExactCopy copy(*pending);
    const BodyStep step = decoder->Step(copy.data(), copy.size());
    Require(step.consumed <= copy.size(), "no more consumed than given");
    outcome->status = step.status;
    outcome->fault = step.fault;
    if (step.status == BodyStatus::kData) {
      CheckWithin(copy, step.data, step.data_length);
      Require(step.data_length > 0, "data that is some");
      outcome->data.append(step.data, step.data_length);
    } else if (step.status == BodyStatus::kTrailer) {
      CheckWithin(copy, step.data, step.data_length);
      CheckWithin(copy, step.value, step.value_length);
      outcome->trailers.emplace_back(std::string(step.data, step.data_length),
                                     std::string(step.value, step.value_length));
    }
    pending->erase(0, step.consumed);
    if (step.status == BodyStatus::kMore) {
      Require(pending->size() <= kTrailerBytesMax + 2, "a bounded rest");
      return true;
    }
    if (step.status == BodyStatus::kBad || step.status == BodyStatus::kDone) return false;
    Require(step.consumed > 0, "a step forward");
  }
}

Outcome Decode(BodyDecoder decoder, std::string_view input, size_t piece) {
  Outcome outcome;
  std::string pending;
  size_t at = 0;
  bool goes_on = StepOver(&decoder, &pending, &outcome);
  while (goes_on && at < input.size()) {
    const std::string_view next = input.substr(at, piece);
    at += next.size();
    pending += next;
    goes_on = StepOver(&decoder, &pending, &outcome);
  }
  outcome.left = pending.size() + input.size() - at;
  return outcome;
}

void CheckChunked(std::string_view input, size_t piece) {
  BodyDecoder decoder;
  decoder.Start(BodyFraming::kChunked, 0);
  const Outcome whole = Decode(decoder, input, input.size());
  const Outcome pieces = Decode(decoder, input, piece);
  Require(whole == pieces, "pieces change nothing");
  if (whole.status != BodyStatus::kDone) return;
  Require(whole.left == pieces.left, "the same end");

  char size[32];
  snprintf(size, sizeof(size), "%zx\r\n", whole.data.size());
  std::string text = whole.data.empty() ? "" : size + whole.data + "\r\n";
  text += "0\r\n";
  for (const auto& [name, value] : whole.trailers) text += name + ":" + value + "\r\n";
  Require(Decode(decoder, text + "\r\n", text.size()) == whole, "written again, the same");
}

void CheckSized(std::string_view input, size_t piece) {
  const uint64_t wanted = input.size() / 2 + piece;
  BodyDecoder decoder;
  decoder.Start(BodyFraming::kLength, wanted);
  const Outcome outcome = Decode(decoder, input, piece);
  Require(outcome.data == input.substr(0, wanted), "a sized body is the input's beginning");
  Require((outcome.status == BodyStatus::kDone) == (input.size() >= wanted), "done when it is all there");
}

}  // namespace

}  // namespace hornet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t piece = data[0] % 32 + 1;
  hornet::CheckChunked(input, piece);
  hornet::CheckSized(input, piece);
  return 0;
}

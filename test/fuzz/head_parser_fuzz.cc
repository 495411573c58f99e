// Any octets, taken as a request head. What must hold:
//   - the SIMD path and the portable path say the same;
//   - a whole head lies within the input, its parts in order, made only of the octets they may hold;
//   - each beginning of the input gives kMore or what the whole gives;
//   - a head written again from its parts parses to the same parts.
// Built and run by `npm run fuzz -- head_parser 60`.
#include <cstdint>

#include "../native/replay.h"
#include "base/bytes.h"
#include "require.h"

namespace hornet {

namespace {

RequestHead g_whole;
RequestHead g_other;

bool AreOf(ByteClass wanted, std::string_view text) {
  for (const char c : text) {
    if (!IsByte(wanted, c)) return false;
  }
  return true;
}

void CheckOctets(const RequestHead& head, const char* data) {
  Require(AreOf(kTargetByte, {data + head.target_offset, head.target_length}), "a target of target octets");
  for (uint32_t i = 0; i < head.field_count; ++i) {
    Require(AreOf(kTokenByte, NameOf(head.fields[i], data)), "a name of token octets");
    Require(AreOf(kValueByte, ValueOf(head.fields[i], data)), "a value of value octets");
  }
}

void CheckBeginnings(std::string_view input, ParseStatus whole, const HeadLimits& limits) {
  const size_t step = input.size() / 128 + 1;
  for (size_t length = 0; length < input.size(); length += step) {
    const ExactCopy copy(input.substr(0, length));
    const ParseStatus status = ParseHead(copy.data(), copy.size(), limits, &g_other);
    if (whole == ParseStatus::kDone) {
      Require((status == ParseStatus::kDone) == (length >= g_whole.head_length), "done when whole, and not before");
    }
    if (status == ParseStatus::kMore) continue;
    Require(status == whole && AreEqual(status, g_whole, g_other), "a beginning gives what the whole gives");
  }
}

void CheckWrittenAgain(const char* data, const HeadLimits& limits) {
  const std::string text = Serialize(g_whole, data);
  const ExactCopy copy(text);
  Require(ParseHead(copy.data(), copy.size(), limits, &g_other) == ParseStatus::kDone, "written again, still a head");
  Require(g_other.head_length == text.size() && AreAlike(g_whole, g_other), "written again, the same head");
  for (uint32_t i = 0; i < g_whole.field_count; ++i) {
    Require(NameOf(g_whole.fields[i], data) == NameOf(g_other.fields[i], copy.data()), "the same name");
    Require(ValueOf(g_whole.fields[i], data) == ValueOf(g_other.fields[i], copy.data()), "the same value");
    Require(g_whole.fields[i].id == g_other.fields[i].id, "the same id");
  }
}

void Check(std::string_view input, const HeadLimits& limits) {
  const ExactCopy copy(input);
  const ParseStatus status = ParseHead(copy.data(), copy.size(), limits, &g_whole);
  const ParseStatus portable = ParseHeadPortable(copy.data(), copy.size(), limits, &g_other);
  Require(status == portable && AreEqual(status, g_whole, g_other), "two paths, one answer");
  CheckBeginnings(input, status, limits);
  if (status == ParseStatus::kBad) Require(g_whole.fault != HeadFault::kNone, "a fault");
  if (status != ParseStatus::kDone) return;
  const char* mistake = FindMistake(g_whole, copy.data(), copy.size());
  Require(mistake == nullptr, mistake == nullptr ? "" : mistake);
  Require(g_whole.head_length <= limits.head_bytes_max && g_whole.field_count <= limits.fields_max, "limits");
  CheckOctets(g_whole, copy.data());
  CheckWrittenAgain(copy.data(), limits);
}

}  // namespace

}  // namespace hornet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  hornet::HeadLimits narrow;
  narrow.request_line_max = 40;
  narrow.fields_max = 3;
  narrow.field_size_max = 36;
  narrow.head_bytes_max = 120;
  hornet::Check(input, hornet::HeadLimits());
  hornet::Check(input, narrow);
  return 0;
}

// What the vectors cannot say about BodyDecoder: what each step consumes, and what it says between the steps.
#include "http/body_decoder.h"

#include <set>

#include "harness.h"

namespace hornet {

namespace {

BodyStep StepOver(BodyDecoder* decoder, std::string_view input) { return decoder->Step(input.data(), input.size()); }

BodyDecoder Started(BodyFraming framing, uint64_t content_length) {
  BodyDecoder decoder;
  decoder.Start(framing, content_length);
  return decoder;
}

}  // namespace

TEST(ABodyOfNothingIsDoneAtOnce) {
  for (const BodyFraming framing : {BodyFraming::kNone, BodyFraming::kLength}) {
    BodyDecoder decoder = Started(framing, 0);
    EXPECT(decoder.done());
    const BodyStep step = StepOver(&decoder, "GET /");
    EXPECT_EQ(step.status, BodyStatus::kDone);
    EXPECT_EQ(step.consumed, 0u);
  }
}

TEST(ASizedBodyCountsDown) {
  BodyDecoder decoder = Started(BodyFraming::kLength, 5);
  EXPECT_EQ(decoder.remaining(), 5u);
  EXPECT_EQ(StepOver(&decoder, "").status, BodyStatus::kMore);
  BodyStep step = StepOver(&decoder, "hel");
  EXPECT_EQ(step.status, BodyStatus::kData);
  EXPECT_EQ(step.data_length, 3u);
  EXPECT_EQ(decoder.remaining(), 2u);
  EXPECT(!decoder.done());
  step = StepOver(&decoder, "loGET");
  EXPECT_EQ(step.consumed, 2u);
  EXPECT_EQ(std::string(step.data, step.data_length), "lo");
  EXPECT(decoder.done());
  EXPECT_EQ(StepOver(&decoder, "GET").status, BodyStatus::kDone);
}

TEST(FramingBeforeDataIsConsumedWithIt) {
  BodyDecoder decoder = Started(BodyFraming::kChunked, 0);
  const std::string input = "5\r\nhello\r\n0\r\n\r\nGET";
  BodyStep step = StepOver(&decoder, input);
  EXPECT_EQ(step.status, BodyStatus::kData);
  EXPECT_EQ(step.consumed, 8u);
  EXPECT(step.data == input.data() + 3);
  EXPECT_EQ(decoder.remaining(), 0u);
  step = StepOver(&decoder, std::string_view(input).substr(8));
  EXPECT_EQ(step.status, BodyStatus::kDone);
  EXPECT_EQ(step.consumed, 7u);
  EXPECT(decoder.done());
}

TEST(TrailersAreConsumedByWholeLines) {
  BodyDecoder decoder = Started(BodyFraming::kChunked, 0);
  BodyStep step = StepOver(&decoder, "0\r\nA: 1");
  EXPECT_EQ(step.status, BodyStatus::kMore);
  EXPECT_EQ(step.consumed, 3u);
  step = StepOver(&decoder, "A: 1\r");
  EXPECT_EQ(step.status, BodyStatus::kMore);
  EXPECT_EQ(step.consumed, 0u);
  step = StepOver(&decoder, "A: 1\r\n\r");
  EXPECT_EQ(step.status, BodyStatus::kTrailer);
  EXPECT_EQ(step.consumed, 6u);
  EXPECT_EQ(std::string(step.data, step.data_length), "A");
  EXPECT_EQ(std::string(step.value, step.value_length), "1");
  step = StepOver(&decoder, "\r");
  EXPECT_EQ(step.status, BodyStatus::kMore);
  EXPECT_EQ(step.consumed, 0u);
  EXPECT_EQ(StepOver(&decoder, "\r\n").status, BodyStatus::kDone);
}

TEST(AFaultIsFinal) {
  BodyDecoder decoder = Started(BodyFraming::kChunked, 0);
  EXPECT_EQ(StepOver(&decoder, "x").fault, BodyFault::kBadChunkSize);
  const BodyStep step = StepOver(&decoder, "0\r\n\r\n");
  EXPECT_EQ(step.status, BodyStatus::kBad);
  EXPECT_EQ(step.fault, BodyFault::kBadChunkSize);
  EXPECT(!decoder.done());
}

TEST(ADecoderStartsAfresh) {
  BodyDecoder decoder = Started(BodyFraming::kChunked, 0);
  StepOver(&decoder, "5;a=b\r\nhel");
  decoder.Start(BodyFraming::kChunked, 0);
  EXPECT_EQ(StepOver(&decoder, "0\r\n\r\n").status, BodyStatus::kDone);
  decoder.Start(BodyFraming::kLength, 1);
  EXPECT_EQ(decoder.remaining(), 1u);
}

// The exchange of every request in flight holds one.
TEST(ADecoderIsSmall) { EXPECT(sizeof(BodyDecoder) <= 32); }

TEST(EveryFaultHasANameOfItsOwnAndAStatus) {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(BodyFault::kForbiddenTrailer); ++i) {
    const BodyFault fault = static_cast<BodyFault>(i);
    EXPECT(names.insert(FaultName(fault)).second);
    EXPECT(std::string(FaultName(fault)) != "unknown");
    EXPECT(FaultStatus(fault) >= 400 && FaultStatus(fault) <= 431);
  }
}

namespace {

// The fault of a message, fed in pieces; kNone when it is complete and good.
BodyFault FaultOf(const std::string& input) {
  BodyDecoder decoder = Started(BodyFraming::kChunked, 0);
  size_t at = 0;
  while (!decoder.done()) {
    const BodyStep step = StepOver(&decoder, std::string_view(input).substr(at, 1000));
    if (step.status == BodyStatus::kBad) return step.fault;
    if (step.status == BodyStatus::kMore && step.consumed == 0) break;
    at += step.consumed;
  }
  return BodyFault::kNone;
}

std::string Chunk(size_t extension_bytes, const std::string& data) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx", data.size());
  return std::string(size) + (extension_bytes > 0 ? ";" + std::string(extension_bytes - 1, 'a') : "") + "\r\n" + data +
         (data.empty() ? "" : "\r\n");
}

std::string Repeat(int count, const std::string& text) {
  std::string all;
  for (int i = 0; i < count; i++) all += text;
  return all;
}

}  // namespace

TEST(AnExtensionOfOneChunkIsBounded) {
  const std::string end = Chunk(0, "") + "\r\n";
  EXPECT_EQ(FaultOf(Chunk(kChunkExtensionBytesMax, "ab") + end), BodyFault::kNone);
  EXPECT_EQ(FaultOf(Chunk(kChunkExtensionBytesMax + 1, "ab") + end), BodyFault::kChunkExtensionTooLong);
}

TEST(ExtensionsMayNotOutweighTheDataByMuch) {
  const std::string end = Chunk(0, "") + "\r\n";
  // Four of the longest are all that the start allows.
  EXPECT_EQ(FaultOf(Repeat(4, Chunk(kChunkExtensionBytesMax, "a")) + end), BodyFault::kNone);
  EXPECT_EQ(FaultOf(Repeat(5, Chunk(kChunkExtensionBytesMax, "a")) + end), BodyFault::kChunkExtensionTooLong);
  EXPECT_EQ(FaultOf(Repeat(40000, Chunk(3, "a")) + end), BodyFault::kChunkExtensionTooLong);
  // A signature on each chunk of a long upload.
  EXPECT_EQ(FaultOf(Repeat(5000, Chunk(90, std::string(1000, 'x'))) + end), BodyFault::kNone);
  // Data is no credit for later.
  EXPECT_EQ(FaultOf(Chunk(0, std::string(1000000, 'x')) + Repeat(5, Chunk(kChunkExtensionBytesMax, "a")) + end),
            BodyFault::kChunkExtensionTooLong);
}

}  // namespace hornet

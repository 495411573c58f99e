// Where the body of a response that the application framed ends.
#include "http/response_framing.h"

#include "harness.h"

namespace hornet {

namespace {

// "unsound", "open", "chunked" or the length.
std::string FramingOf(const std::string& fields, const char* status = "200", bool answers_head = false) {
  const std::string head = std::string("HTTP/1.1 ") + status + " OK\r\n" + fields + "\r\n";
  const ResponseFraming framing = ReadResponseFraming(head.data(), head.size(), answers_head);
  if (!framing.is_sound) return "unsound";
  if (framing.is_chunked) return "chunked";
  return framing.is_sized ? std::to_string(framing.length) : "open";
}

}  // namespace

TEST(ALengthIsRead) {
  EXPECT_EQ(FramingOf("Content-Length: 12\r\n"), "12");
  EXPECT_EQ(FramingOf("X: y\r\ncontent-length:0\r\nZ: z\r\n"), "0");
  EXPECT_EQ(FramingOf("CONTENT-LENGTH: \t7 \r\n"), "7");
  EXPECT_EQ(FramingOf("Content-Length: 999999999999999999\r\n"), "999999999999999999");
}

TEST(WhatIsNotSizedIsOpen) {
  EXPECT_EQ(FramingOf(""), "open");
  EXPECT_EQ(FramingOf("Transfer-Encoding: gzip\r\n"), "open");
  EXPECT_EQ(FramingOf("Transfer-Encoding: xchunked\r\n"), "open");
  EXPECT_EQ(FramingOf("Transfer-Encoding: chunked, gzip\r\n"), "open");
  EXPECT_EQ(FramingOf("X-Content-Length: 5\r\nContent-Lengths: 5\r\n"), "open");
  EXPECT_EQ(FramingOf("Content_Length: 5\r\n"), "open");
}

TEST(ChunksAreSeen) {
  EXPECT_EQ(FramingOf("Transfer-Encoding: chunked\r\n"), "chunked");
  EXPECT_EQ(FramingOf("transfer-encoding:gzip, Chunked \r\n"), "chunked");
}

TEST(TwoFramingsOrAWrongOneAreUnsound) {
  for (const char* value : {"", "a", "-1", "+1", "5, 5", "5 5", "0x5", "1.0", "1000000000000000000"}) {
    EXPECT_EQ(FramingOf(std::string("Content-Length: ") + value + "\r\n"), "unsound");
  }
  EXPECT_EQ(FramingOf("Content-Length: 5\r\nContent-Length: 6\r\n"), "unsound");
  EXPECT_EQ(FramingOf("Content-Length: 5\r\nContent-Length: 5\r\n"), "5");
  EXPECT_EQ(FramingOf("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "unsound");
}

// The client would wait for the final one, and take the next response for it.
TEST(AnInterimStatusEndsNothing) {
  for (const char* status : {"100", "101", "103", "199"}) EXPECT_EQ(FramingOf("", status), "unsound");
}

TEST(SomeResponsesHaveNoBodyWhateverTheySay) {
  EXPECT_EQ(FramingOf("Content-Length: 5\r\n", "200", true), "0");
  EXPECT_EQ(FramingOf("Transfer-Encoding: chunked\r\n", "200", true), "0");
  EXPECT_EQ(FramingOf("", "204"), "0");
  EXPECT_EQ(FramingOf("Content-Length: 5\r\n", "304"), "0");
}

TEST(WhatIsNoHeadIsOpen) {
  EXPECT_EQ(ReadResponseFraming("", 0, false).is_sized, false);
  EXPECT_EQ(ReadResponseFraming("garbage", 7, false).is_sized, false);
}

}  // namespace hornet

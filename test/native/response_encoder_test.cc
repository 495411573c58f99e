// What the I/O thread adds to a response, to the byte.
#include "http/response_encoder.h"

#include "harness.h"

namespace hornet {

namespace {

constexpr char kDate[] = "Sun, 06 Nov 1994 08:49:37 GMT";

// Encodes into a block with a guard behind what the header promises to stay within.
template <size_t kMax, typename Encode>
std::string Encoded(Encode encode) {
  std::vector<char> out(kMax);
  const size_t length = encode(out.data());
  EXPECT(length <= kMax);
  return std::string(out.data(), length);
}

std::string TailOf(const HeadTail& tail) {
  return Encoded<kHeadTailBytesMax>([&](char* out) { return EncodeHeadTail(tail, out); });
}

std::string ChunkStartOf(uint32_t length) {
  return Encoded<kChunkFrameBytesMax>([&](char* out) { return EncodeChunkStart(length, out); });
}

std::string CannedOf(int status, bool is_head, bool close, const char* date) {
  return Encoded<kCannedBytesMax>([&](char* out) { return EncodeCanned(status, is_head, close, date, out); });
}

}  // namespace

TEST(TheTailHoldsWhatIsAskedForInNodesOrder) {
  EXPECT_EQ(TailOf({nullptr, false, false, 0, false, false, 0}), "\r\n");
  EXPECT_EQ(TailOf({kDate, false, false, 5, false, false, 0}), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
  EXPECT_EQ(TailOf({nullptr, true, true, 5, false, false, 0}), "Connection: close\r\n\r\n");
  EXPECT_EQ(TailOf({nullptr, true, false, 0, false, false, 0}), "Connection: keep-alive\r\n\r\n");
  EXPECT_EQ(TailOf({nullptr, true, false, 72, false, false, 0}),
            "Connection: keep-alive\r\nKeep-Alive: timeout=72\r\n\r\n");
  EXPECT_EQ(TailOf({nullptr, false, false, 0, false, true, 0}), "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(TailOf({nullptr, false, false, 0, true, false, 0}), "Transfer-Encoding: chunked\r\n\r\n");
  // Never both (RFC 9112 section 6.2): a request smuggler's dream.
  EXPECT_EQ(TailOf({nullptr, false, false, 0, true, true, 9}), "Transfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(TailOf({kDate, true, false, 5, false, true, 13}),
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n"
            "Content-Length: 13\r\n\r\n");
}

TEST(TheLongestTailStaysWithinItsBound) {
  const std::string longest = TailOf({kDate, true, false, UINT32_MAX, false, true, UINT64_MAX});
  EXPECT_EQ(longest.size(), kHeadTailBytesMax);
  EXPECT(longest.find("Keep-Alive: timeout=4294967295\r\n") != std::string::npos);
  EXPECT(longest.find("Content-Length: 18446744073709551615\r\n") != std::string::npos);
}

TEST(AChunkStartsWithItsSizeInHexadecimal) {
  EXPECT_EQ(ChunkStartOf(1), "1\r\n");
  EXPECT_EQ(ChunkStartOf(15), "f\r\n");
  EXPECT_EQ(ChunkStartOf(16), "10\r\n");
  EXPECT_EQ(ChunkStartOf(0xabcdef), "abcdef\r\n");
  EXPECT_EQ(ChunkStartOf(UINT32_MAX), "ffffffff\r\n");
}

TEST(TheServersOwnAnswersAreComplete) {
  EXPECT_EQ(CannedOf(400, false, true, kDate),
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\nContent-Length: 12\r\n\r\nBad Request\n");
  EXPECT_EQ(CannedOf(502, true, false, kDate),
            "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: keep-alive\r\nContent-Length: 12\r\n\r\n");
  EXPECT(CannedOf(503, false, false, kDate).find("\r\nRetry-After: 1\r\n") != std::string::npos);
}

TEST(EveryStatusTheServerGivesHasAReasonAndAnHonestLength) {
  for (const int status : {400, 408, 413, 414, 417, 431, 500, 501, 502, 503, 504, 505}) {
    EXPECT(std::string(ReasonPhrase(status)) != "Error");
    for (const bool close : {false, true}) {
      const std::string whole = CannedOf(status, false, close, kDate);
      const size_t body = whole.find("\r\n\r\n") + 4;
      const std::string field = "Content-Length: " + std::to_string(whole.size() - body) + "\r\n";
      EXPECT(whole.find(field) != std::string::npos);
      EXPECT_EQ(CannedOf(status, true, close, kDate), whole.substr(0, body));
    }
  }
}

TEST(TheDateIsAnImfFixdate) {
  DateCache cache;
  EXPECT_EQ(std::string(cache.Get(784111777)), kDate);
  EXPECT_EQ(std::string(cache.Get(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(std::string(cache.Get(951782400)), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(std::string(cache.Get(4102444799)), "Thu, 31 Dec 2099 23:59:59 GMT");
  EXPECT_EQ(std::string(cache.Get(253402300799)), "Fri, 31 Dec 9999 23:59:59 GMT");
  // A clock set back is a new second like any other.
  EXPECT_EQ(std::string(cache.Get(784111777)), kDate);
}

}  // namespace hornet

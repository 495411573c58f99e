// A response of HTTP/1.1 is read as it was meant, however it is cut: heads, the body without its framing, trailers.
#include "http/response_reader.h"

#include "harness.h"

using namespace hornet;

namespace {

std::string FieldsOf(const ResponseReader& reader) {
  std::string text;
  for (const auto& field : reader.fields()) text.append(" ").append(field.name).append("=").append(field.value);
  return text;
}

// What was read, and "more", "bad", or nothing when it was whole; `cut` bytes at a time.
std::string ReadIn(const std::string& bytes, size_t cut, bool is_head_request, bool ends) {
  ResponseReader reader(is_head_request);
  std::string body;
  std::string told;
  for (size_t at = 0; at < bytes.size(); at += cut) {
    // A copy of its own: the sanitizer sees a look beyond it.
    const std::vector<char> part(bytes.begin() + static_cast<long>(at),
                                 bytes.begin() + static_cast<long>(std::min(at + cut, bytes.size())));
    size_t done = 0;
    while (done < part.size()) {
      size_t used = 0;
      std::string_view data;
      const auto status = reader.Read(part.data() + done, part.size() - done, &used, &data);
      done += used;
      if (status == ResponseReader::Status::kBad) return told + "bad";
      if (status == ResponseReader::Status::kMore) EXPECT_EQ(done, part.size());
      if (status == ResponseReader::Status::kData) body += data;
      if (status == ResponseReader::Status::kHead) {
        told += std::to_string(reader.status()) + FieldsOf(reader) + "; ";
        if (reader.has_no_body()) EXPECT(reader.End());
      }
      if (status == ResponseReader::Status::kEnd) {
        EXPECT_EQ(done, part.size());
        EXPECT(reader.has_no_body());
        return told + body + FieldsOf(reader);
      }
    }
  }
  if (!reader.has_no_body() && !(ends && reader.End())) return told + body + " more";
  return told + body;
}

std::string Read(const std::string& bytes, bool is_head_request = false, bool ends = false) {
  const std::string whole = ReadIn(bytes, bytes.size(), is_head_request, ends);
  for (size_t cut = 1; cut < bytes.size(); cut++) {
    const std::string parts = ReadIn(bytes, cut, is_head_request, ends);
    if (parts != whole) EXPECT_EQ(parts, whole);
  }
  return whole;
}

}  // namespace

TEST(BodiesOfEachFraming) {
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), "200 content-length=5; hello");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "200 content-length=0; ");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"),
            "200; hello!");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"),
            "200; 0123456789");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\n\r\nto the end", false, true), "200; to the end");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\n\r\nto the end"), "200; to the end more");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", false, true), "200 content-length=5; hel more");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false, true),
            "200; hello more");
}

TEST(ResponsesWithoutABody) {
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true), "200 content-length=5; ");
  EXPECT_EQ(Read("HTTP/1.1 204 No Content\r\n\r\n"), "204; ");
  EXPECT_EQ(Read("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: x\r\n\r\n"),
            "304 content-length=7 etag=x; ");
}

TEST(InterimHeadsComeFirst) {
  EXPECT_EQ(Read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"
                 "Content-Length: 2\r\n\r\nhi"),
            "100; 103 link=</a>; 200 content-length=2; hi");
}

TEST(WhatIsOfTheConnectionStaysThere) {
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nX-A:  b \r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n"
                 "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nProxy-Connection: x\r\nUpgrade: h2\r\n"
                 "Content-Length: 0\r\n\r\n"),
            "200 x-a=b set-cookie=a=1 set-cookie=b=2 content-length=0; ");
}

TEST(Trailers) {
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\n"
                 "X-Sum: 1\r\nX-B: \r\n\r\n"),
            "200 trailer=X-Sum; a x-sum=1 x-b=");
}

TEST(WhatIsNoResponse) {
  EXPECT_EQ(Read("hello, this is not HTTP\r\n\r\n"), "bad");
  EXPECT_EQ(Read("HTTP/1.1 2x0 OK\r\n\r\n"), "bad");
  EXPECT_EQ(Read("HTTP/1.1 099 X\r\n\r\n"), "bad");
  EXPECT_EQ(Read("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), "bad");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), "bad");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello"), "bad");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), "200; bad");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"), "200; bad");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n"), "200; bad");
  EXPECT_EQ(ReadIn("HTTP/1.1 200 OK\r\nX: " + std::string(kResponseHeadBytesMax, 'a'), 100'000, false, false), "bad");
}

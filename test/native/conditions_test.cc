// What is sent of a file: preconditions in the order of RFC 9110 section 13.2.2, ranges (14), codings (12.5.3); dates.
// links: static
#include "static/conditions.h"

#include "base/http_date.h"
#include "harness.h"
#include "static/content_type.h"
#include "static/file_head.h"

namespace hornet {

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kModified = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
constexpr char kDate[] = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr char kBefore[] = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr char kAfter[] = "Sun, 06 Nov 1994 08:49:38 GMT";

using Fields = std::vector<std::pair<const char*, std::string>>;

FileVersion Version(uint64_t size = 1000, int64_t age_ns = 60 * kSecond) {
  return MakeVersion(size, kModified * kSecond + 5, 77, Coding::kIdentity, kModified * kSecond + 5 + age_ns);
}

std::string Tag(const FileVersion& version = Version()) { return std::string(version.tag_text()); }

// "200", "206 first+length", "304", "412" or "416".
std::string Ask(const Fields& fields, const FileVersion& version = Version(), bool is_head = false) {
  FileRequest request;
  request.is_head = is_head;
  for (const auto& [name, value] : fields) request.Take(name, value);
  const Selection selection = Select(request, version);
  std::string answer = std::to_string(FileStatus(selection.answer));
  if (selection.answer == FileAnswer::kPart) {
    answer += " " + std::to_string(selection.first) + "+" + std::to_string(selection.length);
  } else if (selection.answer == FileAnswer::kWhole) {
    EXPECT_EQ(selection.length, version.size);
  }
  return answer;
}

std::string Codings(const std::string& value) {
  const AcceptedCodings accepted = ReadAcceptEncoding(value);
  std::string names;
  for (uint32_t i = 0; i < accepted.count; i++) names += std::string(i > 0 ? " " : "") + CodingName(accepted.order[i]);
  return names;
}

}  // namespace

TEST(TagsTellVersionsApart) {
  EXPECT_EQ(Tag(), Tag());
  EXPECT(Tag() != Tag(Version(1001)));
  const int64_t now = (kModified + 60) * kSecond;
  const std::string tag = Tag(MakeVersion(1, kModified * kSecond, 7, Coding::kIdentity, now));
  EXPECT(tag != Tag(MakeVersion(1, kModified * kSecond + 1, 7, Coding::kIdentity, now)));
  EXPECT(tag != Tag(MakeVersion(1, kModified * kSecond, 8, Coding::kIdentity, now)));
  EXPECT(tag != Tag(MakeVersion(1, kModified * kSecond, 7, Coding::kGzip, now)));
  EXPECT_EQ(tag.front(), '"');
  // The largest of all fits.
  EXPECT(Tag(MakeVersion(UINT64_MAX, -1, UINT64_MAX, Coding::kBrotli, -1)).size() <= FileVersion::kTagBytesMax);
}

TEST(AFreshFileHasAWeakTag) {
  EXPECT_EQ(Tag(Version(1, kSecond)).substr(0, 3), "W/\"");
  EXPECT_EQ(Tag(Version(1, -kSecond)).substr(0, 3), "W/\"");
  EXPECT_EQ(Tag(Version(1, 2 * kSecond)).front(), '"');
  // Never later than the message's own date (RFC 9110 section 8.8.2.1).
  EXPECT_EQ(Version(1, -100 * kSecond).modified, kModified - 100);
  EXPECT_EQ(MakeVersion(1, -5, 1, Coding::kIdentity, kSecond).modified, -1);
}

TEST(IfNoneMatch) {
  EXPECT_EQ(Ask({{"If-None-Match", Tag()}}), "304");
  EXPECT_EQ(Ask({{"if-none-match", "W/" + Tag()}}), "304");
  EXPECT_EQ(Ask({{"If-None-Match", "*"}}), "304");
  EXPECT_EQ(Ask({{"If-None-Match", "\"a,b\", W/\"c\" ,," + Tag()}}), "304");
  EXPECT_EQ(Ask({{"If-None-Match", "\"a\""}, {"If-None-Match", Tag()}}), "304");
  EXPECT_EQ(Ask({{"If-None-Match", "\"a\""}}), "200");
  EXPECT_EQ(Ask({{"If-None-Match", ""}}), "200");
  EXPECT_EQ(Ask({{"If-None-Match", "x, " + Tag()}}), "200");
  EXPECT_EQ(Ask({{"If-None-Match", Tag().substr(0, 5)}}), "200");
  EXPECT_EQ(Ask({{"If-None-Match", Tag()}}, Version(), true), "304");
  // What was sent while it was fresh is known again.
  EXPECT_EQ(Ask({{"If-None-Match", Tag(Version(1000, 0))}}), "304");
  EXPECT_EQ(Ask({{"If-None-Match", Tag()}}, Version(1000, 0)), "304");
}

TEST(IfMatch) {
  EXPECT_EQ(Ask({{"If-Match", Tag()}}), "200");
  EXPECT_EQ(Ask({{"If-Match", "*"}}), "200");
  EXPECT_EQ(Ask({{"If-Match", "\"a\", " + Tag()}}), "200");
  EXPECT_EQ(Ask({{"If-Match", "\"a\""}}), "412");
  EXPECT_EQ(Ask({{"If-Match", ""}}), "412");
  EXPECT_EQ(Ask({{"If-Match", "W/" + Tag()}}), "412");
  EXPECT_EQ(Ask({{"If-Match", Tag(Version(1000, 0))}}, Version(1000, 0)), "412");
}

TEST(Dates) {
  EXPECT_EQ(Ask({{"If-Modified-Since", kDate}}), "304");
  EXPECT_EQ(Ask({{"If-Modified-Since", kAfter}}), "304");
  EXPECT_EQ(Ask({{"If-Modified-Since", kBefore}}), "200");
  EXPECT_EQ(Ask({{"If-Modified-Since", "yesterday"}}), "200");
  EXPECT_EQ(Ask({{"If-Modified-Since", kDate}, {"If-Modified-Since", kDate}}), "200");
  EXPECT_EQ(Ask({{"If-Unmodified-Since", kDate}}), "200");
  EXPECT_EQ(Ask({{"If-Unmodified-Since", kAfter}}), "200");
  EXPECT_EQ(Ask({{"If-Unmodified-Since", kBefore}}), "412");
  EXPECT_EQ(Ask({{"If-Unmodified-Since", "tomorrow"}}), "200");
}

TEST(TagsGoBeforeDates) {
  EXPECT_EQ(Ask({{"If-None-Match", "\"a\""}, {"If-Modified-Since", kDate}}), "200");
  EXPECT_EQ(Ask({{"If-Match", Tag()}, {"If-Unmodified-Since", kBefore}}), "200");
  EXPECT_EQ(Ask({{"If-Match", "\"a\""}, {"If-None-Match", Tag()}}), "412");
  EXPECT_EQ(Ask({{"If-Match", Tag()}, {"If-None-Match", Tag()}}), "304");
  EXPECT_EQ(Ask({{"If-None-Match", Tag()}, {"Range", "bytes=0-1"}}), "304");
}

TEST(Ranges) {
  EXPECT_EQ(Ask({{"Range", "bytes=0-0"}}), "206 0+1");
  EXPECT_EQ(Ask({{"Range", "bytes=0-"}}), "206 0+1000");
  EXPECT_EQ(Ask({{"Range", "Bytes=999-"}}), "206 999+1");
  EXPECT_EQ(Ask({{"Range", "bytes=10-19"}}), "206 10+10");
  EXPECT_EQ(Ask({{"Range", "bytes=990-5000"}}), "206 990+10");
  EXPECT_EQ(Ask({{"Range", "bytes=-1"}}), "206 999+1");
  EXPECT_EQ(Ask({{"Range", "bytes=-5000"}}), "206 0+1000");
  EXPECT_EQ(Ask({{"Range", "bytes=0-99999999999999999999999"}}), "206 0+1000");
  EXPECT_EQ(Ask({{"Range", "bytes=1000-"}}), "416");
  EXPECT_EQ(Ask({{"Range", "bytes=99999999999999999999999-"}}), "416");
  EXPECT_EQ(Ask({{"Range", "bytes=-0"}}), "416");
  for (const char* none : {"", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=1-2x", "bytes= 1 - 2",
                           "bytes=0-1,5-6", "items=0-1", "bytes=+1-2", "bytes=--1", "bytes=0x1-2"}) {
    EXPECT_EQ(Ask({{"Range", none}}), "200");
  }
  EXPECT_EQ(Ask({{"Range", "bytes=0-1"}, {"Range", "bytes=0-1"}}), "200");
  EXPECT_EQ(Ask({{"Range", "bytes=0-1"}}, Version(), true), "200");
  EXPECT_EQ(Ask({{"Range", "bytes=0-"}}, Version(0)), "416");
  EXPECT_EQ(Ask({{"Range", "bytes=-1"}}, Version(0)), "200");
}

TEST(IfRange) {
  const std::string part = "206 0+2";
  auto ask = [](const std::string& value, const FileVersion& version = Version()) {
    return Ask({{"Range", "bytes=0-1"}, {"If-Range", value}}, version);
  };
  EXPECT_EQ(ask(Tag()), part);
  EXPECT_EQ(ask(kDate), part);
  for (const char* other : {"\"a\"", kAfter, "x", ""}) EXPECT_EQ(ask(other), "200");
  EXPECT_EQ(ask("W/" + Tag()), "200");
  const FileVersion fresh = Version(1000, 0);
  EXPECT_EQ(ask(Tag(fresh), fresh), "200");
  EXPECT_EQ(ask(kDate, fresh), "200");
  EXPECT_EQ(Ask({{"Range", "bytes=5000-"}, {"If-Range", "\"a\""}}), "200");
}

TEST(AcceptEncoding) {
  EXPECT_EQ(Codings(""), "");
  EXPECT_EQ(Codings("gzip, deflate, br"), "br gzip");
  EXPECT_EQ(Codings("GZIP"), "gzip");
  EXPECT_EQ(Codings("x-gzip"), "gzip");
  EXPECT_EQ(Codings("br;q=0.5, gzip;q=0.6"), "gzip br");
  EXPECT_EQ(Codings("br ; q=0 , gzip ; Q=0.001"), "gzip");
  EXPECT_EQ(Codings("*"), "br gzip");
  EXPECT_EQ(Codings("br;q=0, *;q=0.1"), "gzip");
  EXPECT_EQ(Codings("gzip, identity;q=1.0"), "gzip");
  EXPECT_EQ(Codings("gzip;q=0.5, identity"), "");
  EXPECT_EQ(Codings("br;q=0.000, gzip;q=1.000"), "gzip");
  for (const char* none :
       {"br;q=", "br;q=2", "br;q=1.1", "br;q=0.0001", "br;q=x", "br;x=1", "brotli", ";q=1", "br q=1"}) {
    EXPECT_EQ(Codings(none), "");
  }
}

TEST(HttpDates) {
  int64_t seconds = 0;
  for (const char* text : {kDate, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    seconds = 0;
    EXPECT(ParseHttpDate(text, &seconds));
    EXPECT_EQ(seconds, kModified);
  }
  for (const char* text : {"", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
                           "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ",
                           "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
                           "Sun, 06 nov 1994 08:49:37 GMT", "784111777"}) {
    EXPECT(!ParseHttpDate(text, &seconds));
  }
  // Every day of four centuries, and around the epoch.
  for (int64_t day = -30000; day < 120000; day++) {
    char text[kDateLength];
    WriteHttpDate(day * 86400 + day % 86400, text);
    EXPECT(ParseHttpDate({text, kDateLength}, &seconds));
    EXPECT_EQ(seconds, day * 86400 + day % 86400);
  }
}

TEST(ContentTypes) {
  EXPECT_EQ(std::string(ContentTypeOf("a/b.HTML").type), "text/html; charset=utf-8");
  EXPECT_EQ(std::string(ContentTypeOf("app.min.js").type), "text/javascript; charset=utf-8");
  EXPECT_EQ(std::string(ContentTypeOf("x.webmanifest").type), "application/manifest+json");
  EXPECT_EQ(std::string(ContentTypeOf("logo.png").type), "image/png");
  for (const char* unknown : {"", "README", "a.b/README", "a.", "x.unknown", "x.webmanifestx", "js"}) {
    EXPECT_EQ(std::string(ContentTypeOf(unknown).type), "application/octet-stream");
  }
}

TEST(HeadsOfAllAnswers) {
  FileHead head;
  head.version = MakeVersion(UINT64_MAX, -1, UINT64_MAX, Coding::kBrotli, -1);
  head.coding = Coding::kBrotli;
  head.max_age_seconds = UINT32_MAX;
  for (const char* path : {"a.html", "a.docx", "a.pptx"}) {
    head.type = &ContentTypeOf(path);
    for (int i = 0; i <= static_cast<int>(FileAnswer::kUnsatisfiable); i++) {
      head.selection = {static_cast<FileAnswer>(i), UINT64_MAX - 9, 9};
      char text[kFileHeadBytesMax];
      const std::string written(text, WriteFileHead(head, text));
      EXPECT_EQ(written.substr(written.size() - 2), "\r\n");
      EXPECT(written.find("\r\n\r\n") == std::string::npos);
    }
  }
  EXPECT_EQ(std::string(CodingName(Coding::kIdentity)), "identity");
}

}  // namespace hornet

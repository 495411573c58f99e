// What the vectors cannot say about ParseHead(): places, ids, numbers, and the tables behind it.
#include "http/head_parser.h"

#include <map>
#include <set>

#include "harness.h"
#include "replay.h"

namespace hornet {

namespace {

RequestHead g_head;

ParseStatus Parse(const std::string& text, const HeadLimits& limits = {}) {
  const ExactCopy copy(text);
  return ParseHead(copy.data(), copy.size(), limits, &g_head);
}

std::string WithField(const std::string& field) { return "GET / HTTP/1.1\r\nHost: a\r\n" + field + "\r\n\r\n"; }

}  // namespace

TEST(EveryPartIsWhereTheHeadSays) {
  const std::string text = "\r\nPOST /a?b HTTP/1.1\r\nHost:  a.test \r\nContent-Length: 12\r\n\r\nbody";
  EXPECT_EQ(Parse(text), ParseStatus::kDone);
  EXPECT_EQ(g_head.head_length, text.size() - 4);
  EXPECT_EQ(g_head.method, Method::kPost);
  EXPECT_EQ(text.substr(g_head.target_offset, g_head.target_length), "/a?b");
  EXPECT_EQ(g_head.field_count, 2u);
  EXPECT_EQ(NameOf(g_head.fields[0], text.data()), "Host");
  EXPECT_EQ(ValueOf(g_head.fields[0], text.data()), "a.test");
  EXPECT_EQ(NameOf(g_head.fields[1], text.data()), "Content-Length");
  EXPECT_EQ(ValueOf(g_head.fields[1], text.data()), "12");
  EXPECT_EQ(g_head.framing, BodyFraming::kLength);
  EXPECT_EQ(g_head.content_length, 12u);
  EXPECT_EQ(g_head.fault, HeadFault::kNone);
}

TEST(EveryMethodOfTheTableIsKnown) {
  for (uint32_t i = 0; i < kMethodCount; ++i) {
    const Method method = static_cast<Method>(i);
    const std::string target = method == Method::kConnect ? "a:1" : "/";
    EXPECT_EQ(Parse(std::string(kMethodNames[i]) + " " + target + " HTTP/1.1\r\nHost: a\r\n\r\n"), ParseStatus::kDone);
    EXPECT_EQ(g_head.method, method);
  }
}

TEST(KnownFieldsGetTheirIdsInAnyCase) {
  const std::map<std::string, FieldName> names = {
      {"hoSt", FieldName::kHost},
      {"CONNECTION", FieldName::kConnection},
      {"content-length", FieldName::kContentLength},
      {"Transfer-Encoding", FieldName::kTransferEncoding},
      {"Expect", FieldName::kExpect},
      {"Upgrade", FieldName::kUpgrade},
      {"Keep-Alive", FieldName::kKeepAlive},
      {"Trailer", FieldName::kTrailer},
      {"TE", FieldName::kTe},
      {"Proxy-Connection", FieldName::kProxyConnection},
      {"Content-Type", FieldName::kContentType},
      {"User-Agent", FieldName::kUserAgent},
      {"Accept", FieldName::kAccept},
      {"Forwarded", FieldName::kForwarded},
      {"X-Forwarded-For", FieldName::kXForwardedFor},
      {"X-Forwarded-Proto", FieldName::kXForwardedProto},
      {"X-Forwarded-Host", FieldName::kXForwardedHost},
  };
  const std::map<FieldName, std::string> values = {
      {FieldName::kContentLength, "0"},
      {FieldName::kTransferEncoding, "chunked"},
      {FieldName::kExpect, "100-continue"},
  };
  for (const auto& [name, id] : names) {
    const std::string value = values.count(id) != 0 ? values.at(id) : "a";
    const std::string host = id == FieldName::kHost ? "" : "Host: a\r\n";
    EXPECT_EQ(Parse("GET / HTTP/1.1\r\n" + host + name + ": " + value + "\r\n\r\n"), ParseStatus::kDone);
    EXPECT_EQ(g_head.fields[g_head.field_count - 1].id, id);
  }
}

TEST(NamesLikeKnownOnesAreOthers) {
  for (const char* name : {"Hosts", "Hos", "H0st", "Content_Length", "Content-Lengti", "Content-Lengt", "T", "Tee",
                           "Accept-", "X-Forwarded-Hosts", "Transfer-Encodinh", "Expecu", "Uqgrade", "\x0e-"}) {
    if (Parse(WithField(std::string(name) + ": chunked")) == ParseStatus::kBad) {
      EXPECT_EQ(g_head.fault, HeadFault::kBadFieldName);
      continue;
    }
    EXPECT_EQ(g_head.fields[1].id, FieldName::kOther);
  }
}

TEST(EveryFaultHasANameOfItsOwnAndAStatus) {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(HeadFault::kVersionNotSupported); ++i) {
    const HeadFault fault = static_cast<HeadFault>(i);
    EXPECT(names.insert(FaultName(fault)).second);
    EXPECT(std::string(FaultName(fault)) != "unknown");
    EXPECT(FaultStatus(fault) >= 400 && FaultStatus(fault) <= 505);
  }
}

TEST(NothingIsMore) { EXPECT_EQ(ParseHead(nullptr, 0, {}, &g_head), ParseStatus::kMore); }

TEST(ATableFullOfFieldsFits) {
  std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (uint32_t i = 1; i < kHeadFieldsCapacity; ++i) text += "A: b\r\n";
  HeadLimits limits;
  limits.fields_max = kHeadFieldsCapacity;
  EXPECT_EQ(Parse(text + "\r\n", limits), ParseStatus::kDone);
  EXPECT_EQ(g_head.field_count, kHeadFieldsCapacity);
}

// HeadField has 16 bits for a name's length, whatever the limits say.
TEST(ANameLongerThanAFieldCanSayIsRefused) {
  HeadLimits limits;
  limits.field_size_max = 1 << 20;
  limits.head_bytes_max = 1 << 20;
  EXPECT_EQ(Parse(WithField(std::string(65535, 'n') + ": 1"), limits), ParseStatus::kDone);
  EXPECT_EQ(g_head.fields[1].name_length, 65535u);
  EXPECT_EQ(Parse(WithField(std::string(65536, 'n') + ": 1"), limits), ParseStatus::kBad);
  EXPECT_EQ(g_head.fault, HeadFault::kFieldTooLarge);
}

TEST(AValueLongerThan64KiBFitsWhereTheLimitsAllowIt) {
  HeadLimits limits;
  limits.field_size_max = 1 << 20;
  limits.head_bytes_max = 1 << 20;
  EXPECT_EQ(Parse(WithField("A: " + std::string(100000, 'v')), limits), ParseStatus::kDone);
  EXPECT_EQ(g_head.fields[1].value_length, 100000u);
}

// One octet of a sound head is replaced by every other: both paths must say the same, and what is still a head must be
// whole.
TEST(EveryWrongOctetEverywhereIsJudgedAlike) {
  const std::string sound =
      "PUT http://a.test/x HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\nContent-Length: 12\r\n"
      "A-Name-Of-More-Than-Thirty-Two-Letters: v\r\nX: \r\n\r\n";
  static RequestHead portable;
  for (size_t place = 0; place < sound.size(); ++place) {
    for (int octet = 0; octet < 256; ++octet) {
      std::string text = sound;
      text[place] = static_cast<char>(octet);
      const ExactCopy copy(text);
      const ParseStatus status = ParseHead(copy.data(), copy.size(), {}, &g_head);
      EXPECT_EQ(ParseHeadPortable(copy.data(), copy.size(), {}, &portable), status);
      EXPECT(AreEqual(status, g_head, portable));
      if (status == ParseStatus::kDone) EXPECT(FindMistake(g_head, copy.data(), copy.size()) == nullptr);
    }
  }
}

}  // namespace hornet

// A line of the access log says what happened, and nobody who sends a request can make it say more than one line.
#include "http/access_format.h"

#include <cstring>

#include "harness.h"

using namespace hornet;

namespace {

using Parts = std::vector<AccessPart>;

constexpr char kAddress[] = "192.0.2.7";

std::string Text(const char* (AccessClock::*method)(int64_t, size_t*), int64_t seconds) {
  AccessClock clock;
  size_t length;
  const char* text = (clock.*method)(seconds, &length);
  return std::string(text, length);
}

AccessFacts Facts() {
  AccessFacts facts = {};
  facts.unix_us = 1794000000123456;
  facts.status = 200;
  facts.body_bytes = 12;
  facts.total_us = 1234567;
  facts.queue_us = 1500;
  facts.handler_us = 20;
  facts.was_claimed = facts.is_whole = facts.stays_open = true;
  return facts;
}

// The line for `request`, without its line feed. Whatever room is too little must say so, and change nothing.
std::string LineOf(const Parts& parts, bool is_json, const std::string& request, AccessFacts facts = Facts(),
                   const std::string& response = "", bool is_refused = false) {
  AccessFormat format(parts, is_json);
  static RequestHead head;
  size_t need;
  if (is_refused) {
    need = format.MeasureRefused(strlen(kAddress));
  } else {
    if (ParseHead(request.data(), request.size(), HeadLimits(), &head) != ParseStatus::kDone) return "not a head";
    need = format.MeasureRequest(head, strlen(kAddress));
  }
  need += format.MeasureResponse(response.size(), 0);
  auto take = [&](std::vector<char>* room) -> char* {
    char* end = room->data() + room->size();
    char* out = room->data();
    const size_t length = strlen(kAddress);
    char* at = is_refused ? format.TakeRefused(request.data(), request.size(), kAddress, length, out, end)
                          : format.TakeRequest(head, request.data(), kAddress, length, out, end);
    if (at == nullptr || response.empty()) return at;
    return format.TakeResponse(response.data(), response.size(), "", 0, at, end);
  };
  std::vector<char> room(need + 1);
  char* end = take(&room);
  if (end == nullptr) return "no room";
  const size_t taken = static_cast<size_t>(end - room.data());
  for (size_t less = 1; less < taken; less++) {
    std::vector<char> small(less);
    EXPECT(take(&small) == nullptr);
  }
  AccessClock clock;
  std::vector<char> line;
  format.Write(facts, room.data(), taken, &clock, &line);
  EXPECT_EQ(line.back(), '\n');
  line.pop_back();
  EXPECT(memchr(line.data(), '\n', line.size()) == nullptr);
  return std::string(line.begin(), line.end());
}

std::string Get(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
}

std::string One(AccessAtom atom, const std::string& request, AccessFacts facts = Facts(),
                const std::string& text = "") {
  return LineOf({{atom, text}}, false, request, facts);
}

std::string OneJson(AccessAtom atom, const std::string& request, AccessFacts facts = Facts(),
                    const std::string& text = "") {
  return LineOf({{atom, text}}, true, request, facts);
}

}  // namespace

TEST(WhatARequestSays) {
  const std::string request = Get("/a/b?c=d&e", "Referer: http://r/\r\nUser-Agent: curl/8\r\nX-Id: 42\r\nx_Odd: 1\r\n");
  EXPECT_EQ(One(AccessAtom::kRemoteAddress, request), kAddress);
  EXPECT_EQ(One(AccessAtom::kRequestLine, request), "GET /a/b?c=d&e HTTP/1.1");
  EXPECT_EQ(One(AccessAtom::kMethod, request), "GET");
  EXPECT_EQ(One(AccessAtom::kTarget, request), "/a/b?c=d&e");
  EXPECT_EQ(One(AccessAtom::kPath, request), "/a/b");
  EXPECT_EQ(One(AccessAtom::kQuery, request), "c=d&e");
  EXPECT_EQ(One(AccessAtom::kQuery, Get("/")), "");
  EXPECT_EQ(One(AccessAtom::kProtocol, request), "HTTP/1.1");
  EXPECT_EQ(One(AccessAtom::kReferer, request), "http://r/");
  EXPECT_EQ(One(AccessAtom::kUserAgent, request), "curl/8");
  EXPECT_EQ(One(AccessAtom::kRequestHeader, request, Facts(), "x-id"), "42");
  EXPECT_EQ(One(AccessAtom::kRequestHeader, request, Facts(), "x_odd"), "1");
  EXPECT_EQ(One(AccessAtom::kRequestHeader, request, Facts(), "x-none"), "-");
  EXPECT_EQ(OneJson(AccessAtom::kRequestHeader, request, Facts(), "x-none"), "null");
  EXPECT_EQ(OneJson(AccessAtom::kUserAgent, request), "\"curl/8\"");
}

TEST(TheUserOfBasicAuthentication) {
  // "ann:secret", "a b:", "no colon", and what is no base64.
  EXPECT_EQ(One(AccessAtom::kUser, Get("/", "Authorization: Basic YW5uOnNlY3JldA==\r\n")), "ann");
  EXPECT_EQ(One(AccessAtom::kUser, Get("/", "Authorization: basic YSBiOg==\r\n")), "a_b");
  EXPECT_EQ(OneJson(AccessAtom::kUser, Get("/", "Authorization: basic YSBiOg==\r\n")), "\"a b\"");
  EXPECT_EQ(One(AccessAtom::kUser, Get("/", "Authorization: Basic bm8gY29sb24=\r\n")), "-");
  EXPECT_EQ(One(AccessAtom::kUser, Get("/", "Authorization: Basic ann:secret\r\n")), "-");
  EXPECT_EQ(One(AccessAtom::kUser, Get("/", "Authorization: Bearer YW5uOnNlY3JldA==\r\n")), "-");
  EXPECT_EQ(One(AccessAtom::kUser, Get("/")), "-");
}

TEST(WhatIsKnownAtTheEnd) {
  const std::string request = Get("/");
  EXPECT_EQ(One(AccessAtom::kStatus, request), "200");
  EXPECT_EQ(One(AccessAtom::kBytes, request), "12");
  EXPECT_EQ(One(AccessAtom::kSeconds, request), "1");
  EXPECT_EQ(One(AccessAtom::kMilliseconds, request), "1234");
  EXPECT_EQ(One(AccessAtom::kMicroseconds, request), "1234567");
  EXPECT_EQ(One(AccessAtom::kSecondsDecimal, request), "1.234567");
  EXPECT_EQ(One(AccessAtom::kMillisecondsDecimal, request), "1234.567");
  EXPECT_EQ(One(AccessAtom::kQueueDecimal, request), "1.500");
  EXPECT_EQ(One(AccessAtom::kHandlerDecimal, request), "0.020");
  EXPECT_EQ(One(AccessAtom::kConnectionState, request), "+");
  EXPECT_EQ(One(AccessAtom::kTimeIso, request), "2026-11-06T21:20:00.123Z");
  AccessFacts facts = {};
  facts.unix_us = 1;
  EXPECT_EQ(One(AccessAtom::kStatus, request, facts), "499");
  EXPECT_EQ(One(AccessAtom::kBytes, request, facts), "0");
  EXPECT_EQ(One(AccessAtom::kBytesOrDash, request, facts), "-");
  EXPECT_EQ(One(AccessAtom::kQueueDecimal, request, facts), "-");
  EXPECT_EQ(OneJson(AccessAtom::kHandlerDecimal, request, facts), "null");
  EXPECT_EQ(One(AccessAtom::kConnectionState, request, facts), "X");
  EXPECT_EQ(OneJson(AccessAtom::kIsAborted, request, facts), "true");
  facts.is_whole = true;
  EXPECT_EQ(One(AccessAtom::kConnectionState, request, facts), "-");
}

TEST(DatesAreThoseOfTheTimeZone) {
  setenv("TZ", "XYZ-5:30", 1);
  tzset();
  EXPECT_EQ(Text(&AccessClock::Local, 1794000000), "[07/Nov/2026:02:50:00 +0530]");
  setenv("TZ", "XYZ3", 1);
  tzset();
  EXPECT_EQ(Text(&AccessClock::Local, 1794000000), "[06/Nov/2026:18:20:00 -0300]");
  EXPECT_EQ(Text(&AccessClock::Iso, 1794000000), "2026-11-06T21:20:00");
}

TEST(FieldsOfTheResponseAreFoundInItsHead) {
  const std::string response = "HTTP/1.1 200 OK\r\nX-A: 1\r\nSet-Cookie:  a=\"b\" \r\n\r\n";
  const Parts parts = {{AccessAtom::kResponseHeader, "set-cookie"}, {AccessAtom::kLiteral, " "},
                       {AccessAtom::kResponseHeader, "x-none"}, {AccessAtom::kLiteral, " "},
                       {AccessAtom::kMethod, ""}};
  EXPECT_EQ(LineOf(parts, false, Get("/"), Facts(), response), "a=\\\"b\\\"  - GET");
  // No response at all.
  EXPECT_EQ(LineOf(parts, false, Get("/")), "- - GET");
}

TEST(RefusedRequestsShowWhatCame) {
  const Parts parts = {{AccessAtom::kRemoteAddress, ""}, {AccessAtom::kLiteral, " \""}, {AccessAtom::kRequestLine, ""},
                       {AccessAtom::kLiteral, "\" "}, {AccessAtom::kMethod, ""}};
  const std::string cut = "GET /\x01 HTTP/1.1\r\nHost: x";
  EXPECT_EQ(LineOf(parts, false, cut, Facts(), "", true), "192.0.2.7 \"GET /\\x01 HTTP/1.1\" -");
  EXPECT_EQ(LineOf(parts, false, "\x16\x03\x01\"", Facts(), "", true), "192.0.2.7 \"\\x16\\x03\\x01\\\"\" -");
  EXPECT_EQ(LineOf(parts, false, "", Facts(), "", true), "192.0.2.7 \"-\" -");
}

TEST(NoOctetEndsItsValue) {
  for (int octet = 0; octet < 256; octet++) {
    // At every place of eight octets, where they are copied at once, and behind them.
    for (size_t at = 0; at < 12; at++) {
      std::string value = "abcdefghijkl";
      value[at] = static_cast<char>(octet);
      char text[128];
      char json[128];
      std::string escaped(text, EscapeText(value.data(), value.size(), text, text + sizeof(text)));
      std::string in_json(json, EscapeJson(value.data(), value.size(), json, json + sizeof(json)));
      const bool is_plain = octet >= 0x20 && octet < 0x7f && octet != '"' && octet != '\\';
      EXPECT_EQ(escaped == value, is_plain);
      EXPECT_EQ(in_json == value, is_plain);
      for (const std::string& each : {escaped, in_json}) {
        for (size_t i = 0; i < each.size(); i++) {
          const auto c = static_cast<unsigned char>(each[i]);
          EXPECT(c >= 0x20 && c < 0x7f);
          if (c == '\\') i++;
          EXPECT(c != '"');
        }
      }
    }
  }
  char out[64];
  EXPECT_EQ(std::string(out, EscapeText("a\"\\\n\xe9", 5, out, out + 64)), "a\\\"\\\\\\x0a\\xe9");
  EXPECT_EQ(std::string(out, EscapeJson("a\"\\\n\xe9", 5, out, out + 64)), "a\\\"\\\\\\u000a\\u00e9");
}

TEST(LongValuesAreCut) {
  const std::string line = One(AccessAtom::kPath, Get("/" + std::string(5000, 'x')));
  EXPECT_EQ(line.size(), size_t{kAccessValueBytesMax});
}

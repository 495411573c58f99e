// The client is the first hop from the right that is not trusted, and nobody further left can say otherwise.
#include "http/forwarded.h"

#include "harness.h"

using namespace hornet;

namespace {

IpSet Trusted(const std::vector<std::string>& texts = {"10.0.0.0/8", "2001:db8:1::/48"}) {
  IpSet set;
  for (const std::string& text : texts) EXPECT(set.Add(text));
  return set;
}

// "address port scheme" of what the fields say.
std::string Read(const std::string& fields, const IpSet& trusted = Trusted()) {
  const std::string text = "GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
  static RequestHead head;
  if (ParseHead(text.data(), text.size(), HeadLimits(), &head) != ParseStatus::kDone) return "not a head";
  const ForwardedClient client = ReadForwarded(head, text.data(), trusted);
  char address[kIpTextBytesMax];
  std::string said = client.is_known ? std::string(address, client.address.Write(address)) : "-";
  said += " " + std::to_string(client.port);
  static const char* const kSchemes[] = {"-", "http", "https"};
  return said + " " + kSchemes[static_cast<int>(client.scheme)];
}

std::string For(const std::string& list) { return Read("X-Forwarded-For: " + list + "\r\n"); }
std::string Forwarded(const std::string& list) { return Read("Forwarded: " + list + "\r\n"); }

bool Parses(const std::string& text) {
  IpAddress address;
  return IpAddress::Parse(text.data(), text.size(), &address);
}

bool Holds(const std::string& block, const std::string& text) {
  IpSet set;
  IpAddress address;
  return set.Add(block) && IpAddress::Parse(text.data(), text.size(), &address) && set.Contains(address);
}

}  // namespace

TEST(AddressesAreNumeric) {
  for (const char* text : {"0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1", "::ffff:1.2.3.4"}) {
    EXPECT(Parses(text));
  }
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", " 1.2.3.4", "1.2.3.4 ", "localhost",
                           "fe80::1%lo", "[::1]", ":::", "1.2.3.4/8", "*"}) {
    EXPECT(!Parses(text));
  }
  EXPECT(!Parses(std::string("1.2.3.4\0", 8)));
}

TEST(BlocksHoldWhatTheirPrefixSays) {
  EXPECT(Holds("10.0.0.0/8", "10.255.0.1"));
  EXPECT(!Holds("10.0.0.0/8", "11.0.0.1"));
  EXPECT(Holds("10.0.0.0/8", "::ffff:10.1.1.1"));
  EXPECT(Holds("192.0.2.128/25", "192.0.2.255"));
  EXPECT(!Holds("192.0.2.128/25", "192.0.2.127"));
  EXPECT(Holds("192.0.2.1", "192.0.2.1"));
  EXPECT(!Holds("192.0.2.1", "192.0.2.2"));
  EXPECT(Holds("0.0.0.0/0", "8.8.8.8"));
  EXPECT(!Holds("0.0.0.0/0", "2001:db8::1"));
  EXPECT(Holds("::/0", "8.8.8.8"));
  EXPECT(Holds("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT(!Holds("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT(Holds("*", "2001:db8::1"));
  IpSet set;
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/0x8", "::/129", "::/1000",
                           "host", "10.0.0.0/8/8", "**"}) {
    EXPECT(!set.Add(text));
  }
  EXPECT(set.empty());
}

TEST(TheFirstUntrustedHopFromTheRightIsTheClient) {
  EXPECT_EQ(For("192.0.2.7"), "192.0.2.7 0 -");
  EXPECT_EQ(For("198.51.100.1, 192.0.2.7"), "192.0.2.7 0 -");
  EXPECT_EQ(For("198.51.100.1, 192.0.2.7, 10.1.1.1,10.2.2.2"), "192.0.2.7 0 -");
  // All of them are proxies of ours: the leftmost.
  EXPECT_EQ(For("10.3.3.3, 10.1.1.1"), "10.3.3.3 0 -");
  EXPECT_EQ(Read("X-Forwarded-For: 1.1.1.1, 192.0.2.7\r\nX-Forwarded-For: 10.1.1.1\r\n"), "192.0.2.7 0 -");
  EXPECT_EQ(Read("X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\n", Trusted({"*"})), "1.1.1.1 0 -");
  EXPECT_EQ(Read(""), "- 0 -");
}

TEST(HopsAreWrittenInManyWays) {
  EXPECT_EQ(For("192.0.2.7:8080"), "192.0.2.7 8080 -");
  EXPECT_EQ(For("2001:db8::7"), "2001:db8::7 0 -");
  EXPECT_EQ(For("[2001:db8::7]"), "2001:db8::7 0 -");
  EXPECT_EQ(For("[2001:db8::7]:443, [2001:db8:1::9]:80"), "2001:db8::7 443 -");
  EXPECT_EQ(For("::ffff:192.0.2.7"), "192.0.2.7 0 -");
}

TEST(AMalformedHopEndsTheList) {
  for (const char* bad : {"", "unknown", "localhost", "192.0.2.7:", "192.0.2.7:99999", "192.0.2.7:8x", "[192.0.2.7]",
                          "[::1", "[::1]80", "1.2.3.4 5.6.7.8", "\"192.0.2.7\"", "1.2.3.4:80:80"}) {
    EXPECT_EQ(For(bad), "- 0 -");
    EXPECT_EQ(For(std::string("192.0.2.7,") + bad + ", 10.1.1.1"), "10.1.1.1 0 -");
  }
}

TEST(TheSchemeIsThatOfTheClientsHop) {
  const std::string node = "X-Forwarded-For: 192.0.2.7\r\n";
  EXPECT_EQ(Read(node + "X-Forwarded-Proto: https\r\n"), "192.0.2.7 0 https");
  EXPECT_EQ(Read(node + "X-Forwarded-Proto: HTTP\r\n"), "192.0.2.7 0 http");
  EXPECT_EQ(Read(node + "X-Forwarded-Proto: ftp\r\n"), "192.0.2.7 0 -");
  // What the client says itself stands left of what its proxy adds.
  EXPECT_EQ(Read(node + "X-Forwarded-Proto: https, http\r\n"), "192.0.2.7 0 http");
  const std::string chain = "X-Forwarded-For: 1.1.1.1, 192.0.2.7, 10.1.1.1\r\n";
  EXPECT_EQ(Read(chain + "X-Forwarded-Proto: http, https, http\r\n"), "192.0.2.7 0 https");
  EXPECT_EQ(Read(chain + "X-Forwarded-Proto: https\r\n"), "192.0.2.7 0 https");
  EXPECT_EQ(Read("X-Forwarded-Proto: https\r\n"), "- 0 https");
}

TEST(ForwardedSaysTheSame) {
  EXPECT_EQ(Forwarded("for=192.0.2.7"), "192.0.2.7 0 -");
  EXPECT_EQ(Forwarded("For=\"192.0.2.7:47011\";Proto=https;by=10.1.1.1"), "192.0.2.7 47011 https");
  EXPECT_EQ(Forwarded("for=\"[2001:db8::7]:80\" ; proto=\"http\""), "2001:db8::7 80 http");
  EXPECT_EQ(Forwarded("for=1.1.1.1;proto=http, for=192.0.2.7;proto=https, for=10.1.1.1;proto=http"),
            "192.0.2.7 0 https");
  EXPECT_EQ(Forwarded("host=\"a,b;c\\\"d\";for=192.0.2.7"), "192.0.2.7 0 -");
  EXPECT_EQ(Forwarded("proto=https"), "- 0 https");
  EXPECT_EQ(Forwarded("for=unknown;proto=https, for=10.1.1.1"), "10.1.1.1 0 https");
  EXPECT_EQ(Forwarded("for=192.0.2.7, for=_hidden"), "- 0 -");
  for (const char* bad : {"for", "for=", "=192.0.2.7", "for=192.0.2.7 proto=https", "for=\"192.0.2.7",
                          "for=192.0.2.7;for=1.1.1.1", "for=[::1]", "proto=https;proto=http", "for=\"\\",
                          "for=192.0.2.7;;"}) {
    EXPECT_EQ(Forwarded(bad), "- 0 -");
  }
}

TEST(XForwardedForGoesBeforeForwarded) {
  EXPECT_EQ(Read("Forwarded: for=1.1.1.1;proto=https\r\nX-Forwarded-For: 192.0.2.7\r\n"), "192.0.2.7 0 -");
}

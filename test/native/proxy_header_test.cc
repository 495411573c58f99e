// A header of the PROXY protocol is taken exactly as its specification has it, however it is cut, and nothing else is.
#include "http/proxy_header.h"

#include "harness.h"

using namespace hornet;

namespace {

std::string Show(const IpAddress& address) {
  char text[kIpTextBytesMax];
  return std::string(text, address.Write(text));
}

// "source port destination port", "local", "more" or "bad"; every beginning gives "more", or the fault already.
std::string Read(const std::string& text, ProxyVersions versions = ProxyVersions::kEither) {
  ProxyHeader header;
  bool was_bad = false;
  for (size_t length = 0; length < text.size(); length++) {
    // A copy of its own: the sanitizer sees a look beyond it.
    const std::vector<char> part(text.begin(), text.begin() + static_cast<long>(length));
    const ProxyStatus status = ParseProxyHeader(part.data(), length, versions, &header);
    if (status == ProxyStatus::kDone) EXPECT(header.length <= length);
    if (was_bad) EXPECT(status == ProxyStatus::kBad);
    was_bad |= status == ProxyStatus::kBad;
  }
  switch (ParseProxyHeader(text.data(), text.size(), versions, &header)) {
    case ProxyStatus::kMore:
      return "more";
    case ProxyStatus::kBad:
      return "bad";
    case ProxyStatus::kDone:
      break;
  }
  const std::string rest = text.substr(header.length);
  const std::string tail = rest.empty() ? "" : " then " + rest;
  if (!header.has_addresses) return "local" + tail;
  return Show(header.source) + " " + std::to_string(header.source_port) + " " + Show(header.destination) + " " +
         std::to_string(header.destination_port) + tail;
}

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string V2(int version_command, int family, const std::string& rest, int length = -1) {
  const size_t size = length < 0 ? rest.size() : static_cast<size_t>(length);
  return kSignature + static_cast<char>(version_command) + static_cast<char>(family) + static_cast<char>(size >> 8) +
         static_cast<char>(size & 255) + rest;
}

const std::string kInet4("\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x01\xbb", 12);
const std::string kInet6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x07" +
                           std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01" + "\x30\x39\x01\xbb";

}  // namespace

TEST(Version1) {
  EXPECT_EQ(Read("PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n"), "192.0.2.7 12345 10.0.0.1 443");
  EXPECT_EQ(Read("PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\nGET /"), "2001:db8::7 1 2001:db8::1 65535 then GET /");
  EXPECT_EQ(Read("PROXY UNKNOWN\r\n"), "local");
  EXPECT_EQ(Read("PROXY UNKNOWN whatever comes here\r\nx"), "local then x");
  EXPECT_EQ(Read("PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r"), "more");
  EXPECT_EQ(Read("PRO"), "more");
  EXPECT_EQ(Read("PROXY " + std::string(200, 'x')), "bad");
  // Exactly the longest, and one more.
  EXPECT_EQ(Read("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n"), "local");
  EXPECT_EQ(Read("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n"), "bad");
}

TEST(Version1IsStrict) {
  for (const char* bad : {
           "PROXY  TCP4 192.0.2.7 10.0.0.1 1 2\r\n", "PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n",
           "PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n", "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n",
           "PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n", "PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n",
           "PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n", "PROXY TCP4 192.0.2.7 10.0.0.1 -1 2\r\n",
           "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", "PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
           "PROXY TCP5 192.0.2.7 10.0.0.1 1 2\r\n", "PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n", "PROXY \r\n",
           "PROXY tcp4 192.0.2.7 10.0.0.1 1 2\r\n", "proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
           "PROXY TCP4 192.0.2.07 10.0.0.1 1 2\r\n", "PROXY TCP4 localhost 10.0.0.1 1 2\r\n", "GET / HTTP/1.1\r\n",
       }) {
    EXPECT_EQ(Read(bad), "bad");
  }
}

TEST(Version2) {
  EXPECT_EQ(Read(V2(0x21, 0x11, kInet4) + "GET /"), "192.0.2.7 12345 10.0.0.1 443 then GET /");
  EXPECT_EQ(Read(V2(0x21, 0x21, kInet6)), "2001:db8::7 12345 2001:db8::1 443");
  // With TLVs behind, which are skipped.
  const std::string tlv("\x04\x00\x01x", 4);
  EXPECT_EQ(Read(V2(0x21, 0x11, kInet4 + tlv) + "x"), "192.0.2.7 12345 10.0.0.1 443 then x");
  // LOCAL, and protocols that are not said.
  EXPECT_EQ(Read(V2(0x20, 0x00, "")), "local");
  EXPECT_EQ(Read(V2(0x20, 0x11, kInet4)), "local");
  EXPECT_EQ(Read(V2(0x21, 0x00, "abc")), "local");
  EXPECT_EQ(Read(V2(0x21, 0x31, std::string(216, 'u'))), "local");
  EXPECT_EQ(Read(V2(0x21, 0x11, kInet4, 13)), "more");
  EXPECT_EQ(Read(kSignature), "more");
  EXPECT_EQ(Read(V2(0x20, 0x00, std::string(4096, 'x'))), "local");
  EXPECT_EQ(Read(V2(0x20, 0x00, std::string(4097, 'x'))), "bad");
}

TEST(Version2IsStrict) {
  EXPECT_EQ(Read(V2(0x11, 0x11, kInet4)), "bad");   // version
  EXPECT_EQ(Read(V2(0x22, 0x11, kInet4)), "bad");   // command
  EXPECT_EQ(Read(V2(0x21, 0x41, kInet4)), "bad");   // family
  EXPECT_EQ(Read(V2(0x21, 0x12, kInet4)), "bad");   // datagrams
  EXPECT_EQ(Read(V2(0x21, 0x13, kInet4)), "bad");   // transport
  EXPECT_EQ(Read(V2(0x21, 0x11, kInet4, 11)), "bad");  // too short for its family
  EXPECT_EQ(Read(V2(0x21, 0x21, kInet4)), "bad");
  EXPECT_EQ(Read("\r\n\r\nGET"), "bad");
}

TEST(OnlyTheVersionsAskedForAreTaken) {
  const std::string v1 = "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n";
  EXPECT_EQ(Read(v1, ProxyVersions::kV1), "192.0.2.7 12345 10.0.0.1 443");
  EXPECT_EQ(Read(v1, ProxyVersions::kV2), "bad");
  EXPECT_EQ(Read(V2(0x21, 0x11, kInet4), ProxyVersions::kV2), "192.0.2.7 12345 10.0.0.1 443");
  EXPECT_EQ(Read(V2(0x21, 0x11, kInet4), ProxyVersions::kV1), "bad");
}

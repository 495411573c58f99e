// Limits for each client: what a client is, how often it may, how many connections it may have, and that nothing of it
// grows with the number of clients that come by.
// links: net loop uv
#include <set>

#include "harness.h"
#include "net/client_connections.h"
#include "net/client_rate.h"

namespace hornet {

namespace {

IpAddress Ip(const std::string& text) {
  IpAddress address;
  EXPECT(IpAddress::Parse(text.data(), text.size(), &address));
  return address;
}

IpAddress Numbered(uint32_t number) {
  IpAddress address = Ip("2001:db8::");
  for (int i = 0; i < 4; i++) address.bytes[4 + i] = static_cast<uint8_t>(number >> (8 * i));
  return address;
}

// How many of `tries` at one time are let through.
uint32_t Passed(ClientRate* rate, const IpAddress& client, uint32_t tries, uint64_t now_us) {
  uint32_t passed = 0;
  for (uint32_t i = 0; i < tries; i++) passed += rate->Take(client, now_us) ? 1 : 0;
  return passed;
}

constexpr uint64_t kSecond = 1'000'000;

}  // namespace

TEST(AClientIsAnIpv4AddressOrAnIpv6Network) {
  auto same = [](const char* a, const char* b) { return ClientKey::Of(Ip(a)) == ClientKey::Of(Ip(b)); };
  EXPECT(same("192.0.2.1", "::ffff:192.0.2.1"));
  EXPECT(!same("192.0.2.1", "192.0.2.2"));
  EXPECT(same("2001:db8::1", "2001:db8::ffff:1"));
  EXPECT(!same("2001:db8::1", "2001:db8:0:1::1"));
}

TEST(TheRateIsKeptAfterABurst) {
  ClientRate rate(10, 3);
  uint64_t now = 5 * kSecond;
  EXPECT_EQ(Passed(&rate, Ip("192.0.2.1"), 10, now), 3u);
  EXPECT_EQ(Passed(&rate, Ip("192.0.2.2"), 10, now), 3u);
  // Ten a second from then on, however often it tries.
  uint32_t passed = 0;
  for (int i = 0; i < 200; i++) passed += Passed(&rate, Ip("192.0.2.1"), 5, now += kSecond / 100);
  EXPECT_EQ(passed, 20u);
  // After a pause there is a burst again, and no more than that.
  EXPECT_EQ(Passed(&rate, Ip("192.0.2.1"), 10, now + 60 * kSecond), 3u);
}

TEST(ABurstOfOneIsAnEvenPace) {
  ClientRate rate(1000, 1);
  EXPECT_EQ(Passed(&rate, Ip("192.0.2.1"), 2, kSecond), 1u);
  EXPECT_EQ(Passed(&rate, Ip("192.0.2.1"), 2, kSecond + 999), 0u);
  EXPECT_EQ(Passed(&rate, Ip("192.0.2.1"), 2, kSecond + 1000), 1u);
}

TEST(AFloodOfClientsDoesNotSetOneFreeThatIsOverItsRate) {
  ClientRate rate(1, 5);
  uint64_t now = kSecond;
  EXPECT_EQ(Passed(&rate, Ip("192.0.2.1"), 50, now), 5u);
  // Many times as many clients as there is room for, one request each: they have less to make up for.
  for (uint32_t n = 0; n < 4 * ClientRate::kClientsMax; n++) rate.Take(Numbered(n), now);
  EXPECT_EQ(Passed(&rate, Ip("192.0.2.1"), 50, now), 0u);
  EXPECT_EQ(Passed(&rate, Ip("192.0.2.1"), 50, now + kSecond), 1u);
}

TEST(ConnectionsAreCountedByClientAndForgotten) {
  ClientConnections connections(2);
  EXPECT(connections.Enter(Ip("192.0.2.1")));
  EXPECT(connections.Enter(Ip("192.0.2.1")));
  EXPECT(!connections.Enter(Ip("192.0.2.1")));
  EXPECT(connections.Enter(Ip("2001:db8::1")));
  EXPECT(connections.Enter(Ip("2001:db8::2")));
  EXPECT(!connections.Enter(Ip("2001:db8::3")));
  EXPECT_EQ(connections.clients(), 2u);
  connections.Leave(Ip("192.0.2.1"));
  EXPECT(connections.Enter(Ip("192.0.2.1")));
  for (int i = 0; i < 2; i++) connections.Leave(Ip("192.0.2.1"));
  connections.Leave(Ip("2001:db8::9"));
  connections.Leave(Ip("2001:db8::9"));
  EXPECT_EQ(connections.clients(), 0u);
}

}  // namespace hornet

// Stickiness: the same client has the same key, wherever a request says who it is; and few clients move when workers
// come or go.
#include "http/sticky.h"

#include "http/sticky_table.h"

#include <map>

#include "harness.h"

namespace hornet {

namespace {

uint64_t Key(const std::string& rule, const std::string& head_text, const std::string& address = "192.0.2.1 80 ::1 1") {
  static RequestHead head;
  EXPECT(ParseHead(head_text.data(), head_text.size(), HeadLimits{}, &head) == ParseStatus::kDone);
  return StickyKey(ParseStickyRule(rule), head, head_text.data(), address.data(), address.size());
}

std::string Get(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

uint32_t WorkerOf(uint64_t key, const std::vector<uint32_t>& workers) {
  uint32_t best = workers[0];
  for (uint32_t id : workers) {
    if (StickyWeight(key, id) > StickyWeight(key, best)) best = id;
  }
  return best;
}

}  // namespace

TEST(TheAddressWithoutItsPort) {
  EXPECT_EQ(Key("ip", Get("/"), "192.0.2.1 1000 ::1 1"), Key("ip", Get("/x"), "192.0.2.1 2000 ::1 1"));
  EXPECT(Key("ip", Get("/"), "192.0.2.1 1000 ::1 1") != Key("ip", Get("/"), "192.0.2.2 1000 ::1 1"));
  EXPECT_EQ(Key("ip", Get("/"), ""), 0u);  // a unix socket
}

TEST(ACookieAmongOthers) {
  uint64_t key = Key("cookie:id", Get("/", "Cookie: id=7\r\n"));
  EXPECT(key != 0);
  EXPECT_EQ(Key("cookie:id", Get("/", "cookie: a=1; id=7; b=2\r\n")), key);
  EXPECT_EQ(Key("cookie:id", Get("/", "Cookie: a=id=7\r\nCookie: id=7\r\n")), key);
  EXPECT(Key("cookie:id", Get("/", "Cookie: id=8\r\n")) != key);
  for (const char* other : {"", "Cookie: xid=7\r\n", "Cookie: id\r\n", "Cookie: id=\r\n", "Cookie: ID=7\r\n"}) {
    EXPECT_EQ(Key("cookie:id", Get("/", other)), 0u);
  }
}

TEST(AHeaderInAnyCase) {
  uint64_t key = Key("header:X-Tenant", Get("/", "x-tenant: 7\r\n"));
  EXPECT(key != 0);
  EXPECT_EQ(Key("header:x-TENANT", Get("/", "X-Tenant:   7  \r\n")), key);
  EXPECT_EQ(Key("header:X-Tenant", Get("/", "X-Tenants: 7\r\n")), 0u);
}

TEST(AParameterOfTheQuery) {
  uint64_t key = Key("query:sid", Get("/?sid=7"));
  EXPECT(key != 0);
  EXPECT_EQ(Key("query:sid", Get("/a?b=1&sid=7&c=2")), key);
  for (const char* other : {"/", "/sid=7", "/?xsid=7", "/?sid", "/?sid=", "/?a=sid=7"}) {
    EXPECT_EQ(Key("query:sid", Get(other)), 0u);
  }
}

TEST(AnythingElseIsOff) {
  for (const char* rule : {"", "cookie", "cookie:", "address", "name:x"}) {
    EXPECT(ParseStickyRule(rule).kind == StickyRule::Kind::kOff);
  }
}

TEST(ClientsAreSpreadEvenlyAndFewMove) {
  constexpr int kClients = 4000;
  std::map<uint32_t, int> clients;
  int moved_by_one_more = 0;
  int moved_by_one_less = 0;
  for (int i = 0; i < kClients; i++) {
    uint64_t key = Key("query:c", Get("/?c=" + std::to_string(i)));
    uint32_t before = WorkerOf(key, {1, 2, 3, 4});
    clients[before]++;
    uint32_t with_fifth = WorkerOf(key, {1, 2, 3, 4, 5});
    if (with_fifth != before) {
      moved_by_one_more++;
      EXPECT_EQ(with_fifth, 5u);
    }
    uint32_t without_second = WorkerOf(key, {1, 3, 4});
    if (before == 2) moved_by_one_less++;
    if (before != 2) EXPECT_EQ(without_second, before);
  }
  for (uint32_t id = 1; id <= 4; id++) EXPECT(clients[id] > 850 && clients[id] < 1150);
  EXPECT(moved_by_one_more > 650 && moved_by_one_more < 950);
  EXPECT_EQ(moved_by_one_less, clients[2]);
}

TEST(AClientStaysWithTheWorkerItWasGiven) {
  StickyTable table;
  EXPECT_EQ(table.Find(7, 1000), 0u);
  table.Assign(7, 3, 1000);
  EXPECT_EQ(table.Find(7, 2000), 3u);
  table.Assign(7, 4, 3000);
  EXPECT_EQ(table.Find(7, 4000), 4u);
  EXPECT_EQ(table.Find(8, 4000), 0u);
}

TEST(OfTooManyClientsThoseNotHeardOfForLongAreForgotten) {
  StickyTable table;
  auto key = [](uint32_t client) { return Key("query:c", Get("/?c=" + std::to_string(client))); };
  for (uint32_t client = 0; client < 1000; client++) table.Assign(key(client), 1, 1000);
  // Four times what it holds, and the first thousand are heard of between them.
  for (uint32_t client = 1000; client < 4 * StickyTable::kClientsMax; client++) {
    if (client % 10000 == 0) {
      for (uint32_t old = 0; old < 1000; old++) table.Find(key(old), 1000 + client);
    }
    table.Assign(key(client), 2, 1000 + client);
  }
  uint32_t kept = 0;
  for (uint32_t client = 0; client < 1000; client++) kept += table.Find(key(client), 1000000) == 1;
  EXPECT(kept > 950);
}

}  // namespace hornet

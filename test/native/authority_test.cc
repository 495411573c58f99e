// host[:port], as Host fields and targets have it. The vectors hold the cases met in heads; here are the edges.
#include "http/authority.h"

#include <cstring>

#include "harness.h"

namespace hornet {

namespace {

bool IsOptional(const char* text) { return IsAuthority(text, strlen(text), PortRule::kOptional); }
bool IsRequired(const char* text) { return IsAuthority(text, strlen(text), PortRule::kRequired); }

}  // namespace

TEST(HostsThatAre) {
  for (const char* text : {"a", "a.b.c", "a-b_c~d", "1.2.3.4", "999.1", "a!$&'()*+,;=", "%41%7e",
                           "[::]", "[::1]", "[1::]", "[1:2:3:4:5:6:7::]", "[::2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]",
                           "[1:2:3:4:5:6:1.2.3.4]", "[::1.2.3.4]", "[1::3:4:5:6:1.2.3.4]", "[AbCd::eF09]",
                           "[v1.x]", "[vFF.a:b:c]"}) {
    EXPECT(IsOptional(text));
    EXPECT(!IsRequired(text));
    EXPECT(IsRequired((std::string(text) + ":0").c_str()));
    EXPECT(IsRequired((std::string(text) + ":65535").c_str()));
    EXPECT(IsRequired((std::string(text) + ":000080").c_str()));
    EXPECT(IsOptional((std::string(text) + ":").c_str()));
    EXPECT(!IsRequired((std::string(text) + ":").c_str()));
    EXPECT(!IsOptional((std::string(text) + ":65536").c_str()));
    EXPECT(!IsOptional((std::string(text) + ":100000").c_str()));
    EXPECT(!IsOptional((std::string(text) + ":8a").c_str()));
    EXPECT(!IsOptional((std::string(text) + "/").c_str()));
  }
}

TEST(HostsThatAreNot) {
  for (const char* text :
       {"", ":", ":80", "a b", "a/b", "a@b", "a?b", "a#b", "a\\b", "a[b]", "a^b", "%", "%4", "%4g", "a%", "\x80",
        "a:1:2", "[", "]", "[]", "[:]", "[:::]", "[::1", "::1]", "[::1]a", "[::1]]", "[1]", "[1:2:3:4:5:6:7]",
        "[1:2:3:4:5:6:7:]", "[:1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:]", "[1::2:]",
        "[1:2:3:4:5:6:7:8:9]", "[1:2:3:4:5:6:7:8::]", "[::1::]", "[12345::]",
        "[g::]", "[1:2:3:4:5:6:7:1.2.3.4]", "[1.2.3.4]", "[::1.2.3]", "[::1.2.3.4.5]", "[::1.2.3.256]", "[::01.2.3.4]",
        "[::1.2.3.]",
        "[::1.2.3.4:5]", "[fe80::1%25a]", "[fe80::1%a]", "[v.a]", "[v1]", "[v1.]", "[vg.a]", "[v1.a/b]"}) {
    if (IsOptional(text)) harness::Fail(__FILE__, __LINE__, std::string("taken for a host: ") + text);
  }
}

}  // namespace hornet

// The scanners: the portable one against the definitions, the SIMD one against the portable one.
#include "base/bytes.h"

#include "harness.h"
#include "replay.h"

namespace hornet {

namespace {

using Scan = const char* (*)(const char*, const char*);

// Scans `text` from `from` in a block of exactly its size; returns an offset.
size_t EndOf(Scan scan, const std::string& text, size_t from) {
  const ExactCopy copy(text);
  return static_cast<size_t>(scan(copy.data() + from, copy.data() + copy.size()) - copy.data());
}

// Puts every octet at every place of runs of every length around the block size, and compares the two scanners.
void ExpectSame(const char* name, Scan fast, Scan portable, char filler) {
  for (size_t length = FastScan::kLengthMin; length <= 50; ++length) {
    for (size_t place = 0; place < length; place += place < 18 ? 1 : 7) {
      for (int octet = 0; octet < 256; ++octet) {
        std::string text(length, filler);
        text[place] = static_cast<char>(octet);
        const size_t from = place % 3;  // a start that is not the block's
        const size_t wanted = EndOf(portable, text, from);
        if (EndOf(fast, text, from) == wanted) continue;
        harness::Fail(name, octet, "differs with length " + std::to_string(length) + " at " + std::to_string(place));
        return;
      }
    }
  }
}

}  // namespace

TEST(TokenOctetsAreThoseOfTheGrammar) {
  const std::string tokens = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (int octet = 0; octet < 256; ++octet) {
    const char c = static_cast<char>(octet);
    EXPECT_EQ(IsByte(kTokenByte, c), octet != 0 && tokens.find(c) != std::string::npos);
  }
}

TEST(ValueOctetsAreTextAndTab) {
  for (int octet = 0; octet < 256; ++octet) {
    EXPECT_EQ(IsByte(kValueByte, static_cast<char>(octet)), octet == '\t' || (octet >= 0x20 && octet != 0x7f));
  }
}

TEST(TargetOctetsAreVisibleAsciiButTheNumberSign) {
  for (int octet = 0; octet < 256; ++octet) {
    EXPECT_EQ(IsByte(kTargetByte, static_cast<char>(octet)), octet > 0x20 && octet < 0x7f && octet != '#');
  }
}

TEST(TheFastScannerAnswersAsThePortableOne) {
  ExpectSame("TokenEnd", FastScan::TokenEnd, PortableScan::TokenEnd, 'a');
  ExpectSame("TargetEnd", FastScan::TargetEnd, PortableScan::TargetEnd, '/');
  ExpectSame("ValueEnd", FastScan::ValueEnd, PortableScan::ValueEnd, ' ');
  ExpectSame("RegNameEnd", FastScan::RegNameEnd, PortableScan::RegNameEnd, '.');
}

TEST(AScanOfNothingStaysWhereItIs) {
  const std::string text(FastScan::kLengthMin, 'x');
  EXPECT_EQ(EndOf(FastScan::ValueEnd, text, text.size()), text.size());
  EXPECT_EQ(EndOf(PortableScan::ValueEnd, "", 0), 0u);
}

// What FindPlainLine() finds must be what looking at the line octet by octet finds.
TEST(APlainLineHasItsTrueEnds) {
  for (size_t name_length = 0; name_length < 36; ++name_length) {
    for (size_t value_length = 0; value_length < 40; ++value_length) {
      for (int octet = 0; octet < 256; octet += 1 + static_cast<int>(value_length % 3)) {
        std::string text = std::string(name_length, 'n') + ":" + std::string(value_length, 'v') + "\r\n\r\n";
        const size_t place = (name_length * 7 + value_length * 3 + static_cast<size_t>(octet)) % text.size();
        text[place] = static_cast<char>(octet);
        const ExactCopy copy(text);
        const char* end = copy.data() + copy.size();
        PlainLine line;
        if (!FastScan::FindPlainLine(copy.data(), end, &line)) continue;
        const char* name_end = PortableScan::TokenEnd(copy.data(), end);
        EXPECT_EQ(line.name_length, static_cast<size_t>(name_end - copy.data()));
        EXPECT(line.name_length > 0 && *name_end == ':');
        EXPECT(line.line_end == PortableScan::ValueEnd(name_end + 1, end));
        EXPECT(memcmp(line.line_end, "\r\n", 2) == 0);
      }
    }
  }
}

TEST(TokensCompareWithoutCase) {
  const std::string lower = "abcdefghijklmnopqrstuvwxyz-0123456789";
  const std::string upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789";
  for (size_t length = 0; length <= lower.size(); ++length) {
    const ExactCopy a(upper.substr(0, length)), b(lower.substr(0, length));
    EXPECT(TokenEquals(a.data(), b.data(), length));
    for (size_t i = 0; i < length; ++i) {
      std::string other = upper.substr(0, length);
      other[i] = '_';
      EXPECT(!TokenEquals(other.data(), b.data(), length));
    }
  }
}

TEST(HexadecimalDigitsHaveTheirValues) {
  const std::string digits = "0123456789abcdefABCDEF";
  for (size_t i = 0; i < digits.size(); ++i) EXPECT_EQ(HexValue(digits[i]), i < 16 ? i : i - 6);
}

}  // namespace hornet

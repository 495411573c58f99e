// Octets as HTTP sees them: which classes each belongs to, and scanners that find the end of a run of one class.
// Pure and header-only: the parser's inner loops are here, so they must be inlined.
//
// There are two scanners with one interface. PortableScan works anywhere. Sse2Scan looks at sixteen octets at a time
// and is used where the compiler may assume SSE2, which is every x86-64. Both return the same answers; the unit tests
// and the fuzzers hold them to it. Blocks of thirty-two (AVX2) gained nothing on heads of up to 1 KiB, and a quarter on
// 8 KiB: not worth choosing a path at run time (bench/micro/README.md).
#ifndef HORNET_BASE_BYTES_H_
#define HORNET_BASE_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace hornet {

// Classes of octets, as bits of kByteClass.
enum ByteClass : uint8_t {
  kTokenByte = 1,    // tchar, RFC 9110 section 5.6.2
  kValueByte = 2,    // field-vchar, SP and HTAB, RFC 9110 section 5.5
  kTargetByte = 4,   // request-target; wider than RFC 3986, see IsTargetByte()
  kRegNameByte = 8,  // reg-name without its percent signs, RFC 3986 section 3.2.2
  kDigitByte = 16,
  kHexByte = 32,
};

namespace byte_class {

constexpr bool IsDigit(int c) { return c >= '0' && c <= '9'; }
constexpr bool IsAlpha(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool IsHex(int c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

constexpr bool IsOneOf(int c, const char* set) {
  for (; *set != '\0'; ++set) {
    if (c == *set) return true;
  }
  return false;
}

// All visible ASCII but '#': the octets RFC 3986 lists, and the others ('"', '<', '>', '\', '^', '`', '{', '|', '}', a
// lone '%') that browsers do send and node:http accepts. Octets from 0x80 are refused, as node:http refuses them on
// Node 20 to 26. A '#' would start a fragment, which never belongs on the wire (RFC 9112 section 3.2).
constexpr bool IsTargetByte(int c) { return c > 0x20 && c < 0x7f && c != '#'; }

constexpr uint8_t ClassesOf(int c) {
  int bits = 0;
  if (IsAlpha(c) || IsDigit(c) || IsOneOf(c, "!#$%&'*+-.^_`|~")) bits |= kTokenByte;
  if ((c >= 0x20 && c != 0x7f) || c == '\t') bits |= kValueByte;
  if (IsTargetByte(c)) bits |= kTargetByte;
  if (IsAlpha(c) || IsDigit(c) || IsOneOf(c, "-._~!$&'()*+,;=")) bits |= kRegNameByte;
  if (IsDigit(c)) bits |= kDigitByte;
  if (IsHex(c)) bits |= kHexByte;
  return static_cast<uint8_t>(bits);
}

struct Table {
  uint8_t classes[256];
};

constexpr Table MakeTable() {
  Table table = {};
  for (int c = 0; c < 256; ++c) table.classes[c] = ClassesOf(c);
  return table;
}

}  // namespace byte_class

inline constexpr byte_class::Table kByteClass = byte_class::MakeTable();

inline bool IsByte(ByteClass wanted, char c) { return (kByteClass.classes[static_cast<uint8_t>(c)] & wanted) != 0; }

// The value of a hexadecimal digit; the caller has checked that it is one.
inline uint32_t HexValue(char c) {
  const uint32_t octet = static_cast<uint8_t>(c);
  return octet <= '9' ? octet - '0' : (octet | 0x20) - 'a' + 10;
}

template <typename Word>
inline Word LoadWord(const char* from) {
  Word word;
  memcpy(&word, from, sizeof(word));
  return word;
}

// The two halves of TokenEquals(): words that cover the text, the last one overlapping the one before it.
template <typename Word>
inline bool WordsEqual(const char* text, const char* lower, size_t length) {
  constexpr Word kFold = static_cast<Word>(0x2020202020202020);
  const size_t last = length - sizeof(Word);
  for (size_t i = 0; i < last; i += sizeof(Word)) {
    if ((LoadWord<Word>(text + i) | kFold) != LoadWord<Word>(lower + i)) return false;
  }
  return (LoadWord<Word>(text + last) | kFold) == LoadWord<Word>(lower + last);
}

// Whether `text`, which must be made of token octets, equals `lower`, which must be lower case. Setting bit 0x20 folds
// the case of letters, and maps no two token octets that occur in `lower`'s alphabet (a-z, 0-9, '-') onto one another.
inline bool TokenEquals(const char* text, const char* lower, size_t length) {
  if (length >= sizeof(uint64_t)) return WordsEqual<uint64_t>(text, lower, length);
  if (length >= sizeof(uint32_t)) return WordsEqual<uint32_t>(text, lower, length);
  for (size_t i = 0; i < length; ++i) {
    if ((text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

// A field line of the usual kind: see Sse2Scan::FindPlainLine().
struct PlainLine {
  size_t name_length;    // bytes
  const char* line_end;  // its CR
};

// Each ...End function returns the first octet in [from, end) that is not of its class, or `end`.
struct PortableScan {
  static constexpr size_t kLengthMin = 0;  // octets before `end` that a scan may read again

  static const char* TokenEnd(const char* from, const char* end) { return EndOf(kTokenByte, from, end); }
  static const char* TargetEnd(const char* from, const char* end) { return EndOf(kTargetByte, from, end); }
  static const char* ValueEnd(const char* from, const char* end) { return EndOf(kValueByte, from, end); }
  static const char* RegNameEnd(const char* from, const char* end) { return EndOf(kRegNameByte, from, end); }
  static bool FindPlainLine(const char*, const char*, PlainLine*) { return false; }

 private:
  static const char* EndOf(ByteClass wanted, const char* from, const char* end) {
    while (from != end && IsByte(wanted, *from)) ++from;
    return from;
  }
};

#if defined(__SSE2__)

// The same on sixteen octets at a time. The last, incomplete block is loaded so that it ends at `end`, and the octets
// before `from` are shifted out of its mask: nothing outside the input is read, and no loop over single octets is left.
// So at least kLengthMin octets of the input must lie before `end`.
struct Sse2Scan {
  static constexpr size_t kLengthMin = 16;

  static const char* TargetEnd(const char* from, const char* end) { return EndOf<TargetStops>(from, end); }
  static const char* ValueEnd(const char* from, const char* end) { return EndOf<ValueStops>(from, end); }

  // Names are letters, digits and '-' nearly always: those are told apart in a block, the rest looked up.
  static const char* TokenEnd(const char* from, const char* end) {
    return PortableScan::TokenEnd(EndOf<NameStops>(from, end), end);
  }

  // The same for hosts, and '.'.
  static const char* RegNameEnd(const char* from, const char* end) {
    return PortableScan::RegNameEnd(EndOf<HostStops>(from, end), end);
  }

  // Finds the name and the end of the field line at `from`, when it is whole and plain: a name of at most 31 letters,
  // digits and '-', a colon, ASCII without control octets, CR LF. False says nothing: look at the line octet by octet.
  //
  // Both ends are found from the same blocks, neither waiting for the other. Reading a line is a chain of dependent
  // steps (load, compare, count, add), and what limits the parser is the length of that chain, not the work beside it.
  // So this way, in which only the line's end leads to the next line, is twice as fast as the colon first.
  static bool FindPlainLine(const char* from, const char* end, PlainLine* line) {
    if (end - from < kBlock) return false;
    const __m128i first = Load(from);
    const char* at = from;
    uint32_t stops = LineStops::Mask(first);
    while (stops == 0) {
      at += kBlock;
      if (end - at >= kBlock) {
        stops = LineStops::Mask(Load(at));
      } else {
        if (at == end) return false;
        stops = LineStops::Mask(Load(end - kBlock)) >> (kBlock - (end - at));
        if (stops == 0) return false;
      }
    }
    at += __builtin_ctz(stops);
    if (end - at < 2 || memcmp(at, "\r\n", 2) != 0) return false;
    line->line_end = at;

    uint32_t colons = Equal(first, ':');
    uint32_t name_stops = NameStops::Mask(first);
    if (colons == 0) {
      if (at - from < 2 * kBlock) return false;
      const __m128i second = Load(from + kBlock);
      colons = Equal(second, ':') << kBlock;
      name_stops |= NameStops::Mask(second) << kBlock;
      if (colons == 0) return false;
    }
    line->name_length = static_cast<size_t>(__builtin_ctz(colons));
    return (name_stops & (colons - 1) & ~colons) == 0 && line->name_length != 0;
  }

 private:
  static constexpr ptrdiff_t kBlock = 16;

  static __m128i Load(const char* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }
  static __m128i Fill(int octet) { return _mm_set1_epi8(static_cast<char>(octet)); }

  // All ones where low <= octet <= high. The sum moves `high` to 127, the greatest signed value; octets above it wrap
  // around to the small ones.
  static __m128i Between(__m128i block, int low, int high) {
    return _mm_cmpgt_epi8(_mm_add_epi8(block, Fill(127 - high)), Fill(126 - high + low));
  }

  static uint32_t Equal(__m128i block, int octet) {
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, Fill(octet))));
  }

  // Everything but SP and visible ASCII. Adding one makes DEL negative, as the octets from 0x80 are.
  struct LineStops {
    static uint32_t Mask(__m128i block) {
      const __m128i next = _mm_add_epi8(block, Fill(1));
      return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmplt_epi8(next, Fill(0x21))));
    }
  };

  struct TargetStops {
    static uint32_t Mask(__m128i block) {
      const __m128i visible = Between(block, 0x21, 0x7e);
      const __m128i hash = _mm_cmpeq_epi8(block, Fill('#'));
      return static_cast<uint32_t>(_mm_movemask_epi8(_mm_andnot_si128(hash, visible))) ^ 0xffff;
    }
  };

  struct ValueStops {
    static uint32_t Mask(__m128i block) {
      const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, Fill(0x1f)), block);
      const __m128i tab = _mm_cmpeq_epi8(block, Fill('\t'));
      const __m128i del = _mm_cmpeq_epi8(block, Fill(0x7f));
      return static_cast<uint32_t>(_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, control), del)));
    }
  };

  struct NameStops {
    static uint32_t Mask(__m128i block) {
      const __m128i alpha = Between(_mm_or_si128(block, Fill(0x20)), 'a', 'z');
      const __m128i digit = Between(block, '0', '9');
      const __m128i dash = _mm_cmpeq_epi8(block, Fill('-'));
      return static_cast<uint32_t>(_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(alpha, digit), dash))) ^ 0xffff;
    }
  };

  struct HostStops {
    static uint32_t Mask(__m128i block) {
      const __m128i alpha = Between(_mm_or_si128(block, Fill(0x20)), 'a', 'z');
      const __m128i digit = Between(block, '0', '9');
      const __m128i mark = Between(block, '-', '.');
      return static_cast<uint32_t>(_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(alpha, digit), mark))) ^ 0xffff;
    }
  };

  template <typename Stops>
  static const char* EndOf(const char* from, const char* end) {
    while (end - from >= kBlock) {
      const uint32_t stops = Stops::Mask(Load(from));
      if (stops != 0) return from + __builtin_ctz(stops);
      from += kBlock;
    }
    if (from == end) return end;
    const uint32_t stops = Stops::Mask(Load(end - kBlock)) >> (kBlock - (end - from));
    return stops != 0 ? from + __builtin_ctz(stops) : end;
  }
};

using FastScan = Sse2Scan;

#else

using FastScan = PortableScan;

#endif

}  // namespace hornet

#endif  // HORNET_BASE_BYTES_H_

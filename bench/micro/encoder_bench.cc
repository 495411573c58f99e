// Times what the I/O thread writes around each answer: the end of its head, and an answer of the server's own. Prints one
// JSON line per case. Started by run.mjs.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "http/response_encoder.h"

namespace hornet {

namespace {

constexpr int kRounds = 21;  // the median of them counts
constexpr int kAnswers = 200'000;

double NowNs() {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 std::chrono::steady_clock::now().time_since_epoch())
                                 .count());
}

// Keeps the compiler from leaving out what nobody reads.
void Use(const char* bytes) { asm volatile("" : : "g"(bytes) : "memory"); }

template <typename Encode>
void Time(const char* what, Encode encode) {
  static char out[kCannedBytesMax + kHeadTailBytesMax];
  std::vector<double> ns;
  size_t bytes = 0;
  for (int round = 0; round < kRounds; ++round) {
    const double start = NowNs();
    for (int i = 0; i < kAnswers; ++i) {
      bytes = encode(static_cast<uint64_t>(i), out);
      Use(out);
    }
    ns.push_back((NowNs() - start) / kAnswers);
  }
  std::sort(ns.begin(), ns.end());
  printf("{\"what\":\"%s\",\"bytes\":%zu,\"ns\":%.1f,\"nsMin\":%.1f,\"nsMax\":%.1f}\n", what, bytes, ns[kRounds / 2],
         ns.front(), ns.back());
  fflush(stdout);
}

}  // namespace

}  // namespace hornet

int main() {
  using namespace hornet;
  DateCache dates;
  const int64_t now = 784111777;
  Time("head end with length", [&](uint64_t i, char* out) {
    HeadTail tail{};
    tail.date = dates.Get(now);
    tail.with_length = true;
    tail.content_length = i & 0xffff;
    return EncodeHeadTail(tail, out);
  });
  Time("head end, connection fields", [&](uint64_t i, char* out) {
    HeadTail tail{};
    tail.date = dates.Get(now);
    tail.with_connection = true;
    tail.keep_alive_seconds = 5;
    tail.with_length = true;
    tail.content_length = i & 0xffff;
    return EncodeHeadTail(tail, out);
  });
  Time("head end, chunked", [&](uint64_t, char* out) {
    HeadTail tail{};
    tail.date = dates.Get(now);
    tail.chunked = true;
    return EncodeHeadTail(tail, out);
  });
  Time("start of a chunk", [&](uint64_t i, char* out) { return EncodeChunkStart(static_cast<uint32_t>(i) + 1, out); });
  Time("503 of the server", [&](uint64_t, char* out) { return EncodeCanned(503, false, true, dates.Get(now), out); });
  return 0;
}

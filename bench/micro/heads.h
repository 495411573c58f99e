// The request heads that parsers are timed with: three sets of many different heads each, and an order to visit them in
// that a branch predictor cannot learn. Timing one head again and again flatters every parser, since all its branches
// are then known beforehand.
#ifndef HORNET_BENCH_MICRO_HEADS_H_
#define HORNET_BENCH_MICRO_HEADS_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace hornet {

constexpr size_t kVariants = 512;
constexpr int kRounds = 21;  // the median of them counts
constexpr double kRoundNsMin = 20e6;

// xorshift32: the same heads on every run and machine.
class Random {
 public:
  uint32_t Below(uint32_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_ % bound;
  }

  std::string Text(uint32_t length) {
    static const char kLetters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    std::string text;
    for (uint32_t i = 0; i < length; ++i) text += kLetters[Below(sizeof(kLetters) - 1)];
    return text;
  }

 private:
  uint32_t state_ = 2463534242;
};

using MakeHead = std::string (*)(Random* random);

// What wrk and health checks send.
inline std::string MakeSmall(Random* random) {
  static const char* const kTargets[] = {"/", "/health", "/plaintext", "/api/v1", "/json"};
  static const char* const kHosts[] = {"127.0.0.1:8000", "localhost:3000", "10.0.0.7", "api.test"};
  return std::string("GET ") + kTargets[random->Below(5)] + " HTTP/1.1\r\nHost: " + kHosts[random->Below(4)] +
         "\r\n\r\n";
}

// A page's subresource or call, as a browser asks for it: 12 to 16 fields.
inline std::string MakeBrowser(Random* random) {
  std::string head = random->Below(5) == 0 ? "POST /" : "GET /";
  head += random->Text(4 + random->Below(12)) + '/';
  head += random->Text(3 + random->Below(20));
  if (random->Below(2) == 0) head += "?q=" + random->Text(random->Below(24));
  head += " HTTP/1.1\r\nHost: www." + random->Text(5 + random->Below(8)) + ".example\r\nConnection: keep-alive\r\n";
  head += "sec-ch-ua: \"Chromium\";v=\"124\", \"Not-A.Brand\";v=\"99\"\r\nsec-ch-ua-mobile: ?0\r\n";
  head += "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/" +
          std::to_string(100 + random->Below(40)) + ".0.0.0 Safari/537.36\r\n";
  head += "sec-ch-ua-platform: \"Linux\"\r\nAccept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n";
  head += "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n";
  if (random->Below(2) == 0) head += "Referer: https://www.example/" + random->Text(8 + random->Below(30)) + "\r\n";
  head += "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n";
  if (random->Below(2) == 0) head += "If-None-Match: W/\"" + random->Text(20) + "\"\r\n";
  head += "Cookie: theme=dark; sid=" + random->Text(32 + random->Below(32)) + "\r\n\r\n";
  return head;
}

// Single sign-on: tokens in a long cookie and an Authorization field.
inline std::string MakeLarge(Random* random) {
  std::string head = MakeBrowser(random);
  head.resize(head.size() - 2);
  head += "Authorization: Bearer " + random->Text(1200 + random->Below(600)) + "\r\nX-Session: ";
  while (head.size() < 8188) {
    head += random->Text(5 + random->Below(10)) + '=';
    head += random->Text(200) + "; ";
  }
  head.resize(8188);
  head += "\r\n\r\n";
  return head;
}

inline double NowNs() {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 std::chrono::steady_clock::now().time_since_epoch())
                                 .count());
}

constexpr struct {
  const char* name;
  MakeHead make;
} kSets[] = {{"small", MakeSmall}, {"browser", MakeBrowser}, {"large", MakeLarge}};

// Times `parse`, which takes a head whole and returns whether it was fine, over a set; prints one line of JSON.
template <typename Parse>
void TimeHeads(const char* set, MakeHead make, const char* path, Parse parse) {
  Random random;
  std::vector<std::string> heads;
  double bytes = 0;
  for (size_t i = 0; i < kVariants; ++i) {
    heads.push_back(make(&random));
    bytes += static_cast<double>(heads.back().size());
  }
  std::vector<uint32_t> order(16 * kVariants);
  for (uint32_t& index : order) index = random.Below(kVariants);

  std::vector<double> ns_per_head;
  for (int round = 0; round < kRounds; ++round) {
    size_t parsed = 0;
    const double start = NowNs();
    double spent = 0;
    while (spent < kRoundNsMin) {
      for (uint32_t index : order) {
        const std::string& text = heads[index];
        if (!parse(text.data(), text.size())) {
          fprintf(stderr, "a head of set %s was refused by %s\n", set, path);
          exit(1);
        }
      }
      parsed += order.size();
      spent = NowNs() - start;
    }
    ns_per_head.push_back(spent / static_cast<double>(parsed));
  }
  std::sort(ns_per_head.begin(), ns_per_head.end());
  printf("{\"set\":\"%s\",\"path\":\"%s\",\"bytes\":%.0f,\"ns\":%.1f,\"nsMin\":%.1f,\"nsMax\":%.1f}\n", set, path,
         bytes / kVariants, ns_per_head[kRounds / 2], ns_per_head.front(), ns_per_head.back());
  fflush(stdout);
}

}  // namespace hornet

#endif  // HORNET_BENCH_MICRO_HEADS_H_

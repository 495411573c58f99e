// Durations in buckets whose bounds grow by half an octave: 1, 1.5, 2, 3, 4, 6, 8, … So a quantile read from them is
// off by a fifth at most, from a tenth of a millisecond to a minute, and counting is a bit scan and two additions.
// Thread: as base/counter.h. Bounds: kHistogramBuckets, and the last one has no upper end.
#ifndef HORNET_BASE_HISTOGRAM_H_
#define HORNET_BASE_HISTOGRAM_H_

#include <cstdint>

#include "base/counter.h"

namespace hornet {

constexpr uint32_t kHistogramFirstBit = 5;  // the first bucket ends at 32 us
constexpr uint32_t kHistogramLastBit = 26;  // the last bound is 2^26 us, 67 s
// 32 us; then two per octave; then all that is longer.
constexpr uint32_t kHistogramBuckets = 2 * (kHistogramLastBit - kHistogramFirstBit) + 2;

// Which bucket `microseconds` belongs to: the first whose bound is not below it.
constexpr uint32_t HistogramBucket(uint64_t microseconds) {
  if (microseconds <= (uint64_t{1} << kHistogramFirstBit)) return 0;
  // Bounds belong to the bucket they end, so what counts is the number below.
  const uint64_t below = microseconds - 1;
  const uint32_t bit = 63 - static_cast<uint32_t>(__builtin_clzll(below));
  if (bit >= kHistogramLastBit) return kHistogramBuckets - 1;
  const uint32_t upper_half = static_cast<uint32_t>(below >> (bit - 1)) & 1;
  return 1 + 2 * (bit - kHistogramFirstBit) + upper_half;
}

// The bucket's upper end in microseconds, which belongs to it. Not for the last bucket.
constexpr uint64_t HistogramBound(uint32_t bucket) {
  if (bucket == 0) return uint64_t{1} << kHistogramFirstBit;
  const uint32_t bit = kHistogramFirstBit + (bucket - 1) / 2;
  return (bucket - 1) % 2 == 0 ? (uint64_t{3} << (bit - 1)) : (uint64_t{2} << bit);
}

// `Number` is Counter where durations are counted, and uint64_t where several threads' are added up.
template <class Number>
struct HistogramOf {
  Number buckets[kHistogramBuckets] = {};
  Number sum_us = {};

  void Add(uint64_t microseconds) {
    buckets[HistogramBucket(microseconds)] += 1;
    sum_us += microseconds;
  }
};

}  // namespace hornet

#endif  // HORNET_BASE_HISTOGRAM_H_

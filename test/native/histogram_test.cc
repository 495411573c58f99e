// What is counted natively: each duration falls into the first bucket that holds it, and sums lose nothing.
#include "base/histogram.h"

#include "harness.h"
#include "http/http_stats.h"

using namespace hornet;

TEST(BoundsGrowByHalfAnOctave) {
  EXPECT_EQ(HistogramBound(0), 32u);
  EXPECT_EQ(HistogramBound(1), 48u);
  EXPECT_EQ(HistogramBound(2), 64u);
  EXPECT_EQ(HistogramBound(3), 96u);
  EXPECT_EQ(HistogramBound(kHistogramBuckets - 2), uint64_t{1} << kHistogramLastBit);
  for (uint32_t i = 1; i + 1 < kHistogramBuckets; i++) EXPECT(HistogramBound(i) > HistogramBound(i - 1));
}

TEST(EachBoundBelongsToTheBucketItEnds) {
  EXPECT_EQ(HistogramBucket(0), 0u);
  for (uint32_t i = 0; i + 1 < kHistogramBuckets; i++) {
    EXPECT_EQ(HistogramBucket(HistogramBound(i)), i);
    EXPECT_EQ(HistogramBucket(HistogramBound(i) + 1), i + 1);
    EXPECT_EQ(HistogramBucket(HistogramBound(i) - 1), i);
  }
  EXPECT_EQ(HistogramBucket(UINT64_MAX), kHistogramBuckets - 1);
}

TEST(SumsOfThreadsLoseNothing) {
  static HttpStats one;
  static HttpStats two;
  static HttpTotals totals;
  one.accepted++;
  two.accepted += 2;
  one.total.Add(40);
  two.total.Add(40);
  two.total.Add(uint64_t{1} << 40);
  two.responses[kMethodUnknown][4]++;
  one.connections[static_cast<int>(ConnectionPhase::kIdle)]++;
  AddTo(&totals, one);
  AddTo(&totals, two);
  EXPECT_EQ(totals.accepted, 3u);
  EXPECT_EQ(totals.total.buckets[1], 2u);
  EXPECT_EQ(totals.total.buckets[kHistogramBuckets - 1], 1u);
  EXPECT_EQ(totals.total.sum_us, 80 + (uint64_t{1} << 40));
  EXPECT_EQ(totals.responses[kMethodUnknown][4], 1u);
  EXPECT_EQ(totals.connections[static_cast<int>(ConnectionPhase::kIdle)], 1u);
}

// The slab: what a stale id finds, what full means, and that slots are used again.
#include "base/slab.h"

#include <set>

#include "harness.h"

namespace hornet {

namespace {

struct Counted {
  Counted(SlabId own_id, int* count) : id(own_id), alive(count) { ++*alive; }
  ~Counted() { --*alive; }
  SlabId id;
  int* alive;
};

}  // namespace

TEST(AnIdFindsItsOwnAndNothingElse) {
  int alive = 0;
  Slab<Counted> slab(128);
  Counted* one = slab.Acquire(&alive);
  EXPECT(slab.Find(one->id.index, one->id.generation) == one);
  EXPECT(slab.Find(one->id.index, one->id.generation + 1) == nullptr);
  EXPECT(slab.Find(one->id.index, one->id.generation - 1) == nullptr);
  EXPECT(slab.Find(one->id.index + 1, one->id.generation) == nullptr);
  // Ids come from another thread's memory: any number must be safe to ask for.
  EXPECT(slab.Find(127, 1) == nullptr);
  EXPECT(slab.Find(UINT32_MAX, 1) == nullptr);
  slab.Release(one->id);
  EXPECT_EQ(alive, 0);
}

TEST(AStaleIdFindsNothingThoughTheSlotLivesAgain) {
  int alive = 0;
  Slab<Counted> slab(1);
  SlabId before = {};
  for (int round = 0; round < 100; ++round) {
    Counted* item = slab.Acquire(&alive);
    EXPECT_EQ(item->id.index, 0u);
    if (round > 0) EXPECT(slab.Find(before.index, before.generation) == nullptr);
    before = item->id;
    slab.Release(before);
    EXPECT(slab.Find(before.index, before.generation) == nullptr);
  }
}

TEST(AGenerationIsNeverZero) {
  // A zeroed record must name nobody.
  int alive = 0;
  Slab<Counted> slab(64);
  Counted* item = slab.Acquire(&alive);
  EXPECT(item->id.generation != 0);
  EXPECT(slab.Find(0, 0) == nullptr);
  slab.Release(item->id);
}

TEST(CapacityIsExact) {
  for (const uint32_t capacity : {1u, 63u, 64u, 65u, 200u}) {
    int alive = 0;
    Slab<Counted> slab(capacity);
    std::vector<SlabId> ids;
    std::set<uint32_t> indexes;
    while (Counted* item = slab.Acquire(&alive)) {
      ids.push_back(item->id);
      indexes.insert(item->id.index);
    }
    EXPECT_EQ(ids.size(), capacity);
    EXPECT_EQ(indexes.size(), capacity);
    EXPECT_EQ(slab.live(), capacity);
    EXPECT_EQ(alive, static_cast<int>(capacity));
    EXPECT(*indexes.rbegin() == capacity - 1);
    slab.Release(ids[capacity / 2]);
    Counted* again = slab.Acquire(&alive);
    EXPECT(again != nullptr && again->id.index == ids[capacity / 2].index);
    EXPECT(slab.Acquire(&alive) == nullptr);
    ids[capacity / 2] = again->id;
    for (const SlabId id : ids) slab.Release(id);
    EXPECT_EQ(slab.live(), 0u);
    EXPECT_EQ(alive, 0);
  }
}

TEST(ItemsStayWhereTheyAreWhenTheSlabGrows) {
  int alive = 0;
  Slab<Counted> slab(1000);
  Counted* first = slab.Acquire(&alive);
  const SlabId first_id = first->id;
  std::vector<SlabId> ids;
  for (int i = 0; i < 500; ++i) ids.push_back(slab.Acquire(&alive)->id);
  EXPECT(slab.Find(first_id.index, first_id.generation) == first);
  const size_t bytes = slab.memory_bytes();
  for (const SlabId id : ids) slab.Release(id);
  for (SlabId& id : ids) id = slab.Acquire(&alive)->id;
  EXPECT_EQ(slab.memory_bytes(), bytes);
  for (const SlabId id : ids) slab.Release(id);
  slab.Release(first_id);
}

TEST(ForEachVisitsTheLivingOnce) {
  int alive = 0;
  Slab<Counted> slab(200);
  std::vector<SlabId> ids;
  for (int i = 0; i < 130; ++i) ids.push_back(slab.Acquire(&alive)->id);
  for (int i = 0; i < 130; i += 2) slab.Release(ids[i]);
  std::multiset<uint32_t> seen;
  slab.ForEach([&](Counted* item) { seen.insert(item->id.index); });
  EXPECT_EQ(seen.size(), 65u);
  for (int i = 1; i < 130; i += 2) EXPECT_EQ(seen.count(ids[i].index), 1u);
  // A visitor may release what it is shown.
  slab.ForEach([&](Counted* item) { slab.Release(item->id); });
  EXPECT_EQ(slab.live(), 0u);
  EXPECT_EQ(alive, 0);
}

}  // namespace hornet

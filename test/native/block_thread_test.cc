// Blocks: those let go are used again, no more memory is kept than is said, and two threads may pass them to each
// other.
// Under the thread sanitizer: with the address sanitizer no block is kept.
#include "base/block.h"

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "harness.h"

namespace hornet {

namespace {

Block* Used(uint32_t bytes) {
  Block* block = Block::Make(bytes);
  std::memset(block->data(), 1, bytes);
  block->length = bytes;
  return block;
}

}  // namespace

TEST(ABlockThatWasLetGoIsUsedAgain) {
  Block::TrimPool();
  Block* first = Used(40'000);
  first->Drop();
  EXPECT_EQ(Block::pooled_bytes(), 40'000u);
  // Of the same class, and with no more room than was asked for.
  Block* second = Block::Make(60'000);
  EXPECT(second == first);
  EXPECT_EQ(second->capacity, 60'000u);
  EXPECT_EQ(second->length, 0u);
  EXPECT_EQ(Block::pooled_bytes(), 0u);
  // Another class.
  Block* third = Block::Make(70'000);
  EXPECT(third != first);
  second->Drop();
  third->Drop();
  // What a block once used stays with it, whatever it was used for last; one that held nothing counts as a page.
  EXPECT_EQ(Block::pooled_bytes(), 40'000u + 4096);
  Block::TrimPool();
  EXPECT_EQ(Block::pooled_bytes(), 0u);
}

TEST(SmallAndVeryLargeBlocksAreNotKept) {
  Block::TrimPool();
  Used(4096)->Drop();
  Used(1024 * 1024 + 1)->Drop();
  EXPECT_EQ(Block::pooled_bytes(), 0u);
  Used(1024 * 1024)->Drop();
  EXPECT_EQ(Block::pooled_bytes(), 1024u * 1024);
  Block::TrimPool();
}

TEST(NoMoreIsKeptThanTheBound) {
  Block::TrimPool();
  std::vector<Block*> blocks;
  for (int i = 0; i < 20; i++) blocks.push_back(Used(1024 * 1024));
  for (Block* block : blocks) block->Drop();
  EXPECT_EQ(Block::pooled_bytes(), Block::kPooledBytesMax);
  Block::TrimPool();
}

TEST(OneThreadMakesThemAndAnotherLetsGo) {
  Block::TrimPool();
  constexpr int kRounds = 20'000;
  std::atomic<Block*> box{nullptr};
  std::thread reader([&box] {
    for (int i = 0; i < kRounds; i++) {
      Block* block = nullptr;
      while ((block = box.exchange(nullptr, std::memory_order_acquire)) == nullptr) std::this_thread::yield();
      EXPECT_EQ(block->data()[block->length - 1], static_cast<char>(i));
      block->Drop();
    }
  });
  for (int i = 0; i < kRounds; i++) {
    Block* block = Block::Make(20'000);
    block->length = 20'000;
    block->data()[19'999] = static_cast<char>(i);
    Block* none = nullptr;
    while (!box.compare_exchange_weak(none, block, std::memory_order_release)) {
      none = nullptr;
      std::this_thread::yield();
    }
  }
  reader.join();
  EXPECT(Block::pooled_bytes() <= Block::kPooledBytesMax);
  Block::TrimPool();
}

}  // namespace hornet

// The output queue: whatever way bytes enter and leave, they leave in order and none is lost.
#include "base/out_queue.h"

#include "harness.h"

namespace hornet {

namespace {

std::string Text(size_t length, char first = 'a') {
  std::string text(length, ' ');
  for (size_t i = 0; i < length; ++i) text[i] = static_cast<char>(first + i % 23);
  return text;
}

std::string Contents(const OutQueue& queue) {
  struct iovec vector[64];
  std::string text;
  for (int i = 0, count = queue.FillVector(vector, 64); i < count; ++i) {
    text.append(static_cast<const char*>(vector[i].iov_base), vector[i].iov_len);
  }
  return text;
}

Block* BlockOf(const std::string& text) {
  Block* block = Block::Make(static_cast<uint32_t>(text.size()));
  std::memcpy(block->data(), text.data(), text.size());
  block->length = static_cast<uint32_t>(text.size());
  return block;
}

// Bytes of each kind the queue knows, mixed. `borrowed` must outlive the queue or be owned by it.
std::string FillMixed(OutQueue* queue, ChunkPool* pool, const std::string& borrowed) {
  const std::string copied = Text(300, 'A');
  queue->Append(pool, copied.data(), copied.size());
  std::string wanted = copied;
  const std::string block = Text(700, '0');
  queue->AppendBlock(pool, BlockOf(block));
  wanted += block;
  queue->AppendBorrowed(pool, borrowed.data(), static_cast<uint32_t>(borrowed.size()));
  wanted += borrowed;
  char* tail = queue->Tail(pool, 10);
  std::memcpy(tail, "0123456789", 10);
  queue->Advance(5);
  wanted += "01234";
  queue->Append(pool, "end", 3);
  return wanted + "end";
}

}  // namespace

TEST(AnEmptyQueueHoldsNothing) {
  OutQueue queue;
  struct iovec vector[1];
  EXPECT(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
  EXPECT_EQ(queue.FillVector(vector, 1), 0);
}

TEST(SmallWritesArePackedIntoOneChunk) {
  ChunkPool pool;
  OutQueue queue;
  std::string wanted;
  for (int i = 0; i < 100; ++i) {
    queue.Append(&pool, "some bytes;", 11);
    wanted += "some bytes;";
  }
  struct iovec vector[8];
  EXPECT_EQ(queue.FillVector(vector, 8), 1);
  EXPECT(Contents(queue) == wanted);
  EXPECT_EQ(queue.bytes(), wanted.size());
  queue.Clear(&pool);
}

TEST(AppendGoesOnInTheNextChunkAtEveryLength) {
  ChunkPool pool;
  for (const size_t length : {ChunkPool::kStorageBytes - 1, ChunkPool::kStorageBytes, ChunkPool::kStorageBytes + 1,
                              3 * ChunkPool::kStorageBytes}) {
    OutQueue queue;
    const std::string text = Text(length);
    queue.Append(&pool, text.data(), text.size());
    queue.Append(&pool, "x", 1);
    EXPECT(Contents(queue) == text + "x");
    queue.Clear(&pool);
    EXPECT(queue.empty());
  }
}

TEST(TailGivesContiguousRoom) {
  ChunkPool pool;
  OutQueue queue;
  const std::string text = Text(ChunkPool::kStorageBytes - 10);
  queue.Append(&pool, text.data(), text.size());
  char* tail = queue.Tail(&pool, 11);  // one more than is left
  std::memcpy(tail, "hello world", 11);
  queue.Advance(11);
  EXPECT(Contents(queue) == text + "hello world");
  queue.Tail(&pool, 100);  // reserved and not used
  queue.Advance(0);
  EXPECT(Contents(queue) == text + "hello world");
  queue.Clear(&pool);
}

TEST(ConsumeTakesAnyNumberOfBytesFromTheFront) {
  ChunkPool pool;
  const std::string borrowed = Text(500, '!');
  size_t total = 0;
  for (size_t split = 0; split == 0 || split <= total; ++split) {
    OutQueue queue;
    const std::string wanted = FillMixed(&queue, &pool, borrowed);
    total = wanted.size();
    EXPECT_EQ(queue.bytes(), total);
    queue.Consume(&pool, split);
    EXPECT_EQ(queue.bytes(), total - split);
    EXPECT_EQ(queue.empty(), split == total);
    EXPECT(Contents(queue) == wanted.substr(split));
    // The queue goes on being one.
    queue.Append(&pool, "more", 4);
    EXPECT(Contents(queue) == wanted.substr(split) + "more");
    queue.Consume(&pool, queue.bytes());
    EXPECT(queue.empty());
  }
}

TEST(ConsumeByteByByteEndsEmpty) {
  ChunkPool pool;
  OutQueue queue;
  const std::string borrowed = Text(40, '!');
  const std::string wanted = FillMixed(&queue, &pool, borrowed);
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(Contents(queue)[0], wanted[i]);
    queue.Consume(&pool, 1);
  }
  EXPECT(queue.empty());
}

TEST(BorrowedBytesAreCopiedWhenOwned) {
  ChunkPool pool;
  OutQueue queue;
  std::string borrowed = Text(500, '!');
  const std::string wanted = FillMixed(&queue, &pool, borrowed);
  queue.Consume(&pool, 1100);  // into the borrowed bytes
  queue.Own();
  borrowed.assign(borrowed.size(), '?');
  borrowed.clear();
  borrowed.shrink_to_fit();
  EXPECT(Contents(queue) == wanted.substr(1100));
  queue.Own();
  EXPECT(Contents(queue) == wanted.substr(1100));
  queue.Clear(&pool);
}

TEST(SpliceMovesEverythingInOrder) {
  ChunkPool pool;
  const std::string borrowed = Text(50, '!');
  for (const bool first_empty : {false, true}) {
    for (const bool second_empty : {false, true}) {
      OutQueue first;
      OutQueue second;
      std::string wanted;
      if (!first_empty) wanted += FillMixed(&first, &pool, borrowed);
      if (!second_empty) wanted += FillMixed(&second, &pool, borrowed);
      first.Splice(&second);
      EXPECT(second.empty());
      EXPECT_EQ(first.bytes(), wanted.size());
      EXPECT(Contents(first) == wanted);
      second.Append(&pool, "again", 5);
      EXPECT(Contents(second) == "again");
      first.Append(&pool, "more", 4);
      EXPECT(Contents(first) == wanted + "more");
      first.Clear(&pool);
      second.Clear(&pool);
    }
  }
}

TEST(FillVectorStopsAtItsCapacity) {
  ChunkPool pool;
  OutQueue queue;
  const std::string text = Text(10);
  for (int i = 0; i < 5; ++i) queue.AppendBorrowed(&pool, text.data(), 10);
  struct iovec vector[3];
  EXPECT_EQ(queue.FillVector(vector, 3), 3);
  queue.Consume(&pool, 30);
  EXPECT_EQ(queue.FillVector(vector, 3), 2);
  queue.Clear(&pool);
}

TEST(ABlockIsDroppedWhenItsBytesAreGone) {
  ChunkPool pool;
  OutQueue queue;
  Block* block = BlockOf(Text(100));
  block->Hold();
  queue.AppendBlock(&pool, block);
  EXPECT_EQ(block->holds.load(), 2u);
  queue.Consume(&pool, 99);
  EXPECT_EQ(block->holds.load(), 2u);
  queue.Consume(&pool, 1);
  EXPECT_EQ(block->holds.load(), 1u);
  block->Hold();
  queue.AppendBlock(&pool, block);
  queue.Clear(&pool);
  EXPECT_EQ(block->holds.load(), 1u);
  EXPECT(Block::FromHalves(block->low(), block->high()) == block);
  block->Drop();
}

TEST(ThePoolKeepsABoundedNumberOfChunks) {
  ChunkPool pool;
  OutQueue queue;
  const std::string text = Text(ChunkPool::kStorageBytes);
  for (uint32_t i = 0; i < 2 * ChunkPool::kPoolChunksMax; ++i) queue.Append(&pool, text.data(), text.size());
  const size_t peak = pool.memory_bytes();
  queue.Clear(&pool);
  EXPECT_EQ(pool.memory_bytes(), peak / 2);
  queue.Append(&pool, "x", 1);
  EXPECT_EQ(pool.memory_bytes(), peak / 2);
  queue.Clear(&pool);
}

}  // namespace hornet

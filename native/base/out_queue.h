// Bytes on their way to a socket, in order: small writes are packed into pooled chunks, large ones are carried as
// blocks, and bytes of a ring may be borrowed until the end of a turn.
// Thread: one I/O thread. Bounds: the producer's window (see http_connection.h); the pool keeps kPoolChunksMax chunks.
#ifndef HORNET_BASE_OUT_QUEUE_H_
#define HORNET_BASE_OUT_QUEUE_H_

#include <sys/uio.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/block.h"
#include "base/check.h"

namespace hornet {

struct OutChunk {
  OutChunk* next;
  const char* data;    // first unsent byte
  uint32_t length;     // bytes unsent
  uint32_t room;       // bytes free behind them (own storage only)
  Block* block;        // held, when the bytes are a block's
  bool is_borrowed;    // the bytes belong to someone else and die with the turn

  char* storage() { return reinterpret_cast<char*>(this + 1); }
};

class ChunkPool {
 public:
  // Storage of a chunk: a page less the header and the allocator's own word.
  static constexpr uint32_t kStorageBytes = 4096 - sizeof(OutChunk) - 16;
  static constexpr uint32_t kPoolChunksMax = 256;  // 1 MiB kept per I/O thread

  ~ChunkPool() {
    while (free_ != nullptr) {
      OutChunk* chunk = free_;
      free_ = chunk->next;
      std::free(chunk);
    }
  }
  OutChunk* Acquire() {
    OutChunk* chunk = free_;
    if (chunk != nullptr) {
      free_ = chunk->next;
      pooled_--;
    } else {
      chunk = static_cast<OutChunk*>(std::malloc(sizeof(OutChunk) + kStorageBytes));
      CHECK(chunk != nullptr);
      made_++;
    }
    chunk->next = nullptr;
    chunk->data = chunk->storage();
    chunk->length = 0;
    chunk->room = kStorageBytes;
    chunk->block = nullptr;
    chunk->is_borrowed = false;
    return chunk;
  }
  void Release(OutChunk* chunk) {
    if (chunk->block != nullptr) chunk->block->Drop();
    if (pooled_ >= kPoolChunksMax) {
      std::free(chunk);
      made_--;
      return;
    }
    chunk->next = free_;
    free_ = chunk;
    pooled_++;
  }
  size_t memory_bytes() const { return static_cast<size_t>(made_) * (sizeof(OutChunk) + kStorageBytes); }

 private:
  OutChunk* free_ = nullptr;
  uint32_t pooled_ = 0;
  uint32_t made_ = 0;
};

class OutQueue {
 public:
  bool empty() const { return bytes_ == 0; }
  size_t bytes() const { return bytes_; }

  // Room for `length` contiguous bytes at the end (length <= kStorageBytes); Advance() says how many were used.
  char* Tail(ChunkPool* pool, uint32_t length) {
    if (last_ == nullptr || last_->room < length) PushChunk(pool->Acquire());
    return const_cast<char*>(last_->data) + last_->length;
  }
  void Advance(uint32_t length) {
    last_->length += length;
    last_->room -= length;
    bytes_ += length;
  }
  void Append(ChunkPool* pool, const char* data, size_t length) {
    while (length > 0) {
      if (last_ == nullptr || last_->room == 0) PushChunk(pool->Acquire());
      uint32_t part = length < last_->room ? static_cast<uint32_t>(length) : last_->room;
      std::memcpy(const_cast<char*>(last_->data) + last_->length, data, part);
      Advance(part);
      data += part;
      length -= part;
    }
  }
  // Carries the caller's hold on `block`.
  void AppendBlock(ChunkPool* pool, Block* block) {
    OutChunk* chunk = pool->Acquire();
    chunk->data = block->data();
    chunk->length = block->length;
    chunk->room = 0;
    chunk->block = block;
    PushChunk(chunk);
    bytes_ += block->length;
  }
  // `data` must stay valid until Own() or until it is consumed.
  void AppendBorrowed(ChunkPool* pool, const char* data, uint32_t length) {
    OutChunk* chunk = pool->Acquire();
    chunk->data = data;
    chunk->length = length;
    chunk->room = 0;
    chunk->is_borrowed = true;
    PushChunk(chunk);
    bytes_ += length;
  }
  // Copies what is still borrowed, so that its lender may reuse the memory.
  void Own() {
    for (OutChunk* chunk = first_; chunk != nullptr; chunk = chunk->next) {
      if (!chunk->is_borrowed) continue;
      Block* block = Block::Make(chunk->length);
      std::memcpy(block->data(), chunk->data, chunk->length);
      block->length = chunk->length;
      chunk->data = block->data();
      chunk->block = block;
      chunk->is_borrowed = false;
    }
  }
  // Moves everything of `other` behind what is here.
  void Splice(OutQueue* other) {
    if (other->first_ == nullptr) return;
    if (last_ == nullptr) {
      first_ = other->first_;
    } else {
      last_->next = other->first_;
    }
    last_ = other->last_;
    bytes_ += other->bytes_;
    other->first_ = other->last_ = nullptr;
    other->bytes_ = 0;
  }
  int FillVector(struct iovec* vector, int capacity) const {
    int count = 0;
    for (OutChunk* chunk = first_; chunk != nullptr && count < capacity; chunk = chunk->next) {
      if (chunk->length == 0) continue;
      vector[count].iov_base = const_cast<char*>(chunk->data);
      vector[count].iov_len = chunk->length;
      count++;
    }
    return count;
  }
  void Consume(ChunkPool* pool, size_t length) {
    bytes_ -= length;
    while (first_ != nullptr && length >= first_->length) {
      OutChunk* chunk = first_;
      length -= chunk->length;
      first_ = chunk->next;
      pool->Release(chunk);
    }
    if (first_ == nullptr) {
      last_ = nullptr;
      return;
    }
    first_->data += length;
    first_->length -= static_cast<uint32_t>(length);
  }
  void Clear(ChunkPool* pool) {
    while (first_ != nullptr) {
      OutChunk* chunk = first_;
      first_ = chunk->next;
      pool->Release(chunk);
    }
    last_ = nullptr;
    bytes_ = 0;
  }

 private:
  void PushChunk(OutChunk* chunk) {
    if (last_ == nullptr) {
      first_ = chunk;
    } else {
      last_->next = chunk;
    }
    last_ = chunk;
  }

  OutChunk* first_ = nullptr;
  OutChunk* last_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace hornet

#endif  // HORNET_BASE_OUT_QUEUE_H_

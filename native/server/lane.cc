#include "server/lane.h"

#include <cstring>
#include <utility>

#include "http/http_connection.h"

namespace hornet {

namespace {

// A text or body up to these sizes travels in the ring; larger ones as blocks, so that one request never fills the
// ring (a quarter of the smallest ring allowed, 64 KiB, for both together).
constexpr uint32_t kInlineTextMax = 8 * 1024;
constexpr uint32_t kInlineBodyMax = 8 * 1024;

Block* Copy(const char* data, uint32_t length) {
  Block* block = Block::Make(length);
  std::memcpy(block->data(), data, length);
  block->length = length;
  return block;
}

}  // namespace

Lane::Lane(std::shared_ptr<WorkerSlot> worker, uint32_t thread_index)
    : slot(std::move(worker)),
      control(reinterpret_cast<LaneControl*>(slot->lanes[thread_index].data)),
      requests(&control->request_tail, &control->request_head, slot->lanes[thread_index].data + kLaneRingsOffset,
               slot->request_ring_bytes),
      responses(&control->response_tail, &control->response_head,
                slot->lanes[thread_index].data + kLaneRingsOffset + slot->request_ring_bytes,
                static_cast<uint32_t>(slot->lanes[thread_index].length) - kLaneRingsOffset -
                    slot->request_ring_bytes) {}

RequestRecord* Lane::Reserve(Exchange* exchange, uint32_t body_length, char** text) {
  if (exchange->text_length > kInlineTextMax || body_length > kInlineBodyMax) return nullptr;
  uint32_t length =
      AlignRecord(static_cast<uint32_t>(sizeof(RequestRecord)) + exchange->text_length + body_length);
  auto* record = reinterpret_cast<RequestRecord*>(requests.Reserve(length));
  if (record == nullptr) return nullptr;
  HttpConnection* connection = exchange->connection;
  record->length = length;
  record->kind = kRequest;
  record->claim = kUnclaimed;
  record->flags = exchange->flags | (body_length > 0 ? static_cast<uint32_t>(kRequestBodyInline) : 0u);
  record->exchange = exchange->id.index;
  record->generation = exchange->id.generation;
  record->connection = connection->id.index;
  record->connection_generation = connection->id.generation;
  record->method = static_cast<uint32_t>(exchange->method);
  record->listener = connection->listener_index;
  record->text_length = exchange->text_length;
  record->target_length = exchange->target_length;
  record->header_count = exchange->header_count;
  record->body_length = body_length;
  record->reason = exchange->reason;
  record->fault = exchange->fault;
  record->bytes_read_low = static_cast<uint32_t>(exchange->bytes_read);
  record->bytes_read_high = static_cast<uint32_t>(exchange->bytes_read >> 32);
  record->sequence = exchange->sequence;
  record->reserved = 0;
  *text = reinterpret_cast<char*>(record + 1);
  return record;
}

void Lane::Adopt(uint32_t index) {
  if (index >= adopted_.size()) adopted_.resize(index + 1);
  adopted_[index] = true;
}

void Lane::CountAsTunnel(Exchange* exchange) {
  if (exchange->is_tunnel_counted) return;
  exchange->is_tunnel_counted = true;
  slot->in_flight.fetch_sub(1, std::memory_order_relaxed);
  slot->tunnels.fetch_add(1, std::memory_order_relaxed);
}

void Lane::Release(Exchange* exchange) {
  exchange_count--;
  (exchange->is_tunnel_counted ? slot->tunnels : slot->in_flight).fetch_sub(1, std::memory_order_relaxed);
  exchange->is_tunnel_counted = false;
}

void Lane::Publish(Exchange* exchange, RequestRecord* record) {
  exchange->ring_position = requests.next_position();
  exchange->lane = this;
  exchange->state = ExchangeState::kDispatched;
  unclaimed.PushBack(exchange);
  exchange_count++;
  slot->in_flight.fetch_add(1, std::memory_order_relaxed);
  requests.Publish(record->length);
  needs_wake = true;
  if (slot->requests_max != 0 && slot->requests.fetch_add(1, std::memory_order_relaxed) + 1 == slot->requests_max) {
    slot->on_spent();
  }
}

bool Lane::PushStored(Exchange* exchange) {
  Block* text = exchange->text;
  Block* body = exchange->body;
  uint32_t body_length = body == nullptr ? 0 : body->length;
  bool text_in_block = text->length > kInlineTextMax;
  bool body_in_block = body_length > kInlineBodyMax;
  exchange->text_length = text_in_block ? 0 : text->length;
  char* place;
  RequestRecord* record = Reserve(exchange, body_in_block ? 0 : body_length, &place);
  exchange->text_length = text->length;
  if (record == nullptr) return false;
  if (text_in_block) {
    record->flags |= kRequestTextBlock;
    record->text_length = text->length;
    record->text_block_low = text->low();
    record->text_block_high = text->high();
    if (exchange->is_kept) text->Hold();
  } else {
    std::memcpy(place, text->data(), text->length);
    place += text->length;
    if (!exchange->is_kept) text->Drop();
  }
  if (body_in_block) {
    record->flags |= kRequestBodyBlock;
    record->body_length = body_length;
    record->body_block_low = body->low();
    record->body_block_high = body->high();
    if (exchange->is_kept) body->Hold();
  } else if (body != nullptr) {
    std::memcpy(place, body->data(), body_length);
    if (!exchange->is_kept) body->Drop();
  }
  if (!exchange->is_kept) exchange->text = exchange->body = nullptr;
  Publish(exchange, record);
  return true;
}

bool Lane::PushChunk(Exchange* exchange, const char* data, uint32_t length, uint32_t flags) {
  if (length > kInlineBodyMax) {
    Block* block = Copy(data, length);
    if (PushChunkBlock(exchange, block, flags)) return true;
    block->Drop();
    return false;
  }
  uint32_t total = AlignRecord(static_cast<uint32_t>(sizeof(ChunkRecord)) + length);
  auto* record = reinterpret_cast<ChunkRecord*>(requests.Reserve(total));
  if (record == nullptr) return false;
  *record = ChunkRecord{total,  kBodyChunk, exchange->id.index, exchange->id.generation, flags,
                        length, 0,          0,                  0,                       0};
  if (length > 0) std::memcpy(record + 1, data, length);
  requests.Publish(total);
  needs_wake = true;
  return true;
}

bool Lane::PushChunkBlock(Exchange* exchange, Block* block, uint32_t flags) {
  uint32_t total = sizeof(ChunkRecord);
  auto* record = reinterpret_cast<ChunkRecord*>(requests.Reserve(total));
  if (record == nullptr) return false;
  *record = ChunkRecord{total,         kBodyChunk,   exchange->id.index, exchange->id.generation, flags | kChunkBlock,
                        block->length, block->low(), block->high(),      0,                       0};
  requests.Publish(total);
  needs_wake = true;
  return true;
}

void Lane::PushSignal(uint32_t kind, SlabId id, uint32_t value) {
  signals_.push_back(SignalRecord{sizeof(SignalRecord), kind, id.index, id.generation, value, 0});
  RetrySignals();
}

void Lane::RetrySignals() {
  while (!signals_.empty()) {
    auto* record = reinterpret_cast<SignalRecord*>(requests.Reserve(sizeof(SignalRecord)));
    if (record == nullptr) return;
    *record = signals_.front();
    signals_.pop_front();
    requests.Publish(sizeof(SignalRecord));
    needs_wake = true;
  }
}

bool Lane::IsStarted(Exchange* exchange) {
  if (requests.IsConsumed(exchange->ring_position)) return true;
  auto* record = reinterpret_cast<RequestRecord*>(requests.At(exchange->ring_position));
  return LoadAcquire(&record->claim) == kClaimed;
}

void Lane::Mark(uint64_t now_ms) {
  progress_mark = LoadAcquire(&control->request_head);
  progressed_ms = now_ms;
}

void Lane::Look(uint64_t now_ms, uint64_t now_us) {
  const uint32_t head = LoadAcquire(&control->request_head);
  bool has_moved = head != progress_mark;
  progress_mark = head;
  while (Exchange* exchange = unclaimed.front()) {
    if (!IsStarted(exchange)) break;
    exchange->link.Unlink();
    claimed.PushBack(exchange);
    exchange->is_claimed = true;
    claimed_count++;
    begun_total++;
    // Said again, and exactly, with the answer; but a worker that dies gives none.
    if (exchange->claimed_us == 0) exchange->claimed_us = now_us;
    has_moved = true;
  }
  // It has read all there is and waits for events: there is nothing it could make progress with.
  const bool is_done = head == control->request_tail && !is_worker_awake();
  if (!has_moved && !is_done) return;
  is_stalled = false;
  progressed_ms = now_ms;
}

bool Lane::TakeBack(Exchange* exchange) {
  if (exchange->is_claimed || requests.IsConsumed(exchange->ring_position)) return false;
  auto* record = reinterpret_cast<RequestRecord*>(requests.At(exchange->ring_position));
  if (!CompareExchange(&record->claim, kUnclaimed, kTakenBack)) return false;
  if (exchange->is_kept) {
    if ((record->flags & kRequestTextBlock) != 0) {
      Block::FromHalves(record->text_block_low, record->text_block_high)->Drop();
    }
    if ((record->flags & kRequestBodyBlock) != 0) {
      Block::FromHalves(record->body_block_low, record->body_block_high)->Drop();
    }
    return true;
  }
  const char* rest = reinterpret_cast<const char*>(record + 1);
  if ((record->flags & kRequestTextBlock) != 0) {
    exchange->text = Block::FromHalves(record->text_block_low, record->text_block_high);
  } else {
    exchange->text = Copy(rest, record->text_length);
    rest += record->text_length;
  }
  if ((record->flags & kRequestBodyBlock) != 0) {
    exchange->body = Block::FromHalves(record->body_block_low, record->body_block_high);
  } else if (record->body_length > 0) {
    exchange->body = Copy(rest, record->body_length);
  }
  return true;
}

void Lane::DropUnread() {
  uint32_t tail = LoadAcquire(&control->request_tail);
  for (uint32_t at = LoadAcquire(&control->request_head); at != tail;) {
    auto* header = reinterpret_cast<RecordHeader*>(requests.At(at));
    if (header->kind == kBodyChunk) {
      auto* chunk = reinterpret_cast<ChunkRecord*>(header);
      if ((chunk->flags & kChunkBlock) != 0) Block::FromHalves(chunk->block_low, chunk->block_high)->Drop();
    }
    at += header->length;
  }
  DropUnreadResponses();
}

void Lane::DropUnreadResponses() {
  while (const uint8_t* at = responses.Front()) {
    if (reinterpret_cast<const RecordHeader*>(at)->kind == kRespond) {
      auto* record = reinterpret_cast<const RespondRecord*>(at);
      if ((record->flags & kRespondBodyBlock) != 0) {
        Block::FromHalves(record->body_block_low, record->body_block_high)->Drop();
      }
    } else if (reinterpret_cast<const RecordHeader*>(at)->kind == kRaw) {
      auto* chunk = reinterpret_cast<const ChunkRecord*>(at);
      if ((chunk->flags & kChunkBlock) != 0) Block::FromHalves(chunk->block_low, chunk->block_high)->Drop();
    }
    responses.Pop();
  }
}

}  // namespace hornet

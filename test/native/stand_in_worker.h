// A worker of the native server without a JavaScript engine: a thread with an event loop, that reads its lanes' request
// rings by the rules of ring/spsc_ring.h, as src/seam/inbox.ts does, and answers by the target:
//
//   /big      a response of kBigBytes, lent as a block
//   /raw      a response in pieces that it frames itself
//   /early    the same, without a look at the request's body
//   /hold     nothing
//   /destroy  the connection's end
//   others    how many body bytes came
#ifndef HORNET_TEST_NATIVE_STAND_IN_WORKER_H_
#define HORNET_TEST_NATIVE_STAND_IN_WORKER_H_

#include <uv.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/atomic.h"
#include "base/check.h"
#include "ring/records.h"
#include "ring/spsc_ring.h"
#include "server/server.h"

namespace hornet {

constexpr uint32_t kBigBytes = 1024 * 1024;

// Thread: the test's; Run() and what it calls: the worker's own. Owner: the test.
// Life: before the server starts to after it has closed: I/O threads may look at its lanes until then.
class StandInWorker {
 public:
  static constexpr uint32_t kRingBytes = 256 * 1024;
  static constexpr size_t kLaneBytes = kLaneRingsOffset + 2 * kRingBytes;

  StandInWorker(Server* server, uint8_t* io_control, uint32_t id) : server_(server), io_control_(io_control) {
    slot_ = std::make_shared<WorkerSlot>();
    slot_->id = id;
    slot_->in_flight_max = 100;
    slot_->request_ring_bytes = kRingBytes;
    for (uint32_t i = 0; i < server->io_threads(); i++) {
      auto* memory = static_cast<uint8_t*>(std::aligned_alloc(128, kLaneBytes));
      std::memset(memory, 0, kLaneBytes);
      slot_->lanes.push_back({memory, kLaneBytes});
      lanes_.push_back(std::make_unique<End>(memory));
    }
    CHECK(uv_loop_init(&loop_) == 0);
    CHECK(uv_async_init(&loop_, &async_, [](uv_async_t* async) { Of(async)->Pump(); }) == 0);
    CHECK(uv_async_init(&loop_, &stop_, [](uv_async_t* async) { Of(async)->Close(); }) == 0);
    async_.data = stop_.data = this;
    slot_->waker.Attach(&async_);
    server->AddWorker(slot_);
    server->ReadyWorker(id);
    thread_ = std::thread([this] {
      Pump();
      uv_run(&loop_, UV_RUN_DEFAULT);
      CHECK(uv_loop_close(&loop_) == 0);
    });
  }

  ~StandInWorker() {
    Stop();
    for (const WorkerSlot::LaneMemory& lane : slot_->lanes) std::free(lane.data);
  }

  // As a worker that dies: what is in its rings stays there.
  void Stop() {
    if (!thread_.joinable()) return;
    uv_async_send(&stop_);
    thread_.join();
  }

  // It reads nothing until it is told to go on.
  void SetBlocked(bool is_blocked) {
    is_blocked_.store(is_blocked);
    if (!is_blocked) uv_async_send(&async_);
  }

  uint32_t id() const { return slot_->id; }

 private:
  // The worker's end of one lane.
  struct End {
    explicit End(uint8_t* memory)
        : control(reinterpret_cast<LaneControl*>(memory)),
          requests(&control->request_tail, &control->request_head, memory + kLaneRingsOffset, kRingBytes),
          responses(&control->response_tail, &control->response_head, memory + kLaneRingsOffset + kRingBytes,
                    kRingBytes) {}
    LaneControl* control;
    RingConsumer requests;
    RingProducer responses;
  };
  struct Streamed {
    std::string target;
    uint64_t bytes = 0;
  };

  static StandInWorker* Of(uv_async_t* async) { return static_cast<StandInWorker*>(async->data); }

  void Close() {
    slot_->waker.Detach();
    uv_close(reinterpret_cast<uv_handle_t*>(&async_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&stop_), nullptr);
  }

  void Pump() {
    if (is_blocked_.load()) return;
    for (uint32_t i = 0; i < lanes_.size(); i++) Drain(lanes_[i].get(), i);
  }

  void Drain(End* end, uint32_t io_thread) {
    uint32_t* asleep = &end->control->worker_asleep;
    StoreSeqCst(asleep, 0);
    for (;;) {
      while (const uint8_t* at = end->requests.Front()) {
        HandleRecord(end, io_thread, at);
        end->requests.Pop();
        end->requests.Release();
      }
      StoreSeqCst(asleep, 1);
      if (!end->requests.HasMore()) break;
      StoreSeqCst(asleep, 0);
    }
    auto* control = reinterpret_cast<IoControl*>(io_control_ + static_cast<size_t>(io_thread) * kIoControlStride);
    if (LoadSeqCst(&control->asleep) != 0 && CompareExchange(&control->asleep, 1, 0)) server_->Wake(io_thread);
  }

  void HandleRecord(End* end, uint32_t io_thread, const uint8_t* at) {
    switch (reinterpret_cast<const RecordHeader*>(at)->kind) {
      case kRequest: {
        // Its claim is a word that both sides change.
        auto* record = const_cast<RequestRecord*>(reinterpret_cast<const RequestRecord*>(at));
        if (CompareExchange(&record->claim, kUnclaimed, kClaimed)) HandleRequest(end, io_thread, *record);
        return;
      }
      case kBodyChunk: {
        const auto* record = reinterpret_cast<const ChunkRecord*>(at);
        HandleChunk(end, io_thread, *record);
        if ((record->flags & kChunkBlock) != 0) Block::FromHalves(record->block_low, record->block_high)->Drop();
        return;
      }
      case kAbort: {
        const auto* record = reinterpret_cast<const SignalRecord*>(at);
        streamed_.erase(Key(io_thread, record->exchange, record->generation));
        return;
      }
      default: return;
    }
  }

  void HandleRequest(End* end, uint32_t io_thread, const RequestRecord& record) {
    const bool is_text_block = (record.flags & kRequestTextBlock) != 0;
    const bool is_body_block = (record.flags & kRequestBodyBlock) != 0;
    Block* text = is_text_block ? Block::FromHalves(record.text_block_low, record.text_block_high) : nullptr;
    const char* bytes = is_text_block ? text->data() : reinterpret_cast<const char*>(&record + 1);
    const std::string target(bytes, record.target_length);
    if (is_text_block) text->Drop();
    if (is_body_block) Block::FromHalves(record.body_block_low, record.body_block_high)->Drop();
    if ((record.flags & kRequestBodyStreamed) != 0) {
      if (target != "/early") streamed_[Key(io_thread, record.exchange, record.generation)] = {target, 0};
      Signal(end, kStarted, record.exchange, record.generation, 0);
      if (target == "/early") Answer(end, record.exchange, record.generation, target, 0);
      return;
    }
    Answer(end, record.exchange, record.generation, target, record.body_length);
  }

  void HandleChunk(End* end, uint32_t io_thread, const ChunkRecord& record) {
    const auto found = streamed_.find(Key(io_thread, record.exchange, record.generation));
    if (found == streamed_.end()) return;
    if ((record.flags & kChunkTrailers) == 0 && record.data_length > 0) {
      found->second.bytes += record.data_length;
      Signal(end, kConsume, record.exchange, record.generation, record.data_length);
    }
    if ((record.flags & kChunkLast) == 0) return;
    Answer(end, record.exchange, record.generation, found->second.target, found->second.bytes);
    streamed_.erase(found);
  }

  void Answer(End* end, uint32_t exchange, uint32_t generation, const std::string& target, uint64_t body_bytes) {
    if (target == "/hold") return;
    if (target == "/destroy") {
      Signal(end, kDestroy, exchange, generation, 0);
    } else if (target == "/raw" || target == "/early") {
      SendRaw(end, exchange, generation, kChunkHead, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      SendRaw(end, exchange, generation, 0, "3\r\nabc\r\n");
      SendRaw(end, exchange, generation, kChunkLast, "0\r\n\r\n");
    } else {
      Block* block = nullptr;
      if (target == "/big") {
        block = Block::Make(kBigBytes);
        block->length = kBigBytes;
        std::memset(block->data(), 'b', kBigBytes);
      }
      Respond(end, exchange, generation, std::to_string(body_bytes), block);
    }
  }

  void Respond(End* end, uint32_t exchange, uint32_t generation, std::string_view body, Block* block) {
    static constexpr std::string_view kHead = "HTTP/1.1 200 OK\r\n";
    const auto inline_length = static_cast<uint32_t>(block == nullptr ? body.size() : 0);
    const auto head_length = static_cast<uint32_t>(kHead.size());
    const uint32_t length = AlignRecord(static_cast<uint32_t>(sizeof(RespondRecord)) + head_length + inline_length);
    auto* record = reinterpret_cast<RespondRecord*>(ReserveResponse(end, length));
    const uint32_t flags =
        kRespondDate | kRespondLength | kRespondConnection | (block != nullptr ? kRespondBodyBlock : 0u);
    *record = {length, kRespond, exchange, generation, flags, 200, head_length, 0, 0, 0, 0, 0};
    record->body_length = block != nullptr ? block->length : inline_length;
    if (block != nullptr) {
      record->body_block_low = block->low();
      record->body_block_high = block->high();
    }
    char* out = reinterpret_cast<char*>(record + 1);
    std::memcpy(out, kHead.data(), head_length);
    if (inline_length > 0) std::memcpy(out + head_length, body.data(), inline_length);
    end->responses.Publish(length);
  }

  void SendRaw(End* end, uint32_t exchange, uint32_t generation, uint32_t flags, std::string_view data) {
    const auto data_length = static_cast<uint32_t>(data.size());
    const uint32_t length = AlignRecord(static_cast<uint32_t>(sizeof(ChunkRecord)) + data_length);
    auto* record = reinterpret_cast<ChunkRecord*>(ReserveResponse(end, length));
    *record = {length, kRaw, exchange, generation, flags, data_length, 0, 0, 200, 0};
    std::memcpy(record + 1, data.data(), data_length);
    end->responses.Publish(length);
  }

  void Signal(End* end, uint32_t kind, uint32_t exchange, uint32_t generation, uint32_t value) {
    auto* record = reinterpret_cast<SignalRecord*>(ReserveResponse(end, sizeof(SignalRecord)));
    *record = {sizeof(SignalRecord), kind, exchange, generation, value, 0};
    end->responses.Publish(sizeof(SignalRecord));
  }

  // The I/O thread never waits for a worker, so a full ring is emptied soon.
  uint8_t* ReserveResponse(End* end, uint32_t length) {
    for (;;) {
      if (uint8_t* at = end->responses.Reserve(length)) return at;
      for (uint32_t i = 0; i < server_->io_threads(); i++) server_->Wake(i);
      std::this_thread::yield();
    }
  }

  static std::string Key(uint32_t io_thread, uint32_t exchange, uint32_t generation) {
    return std::to_string(io_thread) + ":" + std::to_string(exchange) + ":" + std::to_string(generation);
  }

  Server* server_;
  uint8_t* io_control_;
  std::shared_ptr<WorkerSlot> slot_;
  std::vector<std::unique_ptr<End>> lanes_;
  std::map<std::string, Streamed> streamed_;  // requests whose body is under way
  std::atomic<bool> is_blocked_{false};
  uv_loop_t loop_;
  uv_async_t async_;
  uv_async_t stop_;
  std::thread thread_;
};

}  // namespace hornet

#endif  // HORNET_TEST_NATIVE_STAND_IN_WORKER_H_

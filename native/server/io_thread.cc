#include "server/io_thread.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/atomic.h"
#include "base/check.h"

namespace hornet {

namespace {

// One read takes at most this much beyond a kept partial head.
constexpr size_t kReadBytes = 64 * 1024;

// Who waits for a disk is looked after this often.
constexpr uint64_t kFileLookMs = 50;
// Of connections, looked at for one that may be closed, and closed at most, each time that there is no room.
constexpr uint32_t kRoomLooks = 4096;
constexpr uint32_t kRoomYields = 16;
// Without an error for so long, accepting goes well again.
constexpr uint64_t kAcceptCalmMs = 1000;
// The machine's trouble does not need a line per connection.
constexpr uint64_t kLogEveryMs = 60000;

uint32_t Share(uint32_t total, uint32_t threads) { return (total + threads - 1) / threads; }

uint32_t ExchangesMax(uint32_t connections) {
  uint64_t most = static_cast<uint64_t>(connections) * (kPipelineMax + 1);
  return most < (1u << 22) ? static_cast<uint32_t>(most) : 1u << 22;
}

}  // namespace

IoThread::IoThread(uint32_t index, uint32_t thread_count, const ServerLimits& limits, IoControl* control_in,
                   SharedState* shared, std::function<void(IoEvent)> on_event)
    : HttpHost(this),
      index_(index),
      limits_(limits),
      connections_max_(Share(limits.connections_max, thread_count)),
      look_ms_(std::clamp<uint64_t>(limits.reassign_after_ms / 5, 1, kLookMsMax)),
      quiet_ms_(std::clamp<uint64_t>(limits.reassign_after_ms / 2, 1, kQuietMsMax)),
      shared_(shared),
      on_event_(std::move(on_event)),
      // Closed connections keep their slot to the end of the turn.
      connections_(connections_max_ + 1024),
      http2_connections_(connections_max_ + 1024),
      streams_(std::max(connections_max_, kStreamsMin), kFirstStream),
      exchanges_(ExchangesMax(connections_max_)) {
  control = control_in;
  sticky = limits.sticky;
  edge = limits.edge;
  // A kept partial input is at most one full read behind a partial head.
  read_buffer_bytes = limits.http.head.head_bytes_max + 2 * kReadBytes;
  read_buffer = new char[read_buffer_bytes];
  client_connections = shared->client_connections.get();
  client_rate = shared->client_rate.get();
}

IoThread::~IoThread() {
  delete[] read_buffer;
  if (body_block != nullptr) body_block->Drop();
}

int IoThread::Start() {
  int error = loop.Init();
  if (error != 0) return error;
  wheel_timer_.owner = watchdog_.owner = this;
  wheel_timer_.fire = [](void* self) { static_cast<IoThread*>(self)->HandleWheel(); };
  watchdog_.fire = [](void* self) { static_cast<IoThread*>(self)->HandleWatchdog(); };
  if (shared_->access_log != nullptr) {
    recorder_ = std::make_unique<AccessRecorder>(shared_->access_log);
    access = recorder_.get();
  }
  thread_ = std::thread([this] { Run(); });
  return 0;
}

void IoThread::Run() {
#ifdef __linux__
  char name[16];
  std::snprintf(name, sizeof(name), "hornet-io-%u", index_ % 1000);
  pthread_setname_np(pthread_self(), name);
#endif
  loop.Run();
}

void IoThread::Join() {
  if (thread_.joinable()) thread_.join();
}

void IoThread::Post(std::function<void(IoThread*)> task) {
  {
    std::lock_guard<std::mutex> lock(mail_mutex_);
    mail_.push_back(std::move(task));
  }
  loop.Wake();
}

void IoThread::HandleWake() {
  BeginEvent();
  std::vector<std::function<void(IoThread*)>> mail;
  {
    std::lock_guard<std::mutex> lock(mail_mutex_);
    mail.swap(mail_);
  }
  for (auto& task : mail) task(this);
}

// ---- the turn -------------------------------------------------------------------------------------------------------

void IoThread::HandleTurn() {
  if (is_stopping_) return;
  for (;;) {
    SetClock(loop.ReadClock());
    date = date_cache_.Get(static_cast<int64_t>(time(nullptr)));
    if (access != nullptr) UpdateWallClock();
    bool had_responses = DrainLanes();
    FlushDirty();
    // Only now: output queues may have borrowed what lies in the rings.
    if (had_responses) {
      ReleaseLanes();
    }
    for (auto& lane : lanes_) lane->RetrySignals();
    if (file_server_ != nullptr) file_server_->Run();
    if (!queue_.empty()) DispatchQueued();
    if (!backlogged_.empty()) {
      size_t kept = 0;
      for (SlabId id : backlogged_) {
        Exchange* exchange = exchanges_.Find(id.index, id.generation);
        if (exchange == nullptr || exchange->backlog == nullptr) continue;
        if (!PushBacklog(exchange)) backlogged_[kept++] = id;
      }
      backlogged_.resize(kept);
    }
    FlushDirty();
    WakeWorkers();
    PublishGauges();
    if (access != nullptr) access->Flush();
    // The order matters: say that we sleep, then look once more.
    is_asleep = true;
    StoreSeqCst(&control->asleep, 1);
    bool has_more = false;
    for (auto& lane : lanes_) has_more |= lane->responses.HasMore();
    if (!has_more) break;
    is_asleep = false;
    StoreRelease(&control->asleep, 0);
  }
  if (file_server_ != nullptr) {
    // Others first: what they sent meanwhile is read before the next pieces of files.
    if (file_server_->has_ready()) loop.Wake();
    needs_watch_ |= file_server_->has_waiting();
  }
  ArmTimers();
}

void IoThread::UpdateWallClock() {
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  wall_offset_us = wall.tv_sec * int64_t{1000000} + wall.tv_nsec / 1000 - static_cast<int64_t>(now_us);
}

bool IoThread::DrainLanes() {
  bool any = false;
  // By index: a record may end a lane's last request, but lanes are only removed by mail.
  for (size_t i = 0; i < lanes_.size(); i++) {
    Lane* lane = lanes_[i].get();
    while (const uint8_t* at = lane->responses.Front()) {
      any = true;
      HandleRecord(lane, at);
      lane->responses.Pop();
    }
  }
  return any;
}

// Gives what was read back to the workers and wakes those that wait for room (native/ring/spsc_ring.h says why both
// accesses are seq_cst).
void IoThread::ReleaseLanes() {
  for (auto& lane : lanes_) {
    lane->responses.Release();
    uint32_t* starved = &lane->control->worker_starved;
    if (LoadSeqCst(starved) != 0 && CompareExchange(starved, 1, 0)) lane->slot->waker.Wake();
  }
}

void IoThread::HandleRecord(Lane* lane, const uint8_t* at) {
  switch (reinterpret_cast<const RecordHeader*>(at)->kind) {
    case kRespond: {
      const auto* record = reinterpret_cast<const RespondRecord*>(at);
      Block* block = (record->flags & kRespondBodyBlock) != 0
                         ? Block::FromHalves(record->body_block_low, record->body_block_high)
                         : nullptr;
      Exchange* exchange = exchanges_.Find(record->exchange, record->generation);
      if (exchange == nullptr || exchange->lane != lane) {
        if (block != nullptr) block->Drop();
        return;
      }
      NoteAnswer(exchange, record->status, record->claimed_at);
      const char* head_text = reinterpret_cast<const char*>(record + 1);
      exchange->connection->Respond(exchange, record->flags, head_text, record->head_length,
                                    head_text + record->head_length, record->body_length, block);
      return;
    }
    case kRaw: {
      const auto* record = reinterpret_cast<const ChunkRecord*>(at);
      Block* block =
          (record->flags & kChunkBlock) != 0 ? Block::FromHalves(record->block_low, record->block_high) : nullptr;
      Exchange* exchange = exchanges_.Find(record->exchange, record->generation);
      if (exchange == nullptr || exchange->lane != lane) {
        if (block != nullptr) block->Drop();
        return;
      }
      if ((record->flags & kChunkHead) != 0) NoteAnswer(exchange, record->status, record->claimed_at);
      exchange->connection->SendRaw(exchange, record->flags, reinterpret_cast<const char*>(record + 1),
                                    record->data_length, block);
      return;
    }
    case kDrop:
    case kWatch: {
      const auto* record = reinterpret_cast<const SignalRecord*>(at);
      HttpConnection* connection = FindConnection(record->exchange, record->generation);
      if (record->kind == kDrop) {
        if (connection != nullptr) connection->Drop(record->value);
      } else if (connection == nullptr || connection->is_closed()) {
        lane->PushSignal(kClosed, SlabId{record->exchange, record->generation}, 0);
      } else {
        connection->watchers.push_back(lane->slot->id);
      }
      return;
    }
    case kConsume:
    case kDestroy:
    case kStarted:
    case kAdmit: {
      const auto* record = reinterpret_cast<const SignalRecord*>(at);
      Exchange* exchange = exchanges_.Find(record->exchange, record->generation);
      if (exchange == nullptr || exchange->lane != lane) return;
      if (record->kind == kConsume) {
        exchange->connection->HandleConsumed(exchange, record->value);
      } else if (record->kind == kDestroy) {
        exchange->connection->Destroy();
      } else if (record->kind == kAdmit) {
        exchange->connection->Admit(exchange);
      } else {
        exchange->is_started = true;
        if (exchange->is_tunnel) {
          lane->CountAsTunnel(exchange);
          exchange->connection->OpenTunnel(exchange);
        }
        if (exchange->backlog != nullptr) PushBacklog(exchange);
      }
      return;
    }
    default:
      CHECK(!"a record kind that workers do not send");
  }
}

// What the worker says of the request with the first record that answers it.
void IoThread::NoteAnswer(Exchange* exchange, uint32_t status, uint32_t claimed_at) {
  if (exchange->response_started) return;
  exchange->status = static_cast<uint16_t>(status);
  // Its clock is ours, but it may have read it after we did.
  uint64_t claimed = now_us - static_cast<int32_t>(static_cast<uint32_t>(now_us) - claimed_at);
  exchange->claimed_us = std::clamp(claimed, exchange->ready_us, std::max(exchange->ready_us, now_us));
}

void IoThread::FlushDirty() {
  do {
    while (HttpConnection* connection = dirty_.PopFront()) connection->Flush();
    // What the streams of these have written, or may go on with now.
    while (Http2Connection* connection = http2_dirty_.PopFront()) connection->Flush();
  } while (!dirty_.empty());
}

void IoThread::WakeWorkers() {
  bool any = false;
  for (auto& lane : lanes_) {
    if (!lane->needs_wake) continue;
    lane->needs_wake = false;
    if (LoadSeqCst(&lane->control->worker_asleep) != 0 && CompareExchange(&lane->control->worker_asleep, 1, 0)) {
      lane->slot->waker.Wake();
      any = true;
    }
  }
  // Where the worker has to share our processor it now answers before we sleep, and need not wake us: with one client a
  // tenth of the time of a request. Elsewhere it is the cheapest of system calls.
  if (any) sched_yield();
}

void IoThread::ArmTimers() {
  const int64_t next_ms = wheel.NextMs(now_ms);
  if (next_ms < 0) {
    loop.Stop(&wheel_timer_);
  } else {
    loop.Start(&wheel_timer_, static_cast<uint64_t>(next_ms));
  }
  if (needs_watch_ && !watchdog_.link.linked()) {
    for (auto& lane : lanes_) lane->Mark(now_ms);
    loop.Start(&watchdog_, quiet_ms_);
  }
}

void IoThread::HandleWheel() {
  BeginEvent();
  wheel.Advance(now_ms, [](TimerEntry* entry) { static_cast<SecureConnection*>(entry->owner)->HandleTimer(); });
}

// Runs while requests wait, or a worker is in the middle of a batch; requests that are merely in flight, for however
// long, need no watching.
void IoThread::HandleWatchdog() {
  BeginEvent();
  uint64_t in_rings = 0;
  uint64_t since_us = 0;
  bool any_waits = false;
  bool any_runs = false;
  for (auto& lane : lanes_) {
    lane->Look(now_ms, now_us);
    ShedOverdue(lane.get());
    Pace(lane.get());
    Exchange* oldest = lane->unclaimed.front();
    if (oldest != nullptr) {
      any_waits = true;
      in_rings += lane->waiting_count();
      if (since_us == 0 || oldest->ready_us < since_us) since_us = oldest->ready_us;
    }
    // Once stalled it stays the last choice until it moves, or the next requests would find out again, each in its
    // turn. What was taken back from it still lies in its ring: it moves as soon as it runs.
    const bool runs = lane->exchange_count > 0 && lane->is_worker_awake();
    any_runs |= runs;
    if ((runs || WaitsLong(lane.get())) && now_ms - lane->progressed_ms >= quiet_ms_) lane->is_stalled = true;
  }
  ring_gauge_.Set(in_rings);
  ring_since_us_.Set(since_us);
  for (auto& lane : lanes_) {
    if (lane->is_stalled && WaitsLong(lane.get())) MoveStalled(lane.get());
  }
  bool any_file_waits = false;
  if (file_server_ != nullptr) {
    file_server_->CheckDeadlines();
    any_file_waits = file_server_->has_waiting();
  }
  while (Exchange* exchange = queue_.front()) {
    if (!IsOverdue(exchange)) break;
    HttpConnection* connection = exchange->connection;
    Withdraw(exchange);
    stats.shed_queue_timeout++;
    connection->Fail(exchange, 503);
  }
  // What was held back from a worker just now waits, too.
  any_waits |= !queue_.empty();
  needs_watch_ = any_waits || any_runs || any_file_waits;
  // Who is in the middle of a batch with nobody waiting behind is only marked, for the dispatcher.
  if (!needs_watch_) return;
  loop.Start(&watchdog_, any_waits ? look_ms_ : any_runs ? kLookMsMax : kFileLookMs);
}

bool IoThread::WaitsLong(Lane* lane) const {
  const Exchange* oldest = lane->unclaimed.front();
  return oldest != nullptr && now_ms - oldest->waiting_ms >= limits_.reassign_after_ms;
}

bool IoThread::IsOverdue(const Exchange* exchange) const {
  return now_us - exchange->ready_us >= uint64_t{limits_.queue_timeout_ms} * 1000 && now_us > exchange->ready_us;
}

// Waiting has an end in a ring as it has in the queue.
void IoThread::ShedOverdue(Lane* lane) {
  while (Exchange* exchange = lane->unclaimed.front()) {
    if (!IsOverdue(exchange) || !lane->TakeBack(exchange)) return;
    HttpConnection* connection = exchange->connection;
    Detach(exchange);
    exchange->state = ExchangeState::kAnswering;
    stats.shed_queue_timeout++;
    left_unserved++;
    connection->Fail(exchange, 503);
  }
}

void IoThread::PublishGauges() {
  open_gauge_.Set(OpenConnections());
  in_flight_gauge_.Set(exchanges_.live());
  memory_gauge_.Set(connections_.memory_bytes() + http2_connections_.memory_bytes() + streams_.memory_bytes() +
                    exchanges_.memory_bytes() + pool.memory_bytes() + input_bytes +
                    read_buffer_bytes);
  queue_since_us_.Set(queue_.empty() ? 0 : queue_.front()->ready_us);
}

void IoThread::AddTo(IoSnapshot* sum) const {
  hornet::AddTo(&sum->http, stats);
  sum->connections_open += open_gauge_.value();
  sum->in_flight += in_flight_gauge_.value();
  sum->memory_bytes += memory_gauge_.value();
  sum->in_rings += ring_gauge_.value();
  const uint64_t now = Loop::Clock();
  for (uint64_t since_us : {ring_since_us_.value(), queue_since_us_.value()}) {
    if (since_us != 0 && now > since_us) sum->oldest_waiting_us = std::max(sum->oldest_waiting_us, now - since_us);
  }
}

// ---- HttpHost -------------------------------------------------------------------------------------------------------

Exchange* IoThread::AcquireExchange(HttpConnection* connection) { return exchanges_.Acquire(connection); }

void IoThread::ReleaseExchange(Exchange* exchange) {
  DCHECK(!exchange->link.linked());
  exchange->out.Clear(&pool);
  exchanges_.Release(exchange->id);
}

void IoThread::Dispatch(Exchange* exchange, const RequestHead& head, const char* head_bytes, const char* body,
                        uint32_t body_length) {
  exchange->text_length = MeasureText(head, request_address_length);
  exchange->waiting_ms = now_ms;
  exchange->ready_us = now_us;
  needs_watch_ = true;
  // To be run again it must not lie in the ring alone, which is written over.
  exchange->is_kept = limits_.retries_safe && IsSafe(exchange->method);
  if (queue_.empty() && !exchange->is_kept) {
    Lane* lane = ChooseLane(exchange);
    char* place;
    RequestRecord* record = lane == nullptr ? nullptr : lane->Reserve(exchange, body_length, &place);
    if (record != nullptr) {
      WriteText(head, head_bytes, request_address, request_address_length, place);
      if (body_length > 0) std::memcpy(place + exchange->text_length, body, body_length);
      lane->Publish(exchange, record);
      return;
    }
  }
  exchange->text = Block::Make(exchange->text_length);
  exchange->text->length = exchange->text_length;
  WriteText(head, head_bytes, request_address, request_address_length, exchange->text->data());
  if (body_length > 0) {
    exchange->body = Block::Make(body_length);
    exchange->body->length = body_length;
    std::memcpy(exchange->body->data(), body, body_length);
  }
  DispatchStored(exchange);
}

void IoThread::DispatchStored(Exchange* exchange) {
  exchange->waiting_ms = now_ms;
  exchange->ready_us = now_us;
  needs_watch_ = true;
  exchange->is_kept = limits_.retries_safe && IsSafe(exchange->method) && !exchange->is_streaming;
  if (queue_.empty()) {
    Lane* lane = ChooseLane(exchange);
    if (lane != nullptr && lane->PushStored(exchange)) return;
  }
  Enqueue(exchange);
}

void IoThread::DeliverBody(Exchange* exchange, const char* data, uint32_t length, uint32_t chunk_flags) {
  // Before the worker has said that it started the request, the body must stay here: another may get it.
  Lane* lane = exchange->is_started && exchange->backlog == nullptr ? exchange->lane : nullptr;
  Block* block = TakeBodyBlock(data, length);
  if (block == nullptr) {
    if (lane != nullptr && lane->PushChunk(exchange, data, length, chunk_flags)) return;
    block = Block::Make(length);
    block->length = length;
    if (length > 0) std::memcpy(block->data(), data, length);
  } else if (lane != nullptr && lane->PushChunkBlock(exchange, block, chunk_flags)) {
    return;
  }
  auto* piece = new BodyPiece{nullptr, block, chunk_flags};
  BodyPiece** end = &exchange->backlog;
  if (*end == nullptr) backlogged_.push_back(exchange->id);
  while (*end != nullptr) end = &(*end)->next;
  *end = piece;
}

bool IoThread::PushBacklog(Exchange* exchange) {
  if (!exchange->is_started || exchange->lane == nullptr) return false;
  while (BodyPiece* piece = exchange->backlog) {
    if (piece->block->length == 0) {
      if (!exchange->lane->PushChunk(exchange, nullptr, 0, piece->flags)) return false;
      piece->block->Drop();
    } else if (!exchange->lane->PushChunkBlock(exchange, piece->block, piece->flags)) {
      return false;
    }
    exchange->backlog = piece->next;
    delete piece;
  }
  if (exchange->is_end_untold) exchange->lane->PushSignal(kEnded, exchange->id, 0);
  exchange->is_end_untold = false;
  return true;
}

void IoThread::GiveCredit(Exchange* exchange, uint32_t bytes) {
  if (exchange->lane != nullptr) {
    exchange->lane->PushSignal(kCredit, exchange->id, bytes);
  } else if (exchange->transfer != nullptr) {
    file_server_->Continue(exchange);
  }
}

void IoThread::TellEnded(Exchange* exchange) {
  if (exchange->backlog != nullptr) {
    exchange->is_end_untold = true;
    return;
  }
  if (exchange->lane != nullptr) exchange->lane->PushSignal(kEnded, exchange->id, 0);
}

void IoThread::Withdraw(Exchange* exchange) {
  switch (exchange->state) {
    case ExchangeState::kQueued:
      exchange->link.Unlink();
      shared_->queued.fetch_sub(1, std::memory_order_relaxed);
      left_unserved++;
      break;
    case ExchangeState::kDispatched: {
      Lane* lane = exchange->lane;
      if (exchange->response_ended) {
        // Nothing to take back.
      } else if (exchange->must_be_seen || !lane->TakeBack(exchange)) {
        lane->PushSignal(kAbort, exchange->id, exchange->connection->abort_reason());
      } else {
        left_unserved++;
      }
      Detach(exchange);
      break;
    }
    case ExchangeState::kAnswering:
      if (exchange->transfer != nullptr) file_server_->Abandon(exchange);
      break;
    case ExchangeState::kReading:
      break;
  }
  exchange->state = ExchangeState::kAnswering;
  if (exchange->text != nullptr) exchange->text->Drop();
  if (exchange->body != nullptr) exchange->body->Drop();
  exchange->text = exchange->body = nullptr;
  while (BodyPiece* piece = exchange->backlog) {
    exchange->backlog = piece->next;
    piece->block->Drop();
    delete piece;
  }
}

void IoThread::NoteTimedOut(Exchange* exchange) {
  // Once a second: the first is an example, and the rest are counted.
  constexpr uint64_t kTimeoutLogEveryMs = 1000;
  if (timeout_logged_ms_ != 0 && now_ms - timeout_logged_ms_ < kTimeoutLogEveryMs) {
    timeouts_untold_++;
    return;
  }
  timeout_logged_ms_ = now_ms;
  char text[320];
  Lane* lane = exchange->lane;
  const bool is_running = lane != nullptr && (exchange->is_claimed || lane->IsStarted(exchange));
  int length = std::snprintf(text, sizeof(text), "request timed out after %.1f s (--request-timeout): %s %.*s, ",
                             static_cast<double>(now_us - exchange->begun_us) / 1e6,
                             kMethodNames[static_cast<uint32_t>(exchange->method)], exchange->target_note_length,
                             exchange->target_note);
  IoEvent event{IoEvent::Type::kLog};
  event.message.assign(text, static_cast<size_t>(length));
  if (is_running) {
    event.message += "in worker " + std::to_string(lane->slot->id);
  } else {
    event.message += exchange->state == ExchangeState::kReading ? "while its body came in" : "not begun";
  }
  if (timeouts_untold_ > 0) event.message += " (and " + std::to_string(timeouts_untold_) + " before)";
  timeouts_untold_ = 0;
  on_event_(event);
}

void IoThread::MarkDirty(HttpConnection* connection) {
  if (!connection->dirty_link.linked()) dirty_.PushBack(connection);
}

void IoThread::HandleConnectionClosed(HttpConnection* connection) {
  if (connection->options().offers_connections) {
    // Whoever was offered it counts on hearing of its end.
    for (auto& lane : lanes_) {
      if (lane->Serves(connection->listener_index)) lane->PushSignal(kClosed, connection->id, 0);
    }
    return;
  }
  for (uint32_t worker_id : connection->watchers) {
    Lane* lane = FindLane(worker_id);
    if (lane != nullptr) lane->PushSignal(kClosed, connection->id, 0);
  }
}

void IoThread::ReleaseConnection(HttpConnection* connection) {
  if (connection->id.index >= kFirstStream) {
    streams_.Release(connection->id);
    return;
  }
  connections_.Release(connection->id);
  HandleRoom();
}

void IoThread::BeginHttp2(HttpConnection* connection, const char* data, size_t length) {
  Http2Connection* next = http2_connections_.Acquire(static_cast<HttpHost*>(this), static_cast<Http2Host*>(this),
                                                     connection->listener_index, &connection->options());
  CHECK(next != nullptr);
  next->Begin(connection, data, length);
}

HttpConnection* IoThread::OpenStream(uint32_t listener_index, const ListenerOptions* options) {
  return streams_.Acquire(static_cast<HttpHost*>(this), listener_index, options);
}

void IoThread::MarkDirty(Http2Connection* connection) {
  if (!connection->dirty_link.linked()) http2_dirty_.PushBack(connection);
}

void IoThread::ReleaseHttp2(Http2Connection* connection) {
  http2_connections_.Release(connection->id);
  HandleRoom();
}

// A connection has been released.
void IoThread::HandleRoom() {
  // After the turn's own work: the next turn may be long in coming.
  open_gauge_.Set(OpenConnections());
  if (accepts_paused_ && OpenConnections() < connections_max_) {
    accepts_paused_ = false;
    for (Acceptor* acceptor : acceptors_) acceptor->Resume();
  }
  CheckDrained();
}

bool IoThread::IsReady() const {
  return !is_draining && shared_->is_ready.load(std::memory_order_relaxed);
}

bool IoThread::HasRoom(bool one_waits) {
  if (OpenConnections() < connections_max_) return true;
  if (!one_waits) return false;
  BeginEvent();
  if (!accepts_paused_) stats.accept_pauses++;
  accepts_paused_ = true;
  MakeRoom();
  return false;
}

// Closes some connections that carry nothing; ReleaseConnection() then lets others in. Those that have been silent for
// longest are not looked for among all: a hand goes round, and finds each once in a while.
void IoThread::MakeRoom() {
  uint32_t yielded = 0;
  uint32_t looks = std::min(connections_.slots(), kRoomLooks);
  for (; looks > 0 && yielded < kRoomYields; looks--) {
    if (++room_hand_ >= connections_.slots()) room_hand_ = 0;
    HttpConnection* connection = connections_.Peek(room_hand_);
    if (connection != nullptr && !connection->is_closed() && connection->Yield()) yielded++;
  }
  looks = std::min(http2_connections_.slots(), kRoomLooks);
  for (; looks > 0 && yielded < kRoomYields; looks--) {
    if (++http2_room_hand_ >= http2_connections_.slots()) http2_room_hand_ = 0;
    Http2Connection* connection = http2_connections_.Peek(http2_room_hand_);
    if (connection != nullptr && connection->Yield()) yielded++;
  }
  stats.closed_for_room += yielded;
  if (yielded > 0 || (full_logged_ms_ != 0 && now_ms - full_logged_ms_ < kLogEveryMs)) return;
  full_logged_ms_ = now_ms;
  Log("all " + std::to_string(connections_max_) + " connections are in use (--max-connections): more have to wait");
}

void IoThread::HandleAccepted(Acceptor* acceptor, int fd, const SocketAddress& peer) {
  BeginEvent();
  if (accept_failed_ms_ != 0 && now_ms - accept_failed_ms_ >= kAcceptCalmMs) {
    if (accept_failing_ms_ != 0) {
      uint64_t seconds = (accept_failed_ms_ - accept_failing_ms_) / 1000;
      Log("connections are accepted again; for " + std::to_string(seconds) + " s some could not be");
    }
    accept_failed_ms_ = accept_failing_ms_ = 0;
  }
  HttpConnection* connection =
      connections_.Acquire(static_cast<HttpHost*>(this), acceptor->listener_index(),
                           OptionsOf(acceptor->listener_index()));
  CHECK(connection != nullptr);
  int error = connection->Open(&loop, fd);
  if (error != 0) {
    connections_.Release(connection->id);
    HandleAcceptError(-error);
    return;
  }
  stats.accepted++;
  if (!acceptor->is_tcp()) {
    connection->Start(nullptr, nullptr);
    return;
  }
  SocketAddress own;
  const SocketAddress* local = acceptor->local();
  if (local == nullptr) {
    SocketAddress::OfSocket(fd, &own);
    local = &own;
  }
  connection->Start(&peer, local);
}

void IoThread::HandleAcceptError(int error) {
  BeginEvent();
  stats.accept_errors++;
  accept_failed_ms_ = now_ms;
  if (accept_failing_ms_ != 0) return;
  accept_failing_ms_ = now_ms;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): only numbers that the kernel does not give share a buffer
  Log(std::string("cannot accept connections: ") + std::strerror(error) + "; trying again");
}

void IoThread::Log(std::string message) {
  IoEvent event{IoEvent::Type::kLog};
  event.message = std::move(message);
  on_event_(std::move(event));
}

// ---- the dispatcher -------------------------------------------------------------------------------------------------

Lane* IoThread::ChooseLane(const Exchange* exchange) {
  if (exchange->sticky_key != 0) return ChooseStickyLane(exchange);
  Lane* best = nullptr;
  uint32_t best_load = UINT32_MAX;
  const uint32_t listener_index = exchange->connection->listener_index;
  for (auto& lane : lanes_) {
    if (lane->state != Lane::State::kReady || !lane->Serves(listener_index)) continue;
    uint32_t load = lane->slot->in_flight.load(std::memory_order_relaxed);
    if (load >= lane->slot->in_flight_max || lane->is_full()) continue;
    // Tunnels stay: their number is what is to be even, and not what else goes on at this moment.
    if (exchange->is_tunnel) load = lane->slot->tunnels.load(std::memory_order_relaxed) & ~(1u << 31);
    // A worker that makes no progress is the last choice, whatever its count.
    if (lane->is_stalled) load |= 1u << 31;
    if (load < best_load) {
      best_load = load;
      best = lane.get();
    }
  }
  return best;
}

// The one worker for the exchange's client; null while that one has no room or makes no progress.
Lane* IoThread::ChooseStickyLane(const Exchange* exchange) {
  const uint64_t key = exchange->sticky_key;
  const uint32_t listener_index = exchange->connection->listener_index;
  Lane* best = nullptr;
  uint32_t known_id = shared_->sticky_clients->Find(key, now_ms);
  Lane* known = known_id != 0 ? FindLane(known_id) : nullptr;
  if (known != nullptr && known->state == Lane::State::kDraining) known = nullptr;
  if (known != nullptr && known->Serves(listener_index)) {
    // Another thread may have heard first that it is ready.
    if (known->state == Lane::State::kBooting) return nullptr;
    best = known;
  } else {
    uint64_t best_weight = 0;
    for (auto& lane : lanes_) {
      if (lane->state != Lane::State::kReady || !lane->Serves(listener_index)) continue;
      uint64_t weight = StickyWeight(key, lane->slot->id);
      if (best != nullptr && weight <= best_weight) continue;
      best = lane.get();
      best_weight = weight;
    }
    // One that lives and does not serve this listener stays the client's for the others.
    if (best != nullptr && known == nullptr) shared_->sticky_clients->Assign(key, best->slot->id, now_ms);
  }
  if (best == nullptr || best->is_stalled || best->is_full()) return nullptr;
  return best->slot->in_flight.load(std::memory_order_relaxed) < best->slot->in_flight_max ? best : nullptr;
}

Lane* IoThread::FindLane(uint32_t worker_id) {
  for (auto& lane : lanes_) {
    if (lane->slot->id == worker_id) return lane.get();
  }
  return nullptr;
}

void IoThread::Enqueue(Exchange* exchange) {
  if (shared_->queued.load(std::memory_order_relaxed) >= limits_.request_queue_max &&
      shared_->queued.load(std::memory_order_relaxed) >= QueueMax()) {
    // Those that have waited for longest are the least likely to be of use to anybody.
    Exchange* shed = serves_newest_ && !queue_.empty() ? queue_.front() : exchange;
    stats.shed_queue_full++;
    left_unserved++;
    HttpConnection* connection = shed->connection;
    Withdraw(shed);
    connection->Fail(shed, 503);
    if (shed == exchange) return;
  }
  shared_->queued.fetch_add(1, std::memory_order_relaxed);
  exchange->state = ExchangeState::kQueued;
  queue_.PushBack(exchange);
}

void IoThread::DispatchQueued() {
  // Those of one listener stay in order; those of another may have workers of their own. Listeners from the 64th on
  // share a bit: theirs may wait for each other.
  uint64_t stuck = 0;
  bool any_serves_all = false;
  bool any_ready = false;
  for (auto& lane : lanes_) {
    any_serves_all |= lane->slot->serves_all;
    any_ready |= lane->state == Lane::State::kReady;
    // What it has begun since the last look makes room.
    if (lane->is_behind()) {
      lane->Look(now_ms, now_us);
      Pace(lane.get());
    }
  }
  // Only when there was no room the last time either: after a pause without workers all of them are served.
  NoteLeaving();
  serves_newest_ = had_no_room_ && now_ms < left_until_ms_ && IsLate();
  had_no_room_ = false;
  for (Exchange* exchange = serves_newest_ ? queue_.back() : queue_.front(); exchange != nullptr;) {
    Exchange* next = serves_newest_ ? queue_.Previous(exchange) : queue_.Next(exchange);
    uint64_t bit = uint64_t{1} << std::min(exchange->connection->listener_index, 63u);
    bool is_stuck = (stuck & bit) != 0 && exchange->sticky_key == 0;
    Lane* lane = is_stuck ? nullptr : ChooseLane(exchange);
    if (lane == nullptr) {
      had_no_room_ = any_ready;
      // Those of other clients have other workers.
      if (exchange->sticky_key == 0) {
        if (any_serves_all && sticky.kind == StickyRule::Kind::kOff) return;
        stuck |= bit;
      }
    } else {
      Exchange* younger = queue_.Next(exchange);
      exchange->link.Unlink();
      if (!lane->PushStored(exchange)) {
        queue_.InsertBefore(younger, exchange);
        return;
      }
      shared_->queued.fetch_sub(1, std::memory_order_relaxed);
      // Its body may have waited in the socket meanwhile.
      if (exchange->is_streaming) MarkDirty(exchange->connection);
    }
    exchange = next;
  }
}

// Takes the exchange off its lane, whatever became of it.
void IoThread::Detach(Exchange* exchange) {
  Lane* lane = exchange->lane;
  exchange->link.Unlink();
  exchange->lane = nullptr;
  if (exchange->is_claimed) {
    lane->claimed_count--;
  } else if (exchange->response_started) {
    lane->begun_total++;
  }
  lane->Release(exchange);
  if (lane->state == Lane::State::kDraining && lane->exchange_count == 0) ReportDrained(lane);
}

// Gives what a worker has not started to others that have room and make progress, the oldest first, as long as fewer
// wait there: where every worker is busy for longer than a look apart, requests must not be carried to and fro.
void IoThread::MoveStalled(Lane* lane) {
  for (Exchange* exchange = lane->unclaimed.front(); exchange != nullptr;) {
    Exchange* next = lane->unclaimed.Next(exchange);
    if (exchange->sticky_key != 0) {
      // It waits for this worker, but where waiting has an end.
      if (lane->TakeBack(exchange)) {
        Detach(exchange);
        Enqueue(exchange);
      }
      exchange = next;
      continue;
    }
    Lane* target = ChooseRefuge(exchange, lane);
    if (target == nullptr) return;
    const uint32_t ahead = target->waiting_count();
    if (ahead > 0 && ahead + 1 >= lane->waiting_count()) return;
    if (lane->TakeBack(exchange)) {
      Detach(exchange);
      exchange->waiting_ms = now_ms;
      stats.reassigned++;
      if (!target->PushStored(exchange)) Enqueue(exchange);
    }
    exchange = next;
  }
}

// Of the workers that make progress and have room, the one where the fewest wait.
Lane* IoThread::ChooseRefuge(const Exchange* exchange, const Lane* from) {
  Lane* best = nullptr;
  uint64_t best_load = UINT64_MAX;
  for (auto& lane : lanes_) {
    if (lane->state != Lane::State::kReady || lane.get() == from || lane->is_stalled) continue;
    if (!lane->Serves(exchange->connection->listener_index)) continue;
    const uint32_t in_flight = lane->slot->in_flight.load(std::memory_order_relaxed);
    if (in_flight >= lane->slot->in_flight_max || lane->is_full()) continue;
    const uint64_t load = uint64_t{lane->waiting_count()} << 32 | in_flight;
    if (load >= best_load) continue;
    best_load = load;
    best = lane.get();
  }
  return best;
}

void IoThread::ReportDrained(Lane* lane) {
  if (lane->is_drain_reported) return;
  lane->is_drain_reported = true;
  if (lane->slot->drains_left.fetch_sub(1) != 1) return;
  IoEvent event{IoEvent::Type::kWorkerDrained};
  event.worker_id = lane->slot->id;
  on_event_(event);
}

void IoThread::AddListener(uint32_t listener_index, int fd, bool is_tcp) {
  auto* acceptor = new Acceptor(listener_index, is_tcp, this);
  int error = acceptor->Start(&loop, fd);
  if (error != 0) {
    IoEvent event{IoEvent::Type::kLog};
    event.message = std::string("cannot watch a listening socket: ") + std::strerror(-error);
    on_event_(event);
    return;
  }
  acceptors_.push_back(acceptor);
}

ListenerOptions* IoThread::OptionsOf(uint32_t listener_index) {
  if (listener_index >= listener_options_.size()) listener_options_.resize(listener_index + 1);
  auto& options = listener_options_[listener_index];
  if (options == nullptr) {
    options = std::make_unique<ListenerOptions>();
    options->limits = limits_.http;
  }
  return options.get();
}

void IoThread::ConfigureListener(uint32_t listener_index, const ListenerOptions& options) {
  ListenerOptions* mine = OptionsOf(listener_index);
  *mine = options;
  // The thread's buffers are made for its own limits, and so is the memory of a slow head.
  const HeadLimits& most = limits_.http.head;
  HeadLimits* head = &mine->limits.head;
  head->fields_max = std::min(head->fields_max, most.fields_max);
  head->head_bytes_max = std::min(head->head_bytes_max, most.head_bytes_max);
}

void IoThread::CloseListener(uint32_t listener_index) {
  for (size_t i = 0; i < acceptors_.size(); i++) {
    if (acceptors_[i]->listener_index() != listener_index) continue;
    acceptors_[i]->Close();
    acceptors_.erase(acceptors_.begin() + static_cast<ptrdiff_t>(i));
    return;
  }
}

void IoThread::SetTls(std::shared_ptr<const TlsContext> context) {
  if (tls == nullptr) tls = std::make_unique<TlsHost>();
  tls->offers_http2 = context->offers_http2() && nghttp2::Find() != nullptr;
  tls->context = std::move(context);
}

void IoThread::ServeFiles(std::shared_ptr<const FileSettings> settings) {
  if (file_server_ == nullptr) {
    if (settings->mounts.empty()) return;
    auto post = [this](std::function<void()> task) { Post([task = std::move(task)](IoThread*) { task(); }); };
    file_server_ = std::make_unique<FileServer>(this, &exchanges_, &shared_->file_threads, limits_.queue_timeout_ms,
                                                std::move(post));
  }
  files = settings->mounts.empty() ? nullptr : file_server_.get();
  file_server_->Configure(std::move(settings));
}

void IoThread::AdoptListener(uint32_t worker_id, uint32_t listener_index) {
  Lane* lane = FindLane(worker_id);
  if (lane != nullptr) lane->Adopt(listener_index);
}

void IoThread::AbandonListener(uint32_t worker_id, uint32_t listener_index) {
  Lane* lane = FindLane(worker_id);
  if (lane != nullptr) lane->Abandon(listener_index);
}

void IoThread::AddWorker(std::shared_ptr<WorkerSlot> slot) {
  lanes_.push_back(std::make_unique<Lane>(std::move(slot), index_));
}

void IoThread::ReadyWorker(uint32_t worker_id) {
  Lane* lane = FindLane(worker_id);
  if (lane == nullptr || lane->state != Lane::State::kBooting) return;
  lane->state = Lane::State::kReady;
  lane->Mark(now_ms);
}

void IoThread::DrainWorker(uint32_t worker_id) {
  Lane* lane = FindLane(worker_id);
  if (lane == nullptr || lane->state == Lane::State::kDraining) return;
  lane->state = Lane::State::kDraining;
  if (lane->exchange_count == 0) ReportDrained(lane);
}

// Takes the lane out of use. Idempotent.
void IoThread::CloseLane(uint32_t worker_id, int status) {
  Lane* lane = FindLane(worker_id);
  if (lane == nullptr) return;
  // What it answered before counts.
  DrainLanes();
  FlushDirty();
  ReleaseLanes();
  uint32_t failed = 0;
  uint32_t moved = 0;
  // Nothing new may come to it, and a drain that ends now is no news any more.
  lane->state = Lane::State::kDraining;
  lane->is_drain_reported = true;
  List<Exchange, &Exchange::link> orphans;
  List<Exchange, &Exchange::link> retried;
  auto lose = [&](Exchange* exchange) {
    // Of a worker that was blocked, one of these may be what blocked it.
    if (status == 502 && MayRunAgain(exchange)) {
      exchange->was_retried = true;
      exchange->is_claimed = false;
      exchange->claimed_us = 0;
      shared_->queued.fetch_add(1, std::memory_order_relaxed);
      exchange->state = ExchangeState::kQueued;
      retried.PushBack(exchange);
      lane->slot->requests_retried.fetch_add(1);
      stats.retried++;
      return;
    }
    exchange->state = ExchangeState::kAnswering;
    failed++;
    exchange->connection->Fail(exchange, status);
  };
  while (Exchange* exchange = lane->unclaimed.front()) {
    bool is_ours = lane->TakeBack(exchange);
    Detach(exchange);
    if (is_ours) {
      // Queued, and with the age it has: the oldest leave first.
      shared_->queued.fetch_add(1, std::memory_order_relaxed);
      exchange->state = ExchangeState::kQueued;
      orphans.PushBack(exchange);
      moved++;
      continue;
    }
    // Begun, and nobody had looked since.
    lose(exchange);
  }
  while (Exchange* exchange = lane->claimed.front()) {
    Detach(exchange);
    lose(exchange);
  }
  Requeue(&orphans);
  Requeue(&retried);
  needs_watch_ = true;
  stats.failed += failed;
  lane->slot->requests_failed.fetch_add(failed);
  lane->slot->requests_moved.fetch_add(moved);
  for (size_t i = 0; i < lanes_.size(); i++) {
    if (lanes_[i].get() != lane) continue;
    fenced_.push_back(std::move(lanes_[i]));
    lanes_.erase(lanes_.begin() + static_cast<ptrdiff_t>(i));
    break;
  }
}

// Before younger ones, and in their own order.
void IoThread::Requeue(List<Exchange, &Exchange::link>* orphans) {
  while (!orphans->empty()) {
    Exchange* last = orphans->front();
    while (Exchange* next = orphans->Next(last)) last = next;
    last->link.Unlink();
    queue_.PushFront(last);
  }
}

// Nothing of an answer has left, not even an interim one, and all of the request is at hand.
bool IoThread::MayRunAgain(const Exchange* exchange) {
  return exchange->is_kept && !exchange->was_retried && !exchange->response_started && exchange->overhead_bytes == 0;
}

void IoThread::FenceWorker(uint32_t worker_id, int status) {
  CloseLane(worker_id, status);
  for (auto& lane : fenced_) {
    WorkerSlot* slot = lane->slot.get();
    if (slot->id != worker_id || slot->fences_left.fetch_sub(1) != 1) continue;
    IoEvent event{IoEvent::Type::kWorkerFenced};
    event.worker_id = worker_id;
    event.requests_failed = slot->requests_failed.exchange(0);
    event.requests_moved = slot->requests_moved.exchange(0);
    event.requests_retried = slot->requests_retried.exchange(0);
    on_event_(event);
  }
}

void IoThread::RemoveWorker(uint32_t worker_id) {
  CloseLane(worker_id, 502);
  for (size_t i = 0; i < fenced_.size(); i++) {
    std::shared_ptr<WorkerSlot> slot = fenced_[i]->slot;
    if (slot->id != worker_id) continue;
    fenced_[i]->DropUnread();
    fenced_.erase(fenced_.begin() + static_cast<ptrdiff_t>(i));
    if (slot->removals_left.fetch_sub(1) != 1) return;
    IoEvent event{IoEvent::Type::kWorkerRemoved};
    event.worker_id = slot->id;
    event.requests_failed = slot->requests_failed.load();
    event.requests_moved = slot->requests_moved.load();
    event.requests_retried = slot->requests_retried.load();
    on_event_(event);
    return;
  }
}

void IoThread::Drain(bool keep_idle) {
  if (is_draining) return;
  keeps_idle = keep_idle;
  for (Acceptor* acceptor : acceptors_) acceptor->AcceptAll();
  is_draining = true;
  for (Acceptor* acceptor : acceptors_) acceptor->Close();
  acceptors_.clear();
  connections_.ForEach([](HttpConnection* connection) {
    if (!connection->is_closed()) connection->StartDraining();
  });
  http2_connections_.ForEach([](Http2Connection* connection) { connection->StartDraining(); });
  CheckDrained();
}

void IoThread::CheckDrained() {
  if (!is_draining || is_drained_reported_ || OpenConnections() > 0) return;
  is_drained_reported_ = true;
  on_event_(IoEvent{IoEvent::Type::kDrained});
}

void IoThread::Stop() {
  is_stopping_ = is_draining = true;
  is_drained_reported_ = true;
  for (Acceptor* acceptor : acceptors_) acceptor->Close();
  acceptors_.clear();
  connections_.ForEach([](HttpConnection* connection) {
    if (!connection->is_closed()) connection->GiveUp();
  });
  streams_.ForEach([](HttpConnection* connection) {
    if (!connection->is_closed()) connection->GiveUp();
  });
  http2_connections_.ForEach([](Http2Connection* connection) { connection->GiveUp(); });
  for (auto& lane : lanes_) lane->DropUnreadResponses();
  if (access != nullptr) access->Flush();
  loop.Stop(&wheel_timer_);
  loop.Stop(&watchdog_);
  loop.Stop();
}

}  // namespace hornet

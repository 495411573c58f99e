// Overload: more requests than the workers can do. Each that waits for its turn soon waits for longer than its client
// will, and the workers, as fast as ever, answer nobody in time. Two things prevent that; neither does anything while
// the workers keep up:
//
//   - A worker that is behind is given only what it can begin soon. The rest waits in the queue, where its order can
//     still be chosen, it counts (--request-queue) and it ages (--queue-timeout).
//   - While the queue is late and clients leave it, the newest go first: their clients are still there. Those that were
//     passed over are served when the load falls, are told that they waited too long, or are dropped when their clients
//     leave; the oldest of them makes way when the queue is full. As long as nobody leaves, all have the patience to
//     wait in line, and nobody is passed over.
//
// bench/overload measures it. Without, two workers that were asked for twice as much as they could do gave half of it
// in time, and when asked for ten times as much a third.
#include <algorithm>

#include "server/io_thread.h"

namespace hornet {

namespace {

// A worker is behind when its oldest unstarted request has waited so long.
constexpr uint64_t kBehindUs = 50'000;
// It is then given ahead what it begins in so much time, and two at least, so that it never waits for us.
constexpr uint64_t kPaceMs = 10;
constexpr uint32_t kAheadMin = 2;
// The queue is late when its oldest has waited so long, or as long as a request takes where that is more.
constexpr uint64_t kLateUsMin = 100'000;
// Clients leave it when in a while one went unserved for so many that were served. It is held against the queue for
// some time: those who are passed over need not leave at once to say it again.
constexpr uint64_t kLeavingLookMs = 100;
constexpr uint64_t kLeavingHoldMs = 5000;
constexpr uint32_t kServedForOneLeft = 64;

}  // namespace

// After each look at a worker: how much it may be given from now on.
void IoThread::Pace(Lane* lane) {
  const uint64_t past_ms = now_ms - lane->paced_ms;
  const Exchange* oldest = lane->unclaimed.front();
  const bool waits_long = oldest != nullptr && now_us > oldest->ready_us + kBehindUs;
  if (past_ms >= kPaceMs) {
    const auto begun = static_cast<uint32_t>((lane->begun_total - lane->paced_total) * kPaceMs / past_ms);
    // Up at once, down slowly: one pause says little.
    lane->pace = begun > lane->pace ? begun : lane->pace - (lane->pace - begun) / 4;
    lane->paced_total = lane->begun_total;
    lane->paced_ms = now_ms;
  }
  if (!waits_long && (!lane->is_behind() || queue_.empty())) {
    lane->ahead_max = Lane::kAnyNumber;
    return;
  }
  const bool was_behind = lane->is_behind();
  // One that has been in the middle of something for all that time is given nothing: who knows for how much longer.
  const bool is_blocked = lane->is_stalled && (now_ms - lane->progressed_ms) * 1000 >= kBehindUs;
  lane->ahead_max = is_blocked ? 0 : std::max(lane->pace, kAheadMin);
  if ((!was_behind || is_blocked) && lane->state == Lane::State::kReady) HoldBack(lane);
}

// Puts what the worker has been given too much of into the queue, by age.
void IoThread::HoldBack(Lane* lane) {
  Exchange* exchange = lane->unclaimed.front();
  for (uint32_t kept = 0; kept < lane->ahead_max && exchange != nullptr; kept++) {
    exchange = lane->unclaimed.Next(exchange);
  }
  Exchange* younger = queue_.front();
  while (exchange != nullptr) {
    Exchange* next = lane->unclaimed.Next(exchange);
    if (lane->TakeBack(exchange)) {
      Detach(exchange);
      exchange->state = ExchangeState::kQueued;
      shared_->queued.fetch_add(1, std::memory_order_relaxed);
      while (younger != nullptr && younger->ready_us <= exchange->ready_us) younger = queue_.Next(younger);
      queue_.InsertBefore(younger, exchange);
    }
    exchange = next;
  }
}

// How many may wait: in the queue, and for what a worker that is behind would have been given otherwise.
uint32_t IoThread::QueueMax() const {
  uint32_t most = limits_.request_queue_max;
  for (const auto& lane : lanes_) {
    const uint32_t in_flight = lane->slot->in_flight.load(std::memory_order_relaxed);
    if (lane->is_behind() && in_flight < lane->slot->in_flight_max) most += lane->slot->in_flight_max - in_flight;
  }
  return most;
}

void IoThread::NoteLeaving() {
  if (now_ms - leaving_looked_ms_ < kLeavingLookMs) return;
  uint32_t begun = 0;
  for (const auto& lane : lanes_) begun += lane->begun_total - lane->begun_mark;
  for (const auto& lane : lanes_) lane->begun_mark = lane->begun_total;
  if (left_unserved > 0 && uint64_t{left_unserved} * kServedForOneLeft >= begun) {
    left_until_ms_ = now_ms + kLeavingHoldMs;
  }
  left_unserved = 0;
  leaving_looked_ms_ = now_ms;
}

bool IoThread::IsLate() {
  const Exchange* oldest = queue_.front();
  if (oldest == nullptr || now_us < oldest->ready_us + kLateUsMin) return false;
  uint64_t handled = 0;
  for (const Counter& bucket : stats.handler.buckets) handled += bucket.value();
  const uint64_t mean_us = handled == 0 ? 0 : stats.handler.sum_us.value() / handled;
  const uint64_t limit_us = uint64_t{limits_.queue_timeout_ms} * 1000 / 2;
  return now_us - oldest->ready_us >= std::clamp(mean_us, kLateUsMin, std::max(limit_us, kLateUsMin));
}

}  // namespace hornet

// What is in flight, for an operator who asks. Costs nothing until then; then a walk over the slots in use.
#include <algorithm>

#include "server/io_thread.h"

namespace hornet {

namespace {

bool IsRunning(Exchange* exchange) {
  return exchange->is_claimed || (exchange->lane != nullptr && exchange->lane->IsStarted(exchange));
}

}  // namespace

void IoThread::ListRequests(uint32_t listing, uint32_t count_max, uint32_t worker_id) {
  std::vector<Exchange*> found;
  // The slab keeps its chunks: after a peak most of its slots are empty.
  if (exchanges_.live() > 0) {
    exchanges_.ForEach([&](Exchange* exchange) {
      const bool is_its = exchange->lane != nullptr && exchange->lane->slot->id == worker_id;
      if (worker_id == 0 || is_its) found.push_back(exchange);
    });
  }
  IoEvent event{IoEvent::Type::kRequests};
  event.listing = listing;
  event.io_thread = index_;
  event.requests_total = static_cast<uint32_t>(found.size());
  if (found.size() > count_max) {
    auto is_older = [](Exchange* a, Exchange* b) { return a->begun_us < b->begun_us; };
    std::nth_element(found.begin(), found.begin() + count_max, found.end(), is_older);
    found.resize(count_max);
  }
  for (Exchange* exchange : found) {
    RequestNote note{exchange->id, 0, 0, exchange->method, RequestNote::State::kAnswering, {}};
    if (exchange->lane != nullptr) note.worker_id = exchange->lane->slot->id;
    if (exchange->begun_us > 0 && now_us > exchange->begun_us) note.age_ms = (now_us - exchange->begun_us) / 1000;
    note.target.assign(exchange->target_note, exchange->target_note_length);
    switch (exchange->state) {
      case ExchangeState::kReading:
        note.state = RequestNote::State::kReading;
        break;
      case ExchangeState::kQueued:
        note.state = RequestNote::State::kQueued;
        break;
      case ExchangeState::kDispatched:
        note.state = IsRunning(exchange) ? RequestNote::State::kRunning : RequestNote::State::kHanded;
        break;
      case ExchangeState::kAnswering:
        break;
    }
    event.requests.push_back(std::move(note));
  }
  on_event_(std::move(event));
}

}  // namespace hornet

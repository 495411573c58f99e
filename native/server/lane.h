// The rings between one worker and one I/O thread, and the requests that went down them.
//
// Why a request runs once, and none is lost, though it may be taken back from a worker that makes no progress:
//
// Claim:     a record is published unclaimed. The worker starts it after it has taken `claim` from kUnclaimed to
//            kClaimed; the I/O thread takes it back by taking the same word from kUnclaimed to kTakenBack. Both are
//            compare-exchanges on one word that never returns to kUnclaimed while the record lies in the ring, so one
//            of the two succeeds and the other fails: a request is the worker's or ours, never both and never nobody's.
// Reuse:     the word is written anew only when the record's place is, by this thread, which is the ring's producer,
//            and after the worker gave it back (`head`). So between our look at `head` and our exchange the place still
//            holds the record that we mean, whatever the worker does meanwhile; were it consumed already, its position
//            would say so (RingProducer::IsConsumed), and were it claimed, the exchange fails.
// Contents:  the worker writes nothing in a record but that word, so text and body are whole when we copy them, and
//            blocks named by the record are ours again: a worker takes its hold of them only after it has claimed.
// Once:      what was taken back is out of this lane's lists before it is put into another ring, under the same id. The
//            old record stays where it is; its worker skips it.
// Stale:     a worker answers by id, and an answer counts only while the exchange belongs to its lane. A worker never
//            answers what it did not claim; what it claimed is never given to another lane.
//
// test/native/ring_thread_test.cc runs this under the thread sanitizer.
#ifndef HORNET_SERVER_LANE_H_
#define HORNET_SERVER_LANE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/atomic.h"
#include "base/list.h"
#include "http/exchange.h"
#include "loop/waker.h"
#include "ring/records.h"
#include "ring/spsc_ring.h"

namespace hornet {

// One worker as the I/O threads share it.
// Thread: any; the counters are atomic. Owner: shared by the server and every lane. Life: AddWorker to the last lane's
// removal; the lane memory is kept alive by the addon at least as long.
struct WorkerSlot {
  struct LaneMemory {
    uint8_t* data;
    size_t length;  // bytes
  };
  uint32_t id = 0;
  uint32_t in_flight_max = 0;        // requests, over all I/O threads
  bool serves_all = true;            // every listener; otherwise those it was given (Lane::Adopt)
  uint32_t request_ring_bytes = 0;
  std::vector<LaneMemory> lanes;     // by I/O thread
  std::atomic<uint32_t> in_flight{0};
  // Requests it is given before `on_spent` is called, once; 0 for no end. Those that are taken back count.
  uint32_t requests_max = 0;
  std::atomic<uint32_t> requests{0};
  std::function<void()> on_spent;
  // Tunnels it has taken. They may last for days, and hold up nothing: they do not count as in flight.
  std::atomic<uint32_t> tunnels{0};
  Waker waker;                       // the worker's event loop
  // I/O threads that have yet to say that it is drained, or removed.
  std::atomic<uint32_t> drains_left{0};
  std::atomic<uint32_t> fences_left{0};
  std::atomic<uint32_t> removals_left{0};
  std::atomic<uint32_t> requests_failed{0};
  std::atomic<uint32_t> requests_moved{0};
  std::atomic<uint32_t> requests_retried{0};
};

// Thread: one I/O thread. Owner: IoThread. Life: until the worker is removed.
// Bounds: the rings; signals that found no room wait in `signals`, at most three per exchange in flight.
class Lane {
 public:
  enum class State : uint8_t { kBooting, kReady, kDraining };

  Lane(std::shared_ptr<WorkerSlot> worker, uint32_t thread_index);

  // Puts a request whose text (and body) lie in the exchange's blocks into the ring, and takes the blocks, unless they
  // are kept; false, and nothing changed, when there is no room.
  bool PushStored(Exchange* exchange);
  bool PushChunk(Exchange* exchange, const char* data, uint32_t length, uint32_t flags);
  bool PushChunkBlock(Exchange* exchange, Block* block, uint32_t flags);
  void PushSignal(uint32_t kind, SlabId id, uint32_t value);
  void RetrySignals();

  // Room for a request record whose text the caller writes in place: the hot path. Null when full or when the text is
  // too large for the ring.
  RequestRecord* Reserve(Exchange* exchange, uint32_t body_length, char** text);
  void Publish(Exchange* exchange, RequestRecord* record);

  // Takes a request back that the worker has not started: its text and body are the exchange's again.
  bool TakeBack(Exchange* exchange);
  bool IsStarted(Exchange* exchange);
  // Takes down what the worker has started since the last look, and whether anything moved.
  void Look(uint64_t now_ms, uint64_t now_us);
  // Looks begin, or begin again: nothing is known of the time before.
  void Mark(uint64_t now_ms);
  // Requests that the worker had not started at the last look, or was given since.
  uint32_t waiting_count() const { return exchange_count - claimed_count; }
  // Requests may be waiting for it for too long: it is given few more (overload.cc).
  bool is_behind() const { return ahead_max != kAnyNumber; }
  bool is_full() const { return waiting_count() >= ahead_max; }
  // It is in the middle of its records, or about to begin.
  bool is_worker_awake() const { return LoadAcquire(&control->worker_asleep) == 0; }
  // After the worker's end: lets go of the blocks in what it never read, and in what was never read of it. Not before:
  // one that is merely fenced off may yet take what it finds.
  void DropUnread();
  // The same of what it wrote and this thread will not read any more; the worker may be alive.
  void DropUnreadResponses();

  // Requests of listener `index` may go to this worker.
  void Adopt(uint32_t index);
  // They go to others from now on.
  void Abandon(uint32_t index) {
    if (index < adopted_.size()) adopted_[index] = false;
  }
  bool Serves(uint32_t index) const {
    return slot->serves_all || (index < adopted_.size() && adopted_[index]);
  }
  // A tunnel was taken: it moves from one counter to the other. Release() takes an exchange off both.
  void CountAsTunnel(Exchange* exchange);
  void Release(Exchange* exchange);

  std::shared_ptr<WorkerSlot> slot;
  LaneControl* control;
  RingProducer requests;
  RingConsumer responses;
  State state = State::kBooting;
  List<Exchange, &Exchange::link> unclaimed;  // oldest first; may hold started ones until someone looks
  List<Exchange, &Exchange::link> claimed;
  uint32_t exchange_count = 0;
  uint32_t claimed_count = 0;  // of those, the ones known to be started
  uint32_t progress_mark = 0;  // request_head at the last look
  uint64_t progressed_ms = 0;  // the last look that found anything moved
  static constexpr uint32_t kAnyNumber = UINT32_MAX;
  uint32_t ahead_max = kAnyNumber;  // requests it is given before it begins them
  uint32_t begun_total = 0;    // requests it has begun
  uint32_t begun_mark = 0;     // the same when it was last looked whether clients leave
  uint32_t pace = 0;           // how many it begins in a while
  uint32_t paced_total = 0;    // begun_total when that was taken down
  uint64_t paced_ms = 0;       // and when that was
  bool is_stalled = false;     // it makes no progress, and has something to do
  bool needs_wake = false;
  bool is_drain_reported = false;

 private:
  std::deque<SignalRecord> signals_;
  std::vector<bool> adopted_;  // by listener
};

}  // namespace hornet

#endif  // HORNET_SERVER_LANE_H_

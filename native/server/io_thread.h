// One I/O thread: an event loop of its own, the connections it accepted, the lanes to every worker, and the dispatcher
// that moves requests between them.
//
// A turn: the poll delivers socket events (requests go into the rings, answers of our own into output queues); before
// the next poll HandleTurn() drains the response rings, writes every connection that has something to say with one
// call each, wakes the workers that sleep, and only then lets this thread sleep (ring/spsc_ring.h has the proof).
#ifndef HORNET_SERVER_IO_THREAD_H_
#define HORNET_SERVER_IO_THREAD_H_

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/list.h"
#include "base/slab.h"
#include "http/exchange.h"
#include "http/http_connection.h"
#include "http/sticky_table.h"
#include "http2/http2_connection.h"
#include "loop/loop.h"
#include "net/listener.h"
#include "server/file_server.h"
#include "server/lane.h"

namespace hornet {

// Settings of the server as a whole; per-thread shares are derived where they are used.
struct ServerLimits {
  HttpLimits http;
  uint32_t connections_max = 10000;
  uint32_t client_connections_max = 0;  // of one client; 0: no limit
  uint32_t client_requests_per_second = 0;  // 0: no limit
  uint32_t client_requests_burst = 0;       // at once, after a pause
  uint32_t request_queue_max = 4096;
  uint32_t queue_timeout_ms = 10000;
  // A worker that leaves requests unstarted this long, without progress, loses them to another.
  uint32_t reassign_after_ms = 5;
  // Safe requests that ran in a worker that died are run once more.
  bool retries_safe = false;
  StickyRule sticky;
  EdgeOptions edge;
};

// What I/O threads have in common.
struct SharedState {
  std::atomic<uint32_t> queued{0};  // requests waiting for a worker, over all threads
  std::atomic<bool> is_ready{false};  // the master says that workers serve
  std::shared_ptr<AccessLog> access_log;  // set before the threads start; may be null
  std::unique_ptr<StickyTable> sticky_clients;  // the same; null without a rule
  FileThreads file_threads;
  std::unique_ptr<ClientConnections> client_connections;  // null: no limit
  std::unique_ptr<ClientRate> client_rate;
};

// A request in flight, as an operator is shown it.
struct RequestNote {
  enum class State : uint8_t { kReading, kQueued, kHanded, kRunning, kAnswering };
  SlabId id;
  uint32_t worker_id;  // 0: none
  uint64_t age_ms;
  Method method;
  State state;
  std::string target;  // at most Exchange::kTargetNoteBytes
};

struct IoEvent {
  enum class Type { kWorkerDrained, kWorkerFenced, kWorkerRemoved, kWorkerSpent, kDrained, kLog, kRequests };
  Type type;
  uint32_t worker_id = 0;
  uint32_t requests_failed = 0;
  uint32_t requests_moved = 0;
  uint32_t requests_retried = 0;
  std::string message = {};
  // kRequests: the answer of one thread to a listing.
  uint32_t listing = 0;
  uint32_t io_thread = 0;
  uint32_t requests_total = 0;
  std::vector<RequestNote> requests = {};
};

// How things stand, summed over threads.
struct IoSnapshot {
  HttpTotals http;
  uint64_t connections_open = 0;
  uint64_t in_flight = 0;
  uint64_t memory_bytes = 0;
  uint64_t in_rings = 0;          // requests given to a worker that has not started them; a few milliseconds old
  uint64_t access_lines = 0;      // of the access log: written, and lost
  uint64_t access_lines_dropped = 0;
  uint64_t oldest_waiting_us = 0; // age of the request that waits longest to be started; 0: none waits
};

class IoThread final : public HttpHost, public Http2Host, public Acceptor::Host, public Loop::Host {
 public:
  IoThread(uint32_t index, uint32_t thread_count, const ServerLimits& limits, IoControl* control,
           SharedState* shared, std::function<void(IoEvent)> on_event);
  ~IoThread();

  int Start();
  // From any thread: runs `task` on this thread, in order.
  void Post(std::function<void(IoThread*)> task);
  // From any thread.
  void Wake() { loop.Wake(); }
  // From any thread: adds what this one has counted, and how it stood at the end of its last turn.
  void AddTo(IoSnapshot* sum) const;
  // From any thread: of an open connection; null: it is none, or not under TLS.
  std::shared_ptr<const TlsSession> FindTlsSession(SlabId connection) { return tls_sessions.Find(connection); }

  // The following run on the thread itself, through Post().
  void AddListener(uint32_t listener_index, int fd, bool is_tcp);
  // For the connections that the listener has and will have.
  void ConfigureListener(uint32_t listener_index, const ListenerOptions& options);
  void CloseListener(uint32_t listener_index);
  // For connections from now on.
  void SetTls(std::shared_ptr<const TlsContext> context);
  // For requests from now on.
  void ServeFiles(std::shared_ptr<const FileSettings> settings);
  void AddWorker(std::shared_ptr<WorkerSlot> slot);
  void AdoptListener(uint32_t worker_id, uint32_t listener_index);
  void AbandonListener(uint32_t worker_id, uint32_t listener_index);
  void ReadyWorker(uint32_t worker_id);
  void DrainWorker(uint32_t worker_id);
  // Whatever the worker still does, it reaches nobody from now on: what it has started fails with `status`, what it has
  // not moves to others. Its thread may live, and its lane stays until RemoveWorker().
  void FenceWorker(uint32_t worker_id, int status);
  // Its thread is gone.
  void RemoveWorker(uint32_t worker_id);
  // kRequests follows, with the oldest `count_max` requests in flight (request_list.cc): of one worker, or all for 0.
  void ListRequests(uint32_t listing, uint32_t count_max, uint32_t worker_id);
  void Drain(bool keep_idle);
  void Stop();
  void Join();

 private:
  // HttpHost
  Exchange* AcquireExchange(HttpConnection* connection) override;
  void ReleaseExchange(Exchange* exchange) override;
  void Dispatch(Exchange* exchange, const RequestHead& head, const char* head_bytes, const char* body,
                uint32_t body_length) override;
  void DispatchStored(Exchange* exchange) override;
  void DeliverBody(Exchange* exchange, const char* data, uint32_t length, uint32_t chunk_flags) override;
  void GiveCredit(Exchange* exchange, uint32_t bytes) override;
  void TellEnded(Exchange* exchange) override;
  void Withdraw(Exchange* exchange) override;
  void NoteTimedOut(Exchange* exchange) override;
  void MarkDirty(HttpConnection* connection) override;
  void HandleConnectionClosed(HttpConnection* connection) override;
  void ReleaseConnection(HttpConnection* connection) override;
  bool IsReady() const override;
  void BeginHttp2(HttpConnection* connection, const char* data, size_t length) override;

  // Http2Host
  HttpConnection* OpenStream(uint32_t listener_index, const ListenerOptions* options) override;
  void MarkDirty(Http2Connection* connection) override;
  void ReleaseHttp2(Http2Connection* connection) override;

  // Acceptor::Host
  bool HasRoom(bool one_waits) override;
  void HandleAccepted(Acceptor* acceptor, int fd, const SocketAddress& peer) override;
  void HandleAcceptError(int error) override;

  // Loop::Host
  void HandleTurn() override;
  void HandleWake() override;

  void MakeRoom();
  void Log(std::string message);

  void Run();
  void HandleWheel();
  void HandleWatchdog();
  void StartWatchdog(uint64_t after_ms);
  void ArmTimers();
  bool DrainLanes();
  void ReleaseLanes();
  void HandleRecord(Lane* lane, const uint8_t* at);
  void NoteAnswer(Exchange* exchange, uint32_t status, uint32_t claimed_at);
  void FlushDirty();
  void WakeWorkers();
  bool PushBacklog(Exchange* exchange);

  // The dispatcher.
  Lane* ChooseLane(const Exchange* exchange);
  Lane* ChooseStickyLane(const Exchange* exchange);
  Lane* FindLane(uint32_t worker_id);
  void Enqueue(Exchange* exchange);
  void DispatchQueued();
  void Detach(Exchange* exchange);
  void MoveStalled(Lane* lane);
  // overload.cc
  void Pace(Lane* lane);
  void HoldBack(Lane* lane);
  bool IsLate();
  void NoteLeaving();
  uint32_t QueueMax() const;
  Lane* ChooseRefuge(const Exchange* exchange, const Lane* from);
  bool WaitsLong(Lane* lane) const;
  bool IsOverdue(const Exchange* exchange) const;
  void ShedOverdue(Lane* lane);
  void CloseLane(uint32_t worker_id, int status);
  void Requeue(List<Exchange, &Exchange::link>* orphans);
  static bool MayRunAgain(const Exchange* exchange);
  void ReportDrained(Lane* lane);
  void CheckDrained();
  void PublishGauges();
  void UpdateWallClock();
  ListenerOptions* OptionsOf(uint32_t listener_index);

  const uint32_t index_;
  const ServerLimits limits_;
  const uint32_t connections_max_;  // this thread's share
  // How often lanes are looked at while requests wait in them, and how long nothing may move before a worker is taken
  // to make no progress: it is the dispatcher's last choice then, whatever --reassign-after says.
  static constexpr uint64_t kLookMsMax = 5;
  static constexpr uint64_t kQuietMsMax = 2;
  const uint64_t look_ms_;
  const uint64_t quiet_ms_;
  SharedState* shared_;
  std::function<void(IoEvent)> on_event_;
  Timer wheel_timer_;
  Timer watchdog_;
  std::mutex mail_mutex_;
  std::vector<std::function<void(IoThread*)>> mail_;
  std::thread thread_;

  // Those with a socket of their own; with HTTP/2; and the streams of the latter.
  uint32_t OpenConnections() const { return connections_.live() + http2_connections_.live(); }
  HttpConnection* FindConnection(uint32_t index, uint32_t generation) {
    return index < kFirstStream ? connections_.Find(index, generation) : streams_.Find(index, generation);
  }
  void HandleRoom();

  static constexpr uint32_t kFirstStream = 1u << 30;
  static constexpr uint32_t kStreamsMin = 1024;
  Slab<HttpConnection> connections_;
  Slab<Http2Connection> http2_connections_;
  Slab<HttpConnection> streams_;
  Slab<Exchange> exchanges_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::unique_ptr<Lane>> fenced_;  // nothing is read from these, or written to them
  std::vector<Acceptor*> acceptors_;
  // By listener. Connections point to them: they stay, and stay where they are, to the end.
  std::vector<std::unique_ptr<ListenerOptions>> listener_options_;
  List<HttpConnection, &HttpConnection::dirty_link> dirty_;
  List<Http2Connection, &Http2Connection::dirty_link> http2_dirty_;
  List<Exchange, &Exchange::link> queue_;
  std::vector<SlabId> backlogged_;  // exchanges with body pieces that found no room
  DateCache date_cache_;
  std::unique_ptr<AccessRecorder> recorder_;
  std::unique_ptr<FileServer> file_server_;  // null until files are to be served
  uint64_t timeout_logged_ms_ = 0;
  uint64_t timeouts_untold_ = 0;
  bool needs_watch_ = false;  // a request was given to a worker, or queued, since the watchdog last found none
  uint64_t accept_failed_ms_ = 0;      // the last time; 0: and it has gone well since then
  uint64_t accept_failing_ms_ = 0;     // since when it does, and that was logged; 0: it was not
  uint64_t full_logged_ms_ = 0;
  uint32_t room_hand_ = 0;             // where MakeRoom() looks next
  uint32_t http2_room_hand_ = 0;       // and among these
  bool had_no_room_ = false;           // requests stayed in the queue though there are workers
  bool serves_newest_ = false;         // of the queue, and not its oldest
  uint64_t left_until_ms_ = 0;         // until then clients are taken to leave while their requests wait
  uint64_t leaving_looked_ms_ = 0;
  bool accepts_paused_ = false;        // there was no room for a connection that waits
  bool is_drained_reported_ = false;
  bool is_stopping_ = false;

  // What others may read of what only this thread knows.
  Counter open_gauge_;
  Counter in_flight_gauge_;
  Counter memory_gauge_;
  Counter ring_gauge_;
  Counter ring_since_us_;   // since when the oldest of those waits; 0: none does
  Counter queue_since_us_;  // the same of those in the queue
};

}  // namespace hornet

#endif  // HORNET_SERVER_IO_THREAD_H_

// The whole native server: listeners, I/O threads, workers. Knows nothing of JavaScript.
// Thread: the one that made it (the master's); everything that happens elsewhere comes back through `on_event`.
// Life:   constructor, Listen()*, Start(), workers come and go, Drain(), Close().
#ifndef HORNET_SERVER_SERVER_H_
#define HORNET_SERVER_SERVER_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "net/listener.h"
#include "server/io_thread.h"

namespace hornet {

// Connections in the kernel's accept queue, or queues, of one listener.
struct ListenerBacklog {
  SocketAddress address;
  bool is_known = false;  // this system tells
  uint32_t waiting = 0;
  uint32_t waiting_max = 0;
};

// One datagram to a unix socket; a name that begins with @ is in Linux's abstract namespace. 0 or a negative errno.
int SendDatagram(const std::string& path, const std::string& text);

class Server {
 public:
  // `io_control`: kIoControlStride bytes per thread, shared with the workers. `on_event` is called on any thread.
  Server(uint32_t io_threads, const ServerLimits& limits, uint8_t* io_control, std::function<void(IoEvent)> on_event);
  ~Server();

  // Before Start().
  void OpenAccessLog(AccessFormat format, int fd);
  // What health checks are told, besides what the I/O threads know.
  void SetReady(bool is_ready) { shared_.is_ready.store(is_ready, std::memory_order_relaxed); }
  // Requests for files below these folders are answered by the I/O threads, from now on.
  void ServeFiles(FileSettings settings);
  // For connections from now on.
  void SetTls(const std::shared_ptr<const TlsContext>& context) {
    PostAll([=](IoThread* thread) { thread->SetTls(context); });
  }
  // Takes `fd`, unless there is no access log.
  bool ReopenAccessLog(int fd);
  // The listener's index, or a negative errno. After Start() it accepts at once.
  int Listen(const ListenerSpec& spec, const ListenerOptions& options, SocketAddress* bound);
  // For the connections that the listener has and will have.
  void ConfigureListener(uint32_t listener_index, const ListenerOptions& options);
  // Returns when no I/O thread accepts from it any more and its address is free; open connections stay.
  void CloseListener(uint32_t listener_index);
  // Requests of the listener may go to this worker, which does not serve all of them.
  void AdoptListener(uint32_t worker_id, uint32_t listener_index);
  void AbandonListener(uint32_t worker_id, uint32_t listener_index);
  const ServerLimits& limits() const { return limits_; }
  int Start();
  void AddWorker(const std::shared_ptr<WorkerSlot>& slot);
  void ReadyWorker(uint32_t worker_id);
  void DrainWorker(uint32_t worker_id);
  // Once per worker; kWorkerFenced follows.
  void FenceWorker(uint32_t worker_id, int status);
  void RemoveWorker(uint32_t worker_id);
  // Each thread answers with a kRequests event. `worker_id` 0: of all workers, and of none.
  void ListRequests(uint32_t listing, uint32_t count_max, uint32_t worker_id) {
    PostAll([=](IoThread* thread) { thread->ListRequests(listing, count_max, worker_id); });
  }
  // Requests that each worker has in flight, by its id.
  std::map<uint32_t, uint32_t> WorkerLoads();
  // `keep_idle`: see HttpHost::keeps_idle.
  void Drain(bool keep_idle);
  // The path of an inherited unix socket is this process's to remove from now on.
  void OwnPath(uint32_t listener_index, const std::string& path);
  // The paths of unix sockets stay when this server ends: they are another process's now.
  void LeavePaths();
  // A descriptor of the listener, still owned by it; -1 when it is made of several, or closed.
  int ListenerFd(uint32_t listener_index) const;
  void Close();
  IoSnapshot Snapshot();
  std::vector<ListenerBacklog> Backlogs() const;
  uint32_t queued() const { return shared_.queued.load(std::memory_order_relaxed); }

  // From a worker's thread.
  std::shared_ptr<WorkerSlot> FindWorker(uint32_t worker_id);
  void Wake(uint32_t io_thread) { threads_[io_thread]->Wake(); }
  std::shared_ptr<const TlsSession> FindTlsSession(uint32_t io_thread, SlabId connection) {
    return threads_[io_thread]->FindTlsSession(connection);
  }
  uint32_t io_threads() const { return static_cast<uint32_t>(threads_.size()); }

 private:
  int Publish(uint32_t listener_index);
  void PostAll(const std::function<void(IoThread*)>& task);
  void HandleEvent(IoEvent event);

  const ServerLimits limits_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::vector<std::unique_ptr<ListenSocket>> listeners_;
  std::function<void(IoEvent)> on_event_;
  std::mutex workers_mutex_;
  std::map<uint32_t, std::shared_ptr<WorkerSlot>> workers_;
  SharedState shared_;
  std::atomic<uint32_t> drains_left_{0};
  bool is_started_ = false;
  bool is_closed_ = false;
};

}  // namespace hornet

#endif  // HORNET_SERVER_SERVER_H_

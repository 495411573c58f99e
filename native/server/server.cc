#include "server/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>

#include "base/check.h"

namespace hornet {

Server::Server(uint32_t io_threads, const ServerLimits& limits, uint8_t* io_control,
               std::function<void(IoEvent)> on_event)
    : limits_(limits), on_event_(std::move(on_event)), drains_left_(io_threads) {
  if (limits.sticky.kind != StickyRule::Kind::kOff) shared_.sticky_clients = std::make_unique<StickyTable>();
  if (limits.client_connections_max > 0) {
    shared_.client_connections = std::make_unique<ClientConnections>(limits.client_connections_max);
  }
  if (limits.client_requests_per_second > 0) {
    shared_.client_rate =
        std::make_unique<ClientRate>(limits.client_requests_per_second, limits.client_requests_burst);
  }
  for (uint32_t i = 0; i < io_threads; i++) {
    auto* control = reinterpret_cast<IoControl*>(io_control + size_t{i} * kIoControlStride);
    threads_.push_back(std::make_unique<IoThread>(i, io_threads, limits, control, &shared_,
                                                  [this](IoEvent event) { HandleEvent(std::move(event)); }));
  }
}

Server::~Server() { Close(); }

void Server::OpenAccessLog(AccessFormat format, int fd) {
  CHECK(!is_started_);
  shared_.access_log = std::make_shared<AccessLog>(std::move(format), fd, [this](std::string message) {
    IoEvent event{IoEvent::Type::kLog};
    event.message = std::move(message);
    HandleEvent(std::move(event));
  });
}

void Server::ServeFiles(FileSettings settings) {
  settings.Complete();
  if (!settings.mounts.empty()) shared_.file_threads.Start();
  auto shared = std::make_shared<const FileSettings>(std::move(settings));
  PostAll([shared](IoThread* thread) { thread->ServeFiles(shared); });
}

bool Server::ReopenAccessLog(int fd) {
  if (shared_.access_log == nullptr) return false;
  shared_.access_log->writer.Reopen(fd);
  return true;
}

int Server::Listen(const ListenerSpec& spec, const ListenerOptions& options, SocketAddress* bound) {
  auto listener = std::make_unique<ListenSocket>();
  int error = listener->Open(spec, static_cast<uint32_t>(threads_.size()));
  if (error != 0) return error;
  *bound = listener->address();
  auto index = static_cast<uint32_t>(listeners_.size());
  listeners_.push_back(std::move(listener));
  // Before the first connection can come.
  ConfigureListener(index, options);
  if (is_started_) error = Publish(index);
  return error != 0 ? error : static_cast<int>(index);
}

void Server::ConfigureListener(uint32_t listener_index, const ListenerOptions& options) {
  PostAll([=](IoThread* thread) { thread->ConfigureListener(listener_index, options); });
}

void Server::CloseListener(uint32_t listener_index) {
  if (listener_index >= listeners_.size() || listeners_[listener_index] == nullptr) return;
  if (is_started_ && !is_closed_) {
    // An I/O thread never blocks, so this takes the rest of its turn at most.
    std::mutex mutex;
    std::condition_variable closed;
    size_t left = threads_.size();
    PostAll([&](IoThread* thread) {
      thread->CloseListener(listener_index);
      std::lock_guard<std::mutex> lock(mutex);
      if (--left == 0) closed.notify_one();
    });
    std::unique_lock<std::mutex> lock(mutex);
    closed.wait(lock, [&] { return left == 0; });
  }
  listeners_[listener_index].reset();
}

void Server::AdoptListener(uint32_t worker_id, uint32_t listener_index) {
  PostAll([=](IoThread* thread) { thread->AdoptListener(worker_id, listener_index); });
}

void Server::AbandonListener(uint32_t worker_id, uint32_t listener_index) {
  PostAll([=](IoThread* thread) { thread->AbandonListener(worker_id, listener_index); });
}

int Server::Publish(uint32_t listener_index) {
  bool is_tcp = listeners_[listener_index]->address().family() != AF_UNIX;
  for (uint32_t i = 0; i < threads_.size(); i++) {
    int fd = listeners_[listener_index]->Duplicate(i);
    if (fd < 0) return fd;
    threads_[i]->Post([=](IoThread* thread) { thread->AddListener(listener_index, fd, is_tcp); });
  }
  return 0;
}

int Server::Start() {
  CHECK(!is_started_);
  for (auto& thread : threads_) {
    int error = thread->Start();
    if (error != 0) return error;
  }
  is_started_ = true;
  for (uint32_t i = 0; i < listeners_.size(); i++) {
    if (listeners_[i] == nullptr) continue;
    int error = Publish(i);
    if (error != 0) return error;
  }
  return 0;
}

void Server::PostAll(const std::function<void(IoThread*)>& task) {
  for (auto& thread : threads_) thread->Post(task);
}

void Server::AddWorker(const std::shared_ptr<WorkerSlot>& slot) {
  uint32_t count = static_cast<uint32_t>(threads_.size());
  slot->drains_left.store(count);
  slot->fences_left.store(count);
  slot->removals_left.store(count);
  slot->on_spent = [this, id = slot->id] {
    IoEvent event{IoEvent::Type::kWorkerSpent};
    event.worker_id = id;
    HandleEvent(std::move(event));
  };
  {
    std::lock_guard<std::mutex> lock(workers_mutex_);
    workers_[slot->id] = slot;
  }
  PostAll([slot](IoThread* thread) { thread->AddWorker(slot); });
}

void Server::ReadyWorker(uint32_t worker_id) {
  PostAll([worker_id](IoThread* thread) { thread->ReadyWorker(worker_id); });
}

void Server::DrainWorker(uint32_t worker_id) {
  PostAll([worker_id](IoThread* thread) { thread->DrainWorker(worker_id); });
}

void Server::FenceWorker(uint32_t worker_id, int status) {
  PostAll([=](IoThread* thread) { thread->FenceWorker(worker_id, status); });
}

void Server::RemoveWorker(uint32_t worker_id) {
  PostAll([worker_id](IoThread* thread) { thread->RemoveWorker(worker_id); });
}

std::shared_ptr<WorkerSlot> Server::FindWorker(uint32_t worker_id) {
  std::lock_guard<std::mutex> lock(workers_mutex_);
  auto found = workers_.find(worker_id);
  return found == workers_.end() ? nullptr : found->second;
}

std::map<uint32_t, uint32_t> Server::WorkerLoads() {
  std::lock_guard<std::mutex> lock(workers_mutex_);
  std::map<uint32_t, uint32_t> loads;
  for (auto& [id, slot] : workers_) loads[id] = slot->in_flight.load(std::memory_order_relaxed);
  return loads;
}

void Server::OwnPath(uint32_t listener_index, const std::string& path) {
  bool is_open = listener_index < listeners_.size() && listeners_[listener_index] != nullptr;
  if (is_open) listeners_[listener_index]->OwnPath(path);
}

void Server::LeavePaths() {
  for (auto& listener : listeners_) {
    if (listener != nullptr) listener->LeavePath();
  }
}

int Server::ListenerFd(uint32_t listener_index) const {
  bool is_open = listener_index < listeners_.size() && listeners_[listener_index] != nullptr;
  return is_open ? listeners_[listener_index]->OnlyFd() : -1;
}

void Server::Drain(bool keep_idle) {
  // Ours first: when the I/O threads have taken all that waits and close theirs, the address is free, and clients that
  // come later are refused instead of kept waiting for nobody.
  listeners_.clear();
  PostAll([keep_idle](IoThread* thread) { thread->Drain(keep_idle); });
}

void Server::Close() {
  if (is_closed_) return;
  is_closed_ = true;
  // They tell the I/O threads of what they have done.
  shared_.file_threads.Close();
  if (is_started_) {
    PostAll([](IoThread* thread) { thread->Stop(); });
    for (auto& thread : threads_) thread->Join();
  }
  // The process may end next.
  if (shared_.access_log != nullptr) shared_.access_log->writer.Close();
  // Unix paths are removed here.
  listeners_.clear();
}

IoSnapshot Server::Snapshot() {
  IoSnapshot sum;
  for (auto& thread : threads_) thread->AddTo(&sum);
  if (shared_.access_log != nullptr) {
    sum.access_lines = shared_.access_log->writer.written();
    sum.access_lines_dropped = shared_.access_log->writer.dropped();
  }
  return sum;
}

std::vector<ListenerBacklog> Server::Backlogs() const {
  std::vector<ListenerBacklog> backlogs;
  for (auto& listener : listeners_) {
    if (listener == nullptr) continue;  // closed
    ListenerBacklog backlog;
    backlog.address = listener->address();
    backlog.is_known = listener->ReadBacklog(&backlog.waiting, &backlog.waiting_max);
    backlogs.push_back(backlog);
  }
  return backlogs;
}

void Server::HandleEvent(IoEvent event) {
  if (event.type == IoEvent::Type::kDrained && drains_left_.fetch_sub(1) != 1) return;
  if (event.type == IoEvent::Type::kWorkerRemoved) {
    std::lock_guard<std::mutex> lock(workers_mutex_);
    workers_.erase(event.worker_id);
  }
  on_event_(std::move(event));
}

int SendDatagram(const std::string& path, const std::string& text) {
  SocketAddress address;
  int error = SocketAddress::FromUnixPath(path, &address);
  if (error != 0) return error;
  if (path[0] == '@') {
    auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
    local->sun_path[0] = '\0';
    // Here every byte counts, also a NUL at the end.
    address.length--;
  }
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (fd < 0) return -errno;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  // The manager reads them in its own time; a full queue must not hold up the server.
  ssize_t sent = sendto(fd, text.data(), text.size(), MSG_DONTWAIT,
                        reinterpret_cast<const sockaddr*>(&address.storage), address.length);
  error = sent < 0 ? -errno : 0;
  close(fd);
  return error;
}

}  // namespace hornet

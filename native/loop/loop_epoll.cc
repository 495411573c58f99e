// The loop on Linux. Why this is not libuv's is said in loop.h; everything else here is as plain as epoll allows.
#if defined(__linux__) && !defined(HORNET_LOOP_UV)

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>

#include "base/check.h"
#include "loop/loop.h"

namespace hornet {

struct Loop::System {
  int epoll_fd = -1;
  int wake_fd = -1;
  std::atomic<bool> is_woken{false};
  epoll_event events[kEventsMax];

  ~System() {
    if (wake_fd >= 0) close(wake_fd);
    if (epoll_fd >= 0) close(epoll_fd);
  }
};

Loop::Loop(Host* host) : host_(host), system_(std::make_unique<System>()) { ReadClock(); }

Loop::~Loop() = default;

int Loop::Init() {
  system_->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (system_->epoll_fd < 0) return -errno;
  system_->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (system_->wake_fd < 0) return -errno;
  // Edge by edge: each write is told once, and nobody needs to read. The counter has room for as many as there can be.
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  return epoll_ctl(system_->epoll_fd, EPOLL_CTL_ADD, system_->wake_fd, &event) == 0 ? 0 : -errno;
}

void Loop::Wake() {
  if (system_->wake_fd < 0 || system_->is_woken.exchange(true)) return;
  const uint64_t one = 1;
  ssize_t written = write(system_->wake_fd, &one, sizeof(one));
  CHECK(written == sizeof(one));
}

uint64_t Loop::Clock() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

void Loop::Run() {
  System* system = system_.get();
  host_->HandleWake();
  while (!is_stopped_) {
    const bool may_sleep = Prepare();
    int count = epoll_wait(system->epoll_fd, system->events, kEventsMax, may_sleep ? SleepMs() : 0);
    CHECK(count >= 0 || errno == EINTR);
    events_ = count > 0 ? count : 0;
    ReadClock();
    TellFailed();
    for (int i = 0; i < events_; i++) {
      auto* watch = static_cast<Watch*>(system->events[i].data.ptr);
      const uint32_t events = system->events[i].events;
      if (watch == nullptr) {
        // Before anything is looked at: who calls after this is heard of in another turn.
        system->is_woken.store(false);
        host_->HandleWake();
        continue;
      }
      // Closed in this turn: it is released before the next.
      if (watch->is_closed()) continue;
      if ((events & EPOLLERR) != 0) {
        watch->HandleFailed();
        continue;
      }
      const bool is_hung_up = (events & EPOLLHUP) != 0;
      if (is_hung_up && watch->interest_ == 0) {
        // Both sides are shut and nobody wants to know: the kernel would tell of it in every turn.
        watch->Unregister();
        continue;
      }
      if (((events & EPOLLOUT) != 0 || is_hung_up) && watch->is_writing()) watch->HandleWritable();
      if (((events & EPOLLIN) != 0 || is_hung_up) && watch->is_reading()) watch->HandleReadable();
    }
    FireTimers();
  }
  ReleaseClosed();
}

void Loop::Apply(Watch* watch) {
  if (watch->interest_ == watch->registered_) return;
  epoll_event event = {};
  event.events = (watch->is_reading() ? static_cast<uint32_t>(EPOLLIN) : 0u) |
                 (watch->is_writing() ? static_cast<uint32_t>(EPOLLOUT) : 0u);
  event.data.ptr = watch;
  const int operation = watch->registered_ == Watch::kUnknown ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (epoll_ctl(system_->epoll_fd, operation, watch->fd_, &event) == 0) {
    watch->registered_ = watch->interest_;
  } else {
    // Out of memory, or of what a user may watch.
    failed_.PushBack(watch);
  }
}

int Watch::Register() {
  registered_ = kUnknown;
  return 0;
}

// Also before its descriptor is closed: a child that another thread starts right now holds it open until it executes
// its program, and the kernel would go on to tell of it.
void Watch::Unregister() {
  if (registered_ == kUnknown) return;
  registered_ = kUnknown;
  epoll_event none = {};
  epoll_ctl(loop_->system_->epoll_fd, EPOLL_CTL_DEL, fd_, &none);
}

}  // namespace hornet

#endif

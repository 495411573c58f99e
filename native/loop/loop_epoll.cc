// The loop on Linux. Why this is not libuv's is said in loop.h; everything else here is as plain as epoll allows.
#if defined(__linux__) && !defined(HORNET_LOOP_UV)

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
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
  // Instead of a timeout of epoll_wait, which the kernel sets and takes back in each sleep: on a virtual machine each
  // of these is a call to its host, a fifth of what a short connection costs. This stays set over many sleeps.
  int alarm_fd = -1;
  uint64_t alarm_ms = UINT64_MAX;  // what it is set to, of Loop::now_ms()
  std::atomic<bool> is_woken{false};
  epoll_event events[kEventsMax];

  ~System() {
    if (alarm_fd >= 0) close(alarm_fd);
    if (wake_fd >= 0) close(wake_fd);
    if (epoll_fd >= 0) close(epoll_fd);
  }

  // Edge by edge: each write, or time that has come, is told once, and nobody needs to read. (A counter has room for as
  // many as there can be.) 0 or a negative errno.
  int AddOwn(int* fd) {
    if (*fd < 0) return -errno;
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLET;
    event.data.ptr = fd;
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, *fd, &event) == 0 ? 0 : -errno;
  }

  // Called at the latest at `due_ms`; sooner does no harm.
  void SetAlarm(uint64_t due_ms) {
    if (due_ms >= alarm_ms) return;
    alarm_ms = due_ms;
    itimerspec at = {};
    at.it_value.tv_sec = static_cast<time_t>(due_ms / 1000);
    at.it_value.tv_nsec = static_cast<long>(due_ms % 1000 * 1000000);
    CHECK(timerfd_settime(alarm_fd, TFD_TIMER_ABSTIME, &at, nullptr) == 0);
  }
};

Loop::Loop(Host* host) : host_(host), system_(std::make_unique<System>()) { ReadClock(); }

Loop::~Loop() = default;

int Loop::Init() {
  system_->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (system_->epoll_fd < 0) return -errno;
  system_->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int error = system_->AddOwn(&system_->wake_fd);
  if (error != 0) return error;
  system_->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  return system_->AddOwn(&system_->alarm_fd);
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
    bool may_sleep = Prepare();
    if (may_sleep) {
      const uint64_t due_ms = NextDueMs();
      may_sleep = due_ms > now_ms();
      if (may_sleep) system->SetAlarm(due_ms);
    }
    int count = epoll_wait(system->epoll_fd, system->events, kEventsMax, may_sleep ? -1 : 0);
    CHECK(count >= 0 || errno == EINTR);
    events_ = count > 0 ? count : 0;
    ReadClock();
    TellFailed();
    for (int i = 0; i < events_; i++) {
      void* const source = system->events[i].data.ptr;
      if (source == &system->alarm_fd) {
        system->alarm_ms = UINT64_MAX;
        continue;
      }
      if (source == &system->wake_fd) {
        // Before anything is looked at: who calls after this is heard of in another turn.
        system->is_woken.store(false);
        host_->HandleWake();
        continue;
      }
      auto* watch = static_cast<Watch*>(source);
      const uint32_t events = system->events[i].events;
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

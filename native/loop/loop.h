// One thread's event loop: descriptors, timers, a wake-up from other threads, and the release of what was closed.
//
// A turn: the host works through what has come together (HandleTurn), interests that have changed go to the kernel,
// what was closed is released, the thread sleeps, and then hears of the wake-up, of descriptors and of timers.
//
// Thread: the one that calls Run(), but for Wake(), which any may call for as long as the loop exists.
// Owner:  IoThread.
// Bounds: kEventsMax descriptors are told of in a turn; the others are first in the next one.
//
// What differs by system: loop_epoll.cc is Linux's, loop_uv.cc everybody else's. libuv would do on Linux as well, but
// its poll handles cost six epoll_ctl and an ioctl per connection, a tenth of what a short one costs altogether.
#ifndef HORNET_LOOP_LOOP_H_
#define HORNET_LOOP_LOOP_H_

#include <cstdint>
#include <memory>

#include "base/list.h"

namespace hornet {

class Loop;

// A descriptor whose readiness is told, level by level: again in each turn until it is read, or written, or wanted no
// more.
// Life: Open() to Close(); HandleReleased() comes before the thread sleeps next, and nothing after it.
class Watch {
 public:
  bool is_closed() const { return fd_ < 0; }
  int fd() const { return fd_; }
  bool is_reading() const { return (interest_ & kReadable) != 0; }
  bool is_writing() const { return (interest_ & kWritable) != 0; }

 protected:
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() = default;

  // Takes the non-blocking `fd`. 0 or a negative errno, and the descriptor is closed. Of an error on it one hears from
  // now on, even while nothing else is wanted.
  int Open(Loop* loop, int fd);
  void WatchReadable(bool on) { SetInterest(on ? interest_ | kReadable : interest_ & ~kReadable); }
  void WatchWritable(bool on) { SetInterest(on ? interest_ | kWritable : interest_ & ~kWritable); }
  void Close();
  // The same for what has no descriptor: nothing is told of it but its release.
  void OpenWithout(Loop* loop) { loop_ = loop; }
  void CloseWithout();
  // Null before Open().
  Loop* loop() const { return loop_; }

  virtual void HandleReadable() = 0;
  virtual void HandleWritable() = 0;
  virtual void HandleFailed() = 0;    // it is in error, and should be closed
  virtual void HandleReleased() = 0;  // may free this

 private:
  friend class Loop;
  static constexpr uint32_t kReadable = 1;
  static constexpr uint32_t kWritable = 2;
  static constexpr uint32_t kUnknown = UINT32_MAX;  // to the kernel

  void SetInterest(uint32_t interest);
  int Register();    // by system
  void Unregister();  // by system

  Loop* loop_ = nullptr;
  ListLink link_;                   // among those whose interest has changed, that have failed or were closed
  void* handle_ = nullptr;          // loop_uv.cc: its poll handle
  int fd_ = -1;
  uint32_t interest_ = 0;
  uint32_t registered_ = kUnknown;  // the interest that the kernel knows
};

// Calls its owner once, when it is due. Owner: whoever is called; stop it first.
struct Timer {
  ListLink link;
  uint64_t due_ms = 0;
  void (*fire)(void* owner) = nullptr;
  void* owner = nullptr;
};

class Loop {
 public:
  class Host {
   public:
    // Before each sleep.
    virtual void HandleTurn() = 0;
    // Somebody called Wake(); calls that come close together are heard of once.
    virtual void HandleWake() = 0;

   protected:
    ~Host() = default;
  };

  explicit Loop(Host* host);
  ~Loop();

  // 0 or a negative errno.
  int Init();
  // Until Stop(). All watches are closed by then, and are released before this returns. It begins with HandleWake():
  // who called Wake() before Init() is heard of then.
  void Run();
  void Stop() { is_stopped_ = true; }
  void Wake();
  // Due in `after_ms` of now_ms(); one that runs is set anew.
  void Start(Timer* timer, uint64_t after_ms);
  void Stop(Timer* timer) { timer->link.Unlink(); }

  // Of how many events this turn tells.
  int events() const { return events_; }

  // Of one clock, which does not jump: the value it had when it was last read. The loop reads it after each sleep.
  uint64_t now_us() const { return now_us_; }
  uint64_t now_ms() const { return now_us_ / 1000; }
  uint64_t ReadClock() { return now_us_ = Clock(); }
  // The same from any thread.
  static uint64_t Clock();  // by system

 private:
  friend class Watch;
  struct System;
  static constexpr int kEventsMax = 1024;

  // What is done before each sleep. False: do not sleep, there are failures to tell of.
  bool Prepare();
  void Apply(Watch* watch);  // by system
  void TellFailed();
  void ReleaseClosed();
  void FireTimers();
  // When the first timer is due; UINT64_MAX: there is none.
  uint64_t NextDueMs();

  Host* host_;
  std::unique_ptr<System> system_;
  List<Watch, &Watch::link_> changed_;
  List<Watch, &Watch::link_> failed_;
  List<Watch, &Watch::link_> closed_;
  List<Timer, &Timer::link> timers_;
  uint64_t now_us_ = 0;
  int events_ = 0;
  bool is_stopped_ = false;
};

}  // namespace hornet

#endif  // HORNET_LOOP_LOOP_H_

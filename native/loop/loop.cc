// What is the same on every system.
#include "loop/loop.h"

#include <unistd.h>

#include <algorithm>

namespace hornet {

int Watch::Open(Loop* loop, int fd) {
  loop_ = loop;
  fd_ = fd;
  int error = Register();
  if (error != 0) {
    fd_ = -1;
    close(fd);
    return error;
  }
  loop->changed_.PushBack(this);
  return 0;
}

void Watch::SetInterest(uint32_t interest) {
  if (fd_ < 0 || interest == interest_) return;
  interest_ = interest;
  // Told to the kernel once a turn: most that change, change back before.
  if (!link_.linked()) loop_->changed_.PushBack(this);
}

void Watch::Close() {
  if (fd_ < 0) return;
  Unregister();
  close(fd_);
  fd_ = -1;
  interest_ = 0;
  link_.Unlink();
  loop_->closed_.PushBack(this);
}

void Watch::CloseWithout() { loop_->closed_.PushBack(this); }

bool Loop::Prepare() {
  host_->HandleTurn();
  // First, because who is released may let others in.
  ReleaseClosed();
  while (Watch* watch = changed_.PopFront()) Apply(watch);
  return failed_.empty();
}

void Loop::TellFailed() {
  while (Watch* watch = failed_.PopFront()) watch->HandleFailed();
}

void Loop::ReleaseClosed() {
  while (Watch* watch = closed_.PopFront()) watch->HandleReleased();
}

void Loop::Start(Timer* timer, uint64_t after_ms) {
  timer->link.Unlink();
  timer->due_ms = now_ms() + after_ms;
  timers_.PushBack(timer);
}

// There is a handful of them, so nothing is kept in order.
uint64_t Loop::NextDueMs() {
  uint64_t next_ms = UINT64_MAX;
  for (Timer* timer = timers_.front(); timer != nullptr; timer = timers_.Next(timer)) {
    next_ms = std::min(next_ms, timer->due_ms);
  }
  return next_ms;
}

void Loop::FireTimers() {
  const uint64_t now = now_ms();
  List<Timer, &Timer::link> due;
  for (Timer* timer = timers_.front(); timer != nullptr;) {
    Timer* next = timers_.Next(timer);
    if (timer->due_ms <= now) {
      timer->link.Unlink();
      due.PushBack(timer);
    }
    timer = next;
  }
  // One that stops another takes it out of this list.
  while (Timer* timer = due.PopFront()) timer->fire(timer->owner);
}

}  // namespace hornet

// The loop on systems without epoll: libuv's, as Node brings it along. With HORNET_LOOP_UV on Linux too, for tests.
#if !defined(__linux__) || defined(HORNET_LOOP_UV)

#include <uv.h>

#include "base/check.h"
#include "loop/loop.h"

namespace hornet {

struct Loop::System {
  uv_loop_t loop;
  uv_async_t wake;
  uv_prepare_t prepare;
  uv_timer_t timer;
  bool is_initialised = false;

  static void HandleWake(uv_async_t* wake);
  static void HandlePrepare(uv_prepare_t* prepare);
  static void HandleTimer(uv_timer_t* timer);
};

namespace {

template <class Handle>
uv_handle_t* HandleOf(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace

Loop::Loop(Host* host) : host_(host), system_(std::make_unique<System>()) { ReadClock(); }

Loop::~Loop() {
  if (!system_->is_initialised) return;
  uv_close(HandleOf(&system_->wake), nullptr);
  uv_close(HandleOf(&system_->prepare), nullptr);
  uv_close(HandleOf(&system_->timer), nullptr);
  uv_run(&system_->loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&system_->loop) == 0);
}

int Loop::Init() {
  System* system = system_.get();
  int error = uv_loop_init(&system->loop);
  if (error != 0) return error;
  system->wake.data = system->prepare.data = system->timer.data = this;
  error = uv_async_init(&system->loop, &system->wake, System::HandleWake);
  if (error != 0) {
    uv_loop_close(&system->loop);
    return error;
  }
  uv_prepare_init(&system->loop, &system->prepare);
  uv_timer_init(&system->loop, &system->timer);
  system->is_initialised = true;
  return 0;
}

void Loop::Wake() {
  if (system_->is_initialised) uv_async_send(&system_->wake);
}

uint64_t Loop::Clock() { return uv_hrtime() / 1000; }

void Loop::System::HandleWake(uv_async_t* wake) {
  auto* self = static_cast<Loop*>(wake->data);
  self->ReadClock();
  self->host_->HandleWake();
}

void Loop::System::HandlePrepare(uv_prepare_t* prepare) {
  auto* self = static_cast<Loop*>(prepare->data);
  if (self->is_stopped_) {
    // With that it does not sleep either.
    uv_stop(prepare->loop);
    return;
  }
  const bool may_sleep = self->Prepare();
  self->events_ = 0;
  const uint64_t due_ms = may_sleep ? self->NextDueMs() : 0;
  uv_update_time(prepare->loop);
  if (due_ms == UINT64_MAX) {
    uv_timer_stop(&self->system_->timer);
  } else {
    const uint64_t now = self->now_ms();
    uv_timer_start(&self->system_->timer, HandleTimer, due_ms > now ? due_ms - now : 0, 0);
  }
}

void Loop::System::HandleTimer(uv_timer_t* timer) {
  auto* self = static_cast<Loop*>(timer->data);
  self->ReadClock();
  self->TellFailed();
  self->FireTimers();
}

void Loop::Run() {
  System* system = system_.get();
  host_->HandleWake();
  uv_prepare_start(&system->prepare, System::HandlePrepare);
  uv_run(&system->loop, UV_RUN_DEFAULT);
  uv_prepare_stop(&system->prepare);
  uv_timer_stop(&system->timer);
  ReleaseClosed();
}

int Watch::Register() {
  auto* poll = new uv_poll_t;
  int error = uv_poll_init(&loop_->system_->loop, poll, fd_);
  if (error != 0) {
    delete poll;
    return error;
  }
  poll->data = this;
  handle_ = poll;
  return 0;
}

void Watch::Unregister() {
  auto* poll = static_cast<uv_poll_t*>(handle_);
  handle_ = nullptr;
  uv_poll_stop(poll);
  uv_close(HandleOf(poll), [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
}

// A handle that waits for nothing would not hear of a reset. Urgent data is the one event that HTTP has no use for, and
// errors come with any.
void Loop::Apply(Watch* watch) {
  int events = (watch->is_reading() ? UV_READABLE : 0) | (watch->is_writing() ? UV_WRITABLE : 0);
  if (events == 0) events = UV_PRIORITIZED;
  auto* handle = static_cast<uv_poll_t*>(watch->handle_);
  int error = uv_poll_start(handle, events, [](uv_poll_t* poll, int status, int ready) {
    auto* self = static_cast<Watch*>(poll->data);
    self->loop_->ReadClock();
    self->loop_->events_++;
    if (status != 0) {
      self->HandleFailed();
      return;
    }
    if (self->interest_ == 0) {
      // Urgent data after all, or both sides are shut: nothing more to learn, and it would be told in every turn.
      uv_poll_stop(poll);
      return;
    }
    if ((ready & UV_WRITABLE) != 0 && self->is_writing()) self->HandleWritable();
    if ((ready & UV_READABLE) != 0 && self->is_reading()) self->HandleReadable();
  });
  if (error != 0) failed_.PushBack(watch);
}

}  // namespace hornet

#endif

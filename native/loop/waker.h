// The only way into an event loop from another thread: a uv_async_t that may be taken away while others still call.
// Thread: Wake() from any; Attach() and Detach() from the loop's own thread.
// Why no call meets a dead handle: Wake() counts itself in before it reads the handle and out after its last use;
// Detach() clears the handle and then waits for the count to fall to zero (both seq_cst), which takes the time of a
// uv_async_send at most.
#ifndef HORNET_LOOP_WAKER_H_
#define HORNET_LOOP_WAKER_H_

#include <uv.h>

#include <atomic>
#include <thread>

namespace hornet {

class Waker {
 public:
  void Attach(uv_async_t* async) { async_.store(async); }
  void Detach() {
    async_.store(nullptr);
    while (callers_.load() != 0) std::this_thread::yield();
  }
  void Wake() {
    callers_.fetch_add(1);
    uv_async_t* async = async_.load();
    if (async != nullptr) uv_async_send(async);
    callers_.fetch_sub(1);
  }

 private:
  std::atomic<uv_async_t*> async_{nullptr};
  std::atomic<uint32_t> callers_{0};
};

}  // namespace hornet

#endif  // HORNET_LOOP_WAKER_H_

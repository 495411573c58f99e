// One accepted socket: its descriptor, its readiness events and the bytes the kernel has not taken yet.
// Thread: the I/O thread that accepted it; no other thread may touch it.
// Owner:  a derived class in IoThread's slab. Others hold a SlabId and ask again.
// Life:   Open() to Close(); HandleClosed() comes at the end of a later turn, then memory returns to the slab.
// Bounds: `out` is bounded by what the producers of responses may have outstanding (http_connection.h).
#ifndef HORNET_NET_CONNECTION_H_
#define HORNET_NET_CONNECTION_H_

#include <uv.h>

#include <cstddef>
#include <cstdint>

#include "base/out_queue.h"

namespace hornet {

enum class IoStatus : uint8_t { kOk, kAgain, kEnd, kFailed };

class Connection {
 public:
  // 0 or a negative error; takes ownership of `fd` either way.
  int Open(uv_loop_t* loop, int fd);
  // Reads at most `capacity` bytes. kOk with *length > 0, kAgain, kEnd (the peer finished sending) or kFailed.
  IoStatus Receive(char* buffer, size_t capacity, size_t* length);
  // Writes what `out` holds. kOk: all of it; kAgain: the rest waits for HandleWritable(); kFailed: the peer is gone.
  IoStatus Flush(ChunkPool* pool, size_t* written);
  void WatchReadable(bool on) { Watch(on ? events_ | UV_READABLE : events_ & ~UV_READABLE); }
  void WatchWritable(bool on) { Watch(on ? events_ | UV_WRITABLE : events_ & ~UV_WRITABLE); }
  bool is_reading() const { return (events_ & UV_READABLE) != 0; }
  void ShutdownWrite();
  // A reset instead of an orderly end, when the answer was cut short and the peer must not take it for whole.
  void SetReset();
  void Close(ChunkPool* pool);
  bool is_closed() const { return fd_ < 0; }
  int fd() const { return fd_; }

  OutQueue out;

 protected:
  ~Connection() = default;
  virtual void HandleReadable() = 0;
  virtual void HandleWritable() = 0;
  virtual void HandleFailed() = 0;  // the socket is in error; nothing can be read or written any more
  virtual void HandleClosed() = 0;  // may free this

 private:
  void Watch(int events);

  uv_poll_t poll_;
  int fd_ = -1;
  int events_ = 0;
};

}  // namespace hornet

#endif  // HORNET_NET_CONNECTION_H_

// One accepted socket: its descriptor, its readiness events and the bytes the kernel has not taken yet.
// Thread: the I/O thread that accepted it; no other thread may touch it.
// Owner:  a derived class in IoThread's slab. Others hold a SlabId and ask again.
// Life:   that of a Watch (loop/loop.h); with HandleReleased() the memory returns to the slab.
// Bounds: `out` is bounded by what the producers of responses may have outstanding (http_connection.h).
#ifndef HORNET_NET_CONNECTION_H_
#define HORNET_NET_CONNECTION_H_

#include <cstddef>
#include <cstdint>

#include "base/out_queue.h"
#include "loop/loop.h"

namespace hornet {

enum class IoStatus : uint8_t { kOk, kAgain, kEnd, kFailed };

class Connection : public Watch {
 public:
  // 0 or a negative error; takes ownership of `fd` either way.
  int Open(Loop* loop, int fd);
  // Reads at most `capacity` bytes. kOk with *length > 0, kAgain, kEnd (the peer finished sending) or kFailed.
  IoStatus Receive(char* buffer, size_t capacity, size_t* length);
  // Writes what `out` holds. kOk: all of it; kAgain: the rest waits for HandleWritable(); kFailed: the peer is gone.
  // `is_last`: ShutdownWrite() follows at once when it is kOk, and the end then travels in the last segment.
  IoStatus Flush(ChunkPool* pool, size_t* written, bool is_last = false);
  // The same for bytes that are not in `out`.
  IoStatus Send(const char* data, size_t length, size_t* written, bool is_last = false);
  void ShutdownWrite();
  // A reset instead of an orderly end, when the answer was cut short and the peer must not take it for whole.
  void SetReset();
  void Close(ChunkPool* pool);

  OutQueue out;

 protected:
  ~Connection() = default;
};

}  // namespace hornet

#endif  // HORNET_NET_CONNECTION_H_

// What is at the other end of a connection that is no socket: a stream of a connection that carries several.
//
// The bytes are those of HTTP/1.1 either way; whoever implements this writes requests as such, and reads responses.
// Thread: the I/O thread. Owner: the connection of the socket; it outlives the HttpConnection, which leaves it with
// Leave().
#ifndef HORNET_HTTP_STREAM_WIRE_H_
#define HORNET_HTTP_STREAM_WIRE_H_

#include <cstddef>

#include "base/out_queue.h"
#include "net/connection.h"

namespace hornet {

class StreamWire {
 public:
  // Bytes of the request, at most `capacity`; 0: there are none now.
  virtual size_t Read(char* buffer, size_t capacity) = 0;
  // What is to be read, or will come, is wanted.
  virtual void WantRead() = 0;
  // Takes from `out` what can go, now or when there is room: *written are the bytes that have gone since the last call.
  // kOk: all of it; kAgain: the connection is marked dirty when more has gone; kFailed: nothing more will.
  virtual IoStatus Take(OutQueue* out, ChunkPool* pool, size_t* written) = 0;
  // The whole of a response has gone: there is nothing left to do on this stream.
  virtual bool is_answered() const = 0;
  // What is in `out` ends the response, if nothing else does.
  virtual void EndWriting() = 0;
  // The HttpConnection is done with it. A response that is not whole is cut off.
  virtual void Leave() = 0;

 protected:
  ~StreamWire() = default;
};

}  // namespace hornet

#endif  // HORNET_HTTP_STREAM_WIRE_H_

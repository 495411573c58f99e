// One request and its response, from the parsed head to the last byte handed to the kernel's socket.
// Thread: the I/O thread of its connection.
// Owner:  IoThread's slab; the connection's queue and one list of the dispatcher borrow it. Workers name it by id.
// Life:   head parsed (or refused) to the last byte of the response written; the connection releases it in order.
// Bounds: kPipelineMax per connection; body bytes held <= limits.body_buffer_bytes before dispatch and
//         kBodyWindowBytes + one read after it; response bytes held <= the worker's window (outbox.ts) or one record.
#ifndef HORNET_HTTP_EXCHANGE_H_
#define HORNET_HTTP_EXCHANGE_H_

#include <cstdint>
#include <cstring>

#include "base/block.h"
#include "base/list.h"
#include "base/methods.h"
#include "base/out_queue.h"
#include "base/slab.h"

namespace hornet {

class HttpConnection;
class Lane;
struct AccessNote;
struct FileTransfer;

enum class ExchangeState : uint8_t {
  kReading,     // its body is being buffered; nothing was dispatched
  kQueued,      // waits for a worker with room
  kDispatched,  // in a lane's ring, perhaps started
  kAnswering,   // the server answers it itself, with a file perhaps
};

// A piece of streamed body that found no room in the lane yet.
struct BodyPiece {
  BodyPiece* next;
  Block* block;
  uint32_t flags;  // ChunkFlag
};

struct Exchange {
  Exchange(SlabId slab_id, HttpConnection* owner) : id(slab_id), connection(owner) {}

  SlabId id;
  HttpConnection* connection;
  Exchange* next = nullptr;  // the following request on the connection, or the following response to be written
  ListLink link;             // in the dispatcher's queue, or in its lane's list
  Lane* lane = nullptr;      // where it was dispatched to
  uint64_t waiting_ms = 0;   // since when it waits for a worker to start it

  Block* text = nullptr;     // the request text, when it outlives the read buffer
  Block* body = nullptr;     // the buffered body
  uint32_t text_length = 0;  // bytes
  uint32_t target_length = 0;
  uint32_t header_count = 0;
  uint32_t flags = 0;        // RequestFlag
  uint32_t ring_position = 0;
  uint32_t reason = 0;       // TunnelReason
  uint32_t fault = 0;        // status of what was refused, with kTunnelFault
  uint64_t sticky_key = 0;   // of its client (sticky.h); 0: any worker will do
  uint32_t sequence = 0;     // nth of the connection, wrapping
  uint64_t bytes_read = 0;   // received on the connection, up to and including this request's head

  FileTransfer* transfer = nullptr;  // of the file that answers it, unless that was done at once
  BodyPiece* backlog = nullptr;      // oldest first
  uint32_t body_unconsumed = 0;    // bytes given to the worker and not yet taken by the application
  uint32_t response_uncredited = 0;  // bytes the worker wrote and has no credit back for
  OutQueue out;                    // response bytes that wait for earlier responses

  // Its times, microseconds of HttpHost::now_us; 0: not yet.
  uint64_t begun_us = 0;     // its first byte came
  uint64_t ready_us = 0;     // a worker could start it
  uint64_t claimed_us = 0;   // a worker started it
  uint64_t answered_us = 0;  // its response's head came
  // Where its response lies among the bytes that the connection sends.
  uint64_t out_start = UINT64_MAX;  // not yet: earlier responses are not complete
  uint64_t out_end = 0;
  uint64_t overhead_bytes = 0;  // of the response so far: all that is not its body
  // Body bytes that a response framed by the worker has announced and not brought yet.
  static constexpr uint64_t kNoLength = UINT64_MAX;
  uint64_t length_left = kNoLength;
  AccessNote* note = nullptr;   // what the access log will say of it; null: nothing
  uint16_t status = 0;          // of the final response; 0: none yet
  bool has_head = false;        // a whole head was parsed; otherwise this answers what was refused

  // The target's first bytes, to name the request by while it runs: the worker's ring is written over by then.
  static constexpr uint32_t kTargetNoteBytes = 104;
  uint8_t target_note_length = 0;
  char target_note[kTargetNoteBytes];

  void NoteTarget(const char* target) {
    target_note_length = static_cast<uint8_t>(target_length < kTargetNoteBytes ? target_length : kTargetNoteBytes);
    std::memcpy(target_note, target, target_note_length);
  }

  Method method = Method::kGet;
  ExchangeState state = ExchangeState::kReading;
  bool is_end_untold = false;      // that the peer has ended is to be told behind the backlog
  bool is_streaming = false;       // its body goes to the worker in chunks
  bool is_started = false;         // streaming: the worker said that it has claimed the request
  bool is_claimed = false;         // known to be claimed: its ring position may be too old to ask about
  bool is_kept = false;            // its text and body stay here while a worker has them: it may be run again
  bool was_retried = false;        // and it was
  bool must_be_seen = false;       // withdrawn or not, the worker is to see the request before it hears of its end
  bool is_tunnel = false;          // not a request: the connection's bytes as they are, both ways
  bool is_tunnel_counted = false;  // among its worker's tunnels, and not its requests in flight
  bool body_complete = true;       // the whole body has arrived
  bool expect_continue = false;    // the client still waits for 100 (Continue)
  bool keep_alive = false;
  bool response_started = false;   // bytes of the final response were queued
  bool response_ended = false;
  bool ends_with_connection = false;  // nothing else tells the peer where the response's body ends
  bool close_after = false;
};

}  // namespace hornet

#endif  // HORNET_HTTP_EXCHANGE_H_

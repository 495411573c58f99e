// The layout both languages agree on: what lies in a lane's shared memory. `npm run gen` reads this file and writes
// src/seam/records.ts; the addon exports kLayoutFingerprint and src/seam/addon.ts refuses a binary that disagrees.
//
// One lane joins one worker and one I/O thread. Its memory, made by the master:
//
//   0        LaneControl        positions and flags, one cache line (128 bytes: two, for the prefetcher) each
//   1024     request ring       I/O thread -> worker   (power of two bytes)
//   ...      response ring      worker -> I/O thread   (power of two bytes)
//
// Positions are byte counts that only grow and wrap at 2^32; masking happens at the access. A record starts on an
// 8-byte boundary and never straddles the end of its ring: a kPad record fills what is left.
#ifndef HORNET_RING_RECORDS_H_
#define HORNET_RING_RECORDS_H_

#include <cstdint>

namespace hornet {

// Words of shared memory that both sides touch, only through atomics.
struct LaneControl {
  alignas(128) uint32_t request_tail;    // bytes; the I/O thread stores, the worker loads
  alignas(128) uint32_t request_head;    // bytes; the worker stores, the I/O thread loads
  alignas(128) uint32_t response_tail;   // bytes; the worker stores, the I/O thread loads
  alignas(128) uint32_t response_head;   // bytes; the I/O thread stores, the worker loads
  alignas(128) uint32_t worker_asleep;   // 1 while the worker wants uv_async_send for new requests
  alignas(128) uint32_t worker_starved;  // 1 while the worker waits for room in the response ring
};
static_assert(sizeof(LaneControl) == 768);

// Words of each I/O thread that every worker reads (kIoControlStride bytes apart).
struct IoControl {
  uint32_t asleep;    // 1 while the thread sleeps in its poll and wants uv_async_send
  uint32_t clock_us;  // microseconds modulo 2^32 at its last turn: a clock that costs a worker nothing to read
};
static_assert(sizeof(IoControl) == 8);
constexpr uint32_t kIoControlStride = 128;  // bytes
constexpr uint32_t kLaneRingsOffset = 1024; // bytes
constexpr uint32_t kRecordAlignment = 8;    // bytes

// What a record is. The first eight bytes of every record are the same: its length and its kind.
enum RecordKind : uint32_t {
  kPad = 0,  // skip: the rest of the ring up to its end

  // I/O thread -> worker
  kRequest = 1,    // RequestRecord, then text, then an inline body
  kBodyChunk = 2,  // ChunkRecord, then data: more of a streamed request body
  kAbort = 3,      // SignalRecord: the peer is gone, or no answer is wanted any more; `value` is an AbortReason
  kCredit = 4,     // SignalRecord: `value` bytes of the response left for the kernel
  kClosed = 5,     // SignalRecord, naming a connection: it is closed; sent for those the worker watches
  kEnded = 6,      // SignalRecord: the peer has finished sending while this request waits for its response

  // worker -> I/O thread
  kRespond = 16,   // RespondRecord, then head text, then body: a whole response
  kRaw = 17,       // ChunkRecord, then data: bytes for the wire, framed by the worker
  kConsume = 18,   // SignalRecord: the application took `value` bytes of request body
  kDestroy = 19,   // SignalRecord: close the connection at once
  kStarted = 20,   // SignalRecord: a request whose body is streamed was claimed; its body may come
  kWatch = 21,     // SignalRecord, naming a connection: tell this worker with kClosed when it closes
  kAdmit = 22,     // SignalRecord: the connection of this offer is to be served by the server's own parser
  kDrop = 23,      // SignalRecord, naming a connection: close it; `value` is a DropMode
};

// What kDrop asks for.
enum DropMode : uint32_t {
  kDropNow = 0,    // whatever it is doing
  kDropIdle = 1,   // only when it has answered a request and waits for the next
  kDropReset = 2,  // at once, with a reset
};

// Why an exchange was aborted: the value of kAbort.
enum AbortReason : uint32_t {
  kAbortGone = 0,   // the peer left, or the server closed the connection
  kAbortReset = 1,  // the peer's reset, or another error of the socket
  kAbortFault = 2,  // the rest of the request was refused; the server answered it
  kAbortTimeout = 3,  // it took too long; the server answered it, and the connection goes on
};

// Who holds a request record. Changed by compare-exchange from kUnclaimed only.
enum ClaimState : uint32_t {
  kUnclaimed = 0,
  kClaimed = 1,    // the worker has started it
  kTakenBack = 2,  // the I/O thread gave it to another worker; the worker skips it
};

// Flags of RequestRecord.
enum RequestFlag : uint32_t {
  kRequestHttp10 = 1,         // HTTP/1.0; otherwise HTTP/1.1
  kRequestKeepAlive = 2,      // the connection may carry another request after this one
  kRequestHasBody = 4,        // a body was announced (its length may be 0)
  kRequestBodyInline = 8,     // the whole body follows the text
  kRequestBodyBlock = 16,     // the whole body lies in the block `body_block`
  kRequestExpectContinue = 32,
  kRequestEncrypted = 64,     // the connection uses TLS
  kRequestUpgrade = 128,      // `Connection: upgrade` and an Upgrade field are present
  kRequestTextBlock = 256,    // the text lies in the block `text_block` and not in the ring
  kRequestBodyStreamed = 512, // the body follows in kBodyChunk records, once the worker has sent kStarted
  kRequestTunnel = 1024,      // no request: the connection's bytes themselves, both ways, `reason` says why
  kRequestForwarded = 2048,   // addresses and kRequestEncrypted are the request's own, as a trusted proxy says
};

// Why bytes are handed over unparsed (kRequestTunnel); the number is `fault` for kTunnelFault.
enum TunnelReason : uint32_t {
  kTunnelNone = 0,
  kTunnelOffer = 1,    // a connection was accepted: kStarted takes it as it is, kAdmit gives it back to be parsed
  kTunnelUpgrade = 2,  // a request that asks for another protocol
  kTunnelConnect = 3,  // a CONNECT request
  kTunnelExpect = 4,   // a request with an Expect field
  kTunnelFault = 5,    // what the parser refused: `fault` is its status
  kTunnelBrokenBody = 6,  // a body in chunks that is none, from the chunk on; its request was aborted (kAbortFault)
};

// Flags of ChunkRecord.
enum ChunkFlag : uint32_t {
  kChunkLast = 1,      // nothing of this message follows
  kChunkBlock = 2,     // the data lies in the block `block`, not in the ring
  kChunkTrailers = 4,  // request side: the data is trailer text (name NUL value NUL ...)
  kChunkClose = 8,     // response side, with kChunkLast: close after sending
  kChunkHead = 16,     // response side: the data starts with a final response's head; `status` is set
};

// Flags of RespondRecord.
enum RespondFlag : uint32_t {
  kRespondDate = 1,           // add a Date field
  kRespondLength = 2,         // add a Content-Length field with body_length
  kRespondConnection = 4,     // add Connection (and Keep-Alive) fields
  kRespondClose = 8,          // close the connection after this response
  kRespondBodyBlock = 16,     // the body lies in the block `body_block`
  kRespondChunked = 32,       // add Transfer-Encoding: chunked and send the body as one chunk
};

// Worker inbox: a request head is ready. The text is: target NUL (name NUL value NUL)* peer-address SP peer-port SP
// local-address SP local-port. Field names and values are the octets received (latin1).
struct RequestRecord {
  uint32_t length;            // bytes, this struct and all that follows it, a multiple of 8
  uint32_t kind;              // kRequest
  uint32_t claim;             // ClaimState
  uint32_t flags;             // RequestFlag
  uint32_t exchange;          // exchange slot index
  uint32_t generation;        // exchange slot generation
  uint32_t connection;        // connection slot index
  uint32_t connection_generation;
  uint32_t method;            // index into kMethodNames
  uint32_t listener;          // index of the listener that accepted the connection
  uint32_t text_length;       // bytes
  uint32_t target_length;     // bytes
  uint32_t header_count;      // fields, not strings
  uint32_t body_length;       // bytes of an inline or block body
  uint32_t text_block_low;    // address of the text block
  uint32_t text_block_high;
  uint32_t body_block_low;    // address of the body block
  uint32_t body_block_high;
  uint32_t reason;            // TunnelReason
  uint32_t fault;             // HTTP status of what was refused, with kTunnelFault
  uint32_t bytes_read_low;    // bytes received on the connection, this request's included
  uint32_t bytes_read_high;
  uint32_t sequence;          // nth request of the connection, wrapping: a worker may get a later one first
  uint32_t reserved;          // 0
};
static_assert(sizeof(RequestRecord) == 96);

// More bytes of one message: a request body chunk, or response bytes.
struct ChunkRecord {
  uint32_t length;            // bytes, this struct and the inline data, a multiple of 8
  uint32_t kind;              // kBodyChunk or kRaw
  uint32_t exchange;
  uint32_t generation;
  uint32_t flags;             // ChunkFlag
  uint32_t data_length;       // bytes, inline or in the block
  uint32_t block_low;         // address of the block
  uint32_t block_high;
  uint32_t status;            // response status with kChunkHead, else 0
  uint32_t claimed_at;        // kRaw: when the worker started the request; microseconds of uv_hrtime(), wrapping
};
static_assert(sizeof(ChunkRecord) == 40);

// A word about one exchange (or, with kClosed, kWatch and kDrop, one connection).
struct SignalRecord {
  uint32_t length;            // bytes: 24
  uint32_t kind;              // which of the kinds above that name SignalRecord
  uint32_t exchange;          // slot index
  uint32_t generation;        // slot generation
  uint32_t value;             // bytes for kCredit and kConsume; AbortReason for kAbort; DropMode for kDrop
  uint32_t reserved;
};
static_assert(sizeof(SignalRecord) == 24);

// Worker outbox: a whole response. Head text is the status line and the fields, each ending in CRLF, without the empty
// line; the I/O thread adds what needs a clock or connection state.
struct RespondRecord {
  uint32_t length;            // bytes, this struct and all that follows it, a multiple of 8
  uint32_t kind;              // kRespond
  uint32_t exchange;
  uint32_t generation;
  uint32_t flags;             // RespondFlag
  uint32_t status;            // HTTP status code
  uint32_t head_length;       // bytes
  uint32_t body_length;       // bytes
  uint32_t body_block_low;    // address of the body block
  uint32_t body_block_high;
  uint32_t claimed_at;        // when the worker started the request; microseconds of uv_hrtime(), wrapping
  uint32_t reserved;
};
static_assert(sizeof(RespondRecord) == 48);

}  // namespace hornet

#endif  // HORNET_RING_RECORDS_H_

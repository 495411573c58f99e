// Speaks HTTP/1.1 on one connection: drives the parser, the body decoder and the encoder, keeps pipelined responses in
// order, and decides what a fault, a timeout or an end of stream means.
#ifndef HORNET_HTTP_HTTP_CONNECTION_H_
#define HORNET_HTTP_HTTP_CONNECTION_H_

#include <uv.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/atomic.h"
#include "base/slab.h"
#include "http/access_recorder.h"
#include "http/body_decoder.h"
#include "http/edge_options.h"
#include "http/exchange.h"
#include "http/file_service.h"
#include "http/head_parser.h"
#include "http/http_stats.h"
#include "http/response_encoder.h"
#include "http/secure_connection.h"
#include "http/sticky.h"
#include "loop/timer_wheel.h"
#include "net/address.h"
#include "net/client_connections.h"
#include "net/client_rate.h"
#include "ring/records.h"
#include "tls/tls_sessions.h"

namespace hornet {

// Requests parsed ahead on one connection before its socket is left unread.
constexpr uint32_t kPipelineMax = 32;
// Bytes of a streamed request body that the worker may hold unconsumed before the socket is left unread.
constexpr uint32_t kBodyWindowBytes = 256 * 1024;
// A worker gets credit for response bytes in steps of this, once less than kOutLowBytes wait for the kernel.
constexpr uint32_t kCreditStepBytes = 32 * 1024;
constexpr uint32_t kOutLowBytes = 64 * 1024;
// With this much waiting for the kernel no further request is taken: who sends requests and reads no answers would
// otherwise have all of them kept here.
constexpr uint32_t kOutHighBytes = 256 * 1024;
// What is left of a request body as its response ends is read and thrown away up to this many bytes, for the next
// request's sake, as Node does with any number; beyond, the connection closes. Most responses have promised it by then,
// and many clients look at none before they have sent all.
constexpr uint64_t kDiscardBytesMax = 16 * 1024 * 1024;
// To refuse a request must cost less: the server's own answers say that the connection closes when more is left.
constexpr uint64_t kRefusedBytesMax = 256 * 1024;
// Behind a request that has to wait so much more is read, to see whether the peer is still there.
constexpr size_t kReadAheadBytesMax = 16 * 1024;
// After the last answer the input is drained, so that it is not lost to a reset, at most for so long and so much.
constexpr uint64_t kLingerMs = 2000;
constexpr uint64_t kLingerBytesMax = 16 * 1024 * 1024;
// A peer that finished sending may still read: its end of file may have come right behind the request, and have been
// read in the middle of the response. Whether it left altogether shows only when we write, so after so long without a
// byte to write its requests are dropped.
constexpr uint64_t kHalfCloseMs = 1000;
// What is refused behind unfinished requests waits so long for their responses; then it takes the connection from
// them.
constexpr uint64_t kFaultWaitMs = 100;
// A response that could not be written behind one that took all of --request-timeout has so long for that, once it is
// its turn.
constexpr uint64_t kTurnMs = 100;
// Input that the connections of a thread may hold together: heads that are not whole, requests sent ahead. Beyond it,
// heads larger than kSmallHeadBytes that do not end are refused (431), and little is read ahead.
constexpr size_t kInputBytesMax = 64 * 1024 * 1024;
constexpr size_t kSmallHeadBytes = 16 * 1024;
// A connection that carries nothing gives way to one that waits to be accepted when it has been silent for so long: the
// next request of a busy client is there sooner, and so is the first of a new one.
constexpr uint64_t kYieldAfterMs = 1000;
// While draining, a connection that never sent a request has this long to do so.
constexpr uint64_t kDrainFreshMs = 500;

struct HttpLimits {
  HeadLimits head;
  uint64_t body_bytes_max = 0;          // 0: no limit
  uint32_t body_buffer_bytes = 65536;   // a body up to this size is read before dispatch
  uint32_t header_timeout_ms = 30000;
  uint32_t body_timeout_ms = 30000;
  uint32_t body_rate_min = 0;           // bytes a second, over any body_timeout_ms; 0: no limit
  uint32_t keep_alive_ms = 5000;        // 0: no limit
  uint32_t keep_alive_hint_seconds = 5; // what responses say of it; 0: nothing
  uint32_t write_timeout_ms = 30000;    // without the peer taking a byte; 0: no limit
  uint32_t write_rate_min = 0;          // bytes a second, over any write_timeout_ms; 0: no limit
  uint32_t request_timeout_ms = 0;      // from a request's first byte to the end of its response; 0: no limit
};

// What holds for the connections of one listener. Owner: the I/O thread; may change under open connections.
struct ListenerOptions {
  HttpLimits limits;
  // Each connection is offered to the worker before a byte of it is read (kTunnelOffer).
  bool offers_connections = false;
  // What the worker wants to see unparsed; otherwise Upgrade is ignored, CONNECT answered 501, Expect and faults
  // answered by the server itself.
  bool hands_over_upgrade = false;
  bool hands_over_connect = false;
  bool hands_over_expect = false;
  bool hands_over_faults = false;
  // The worker hears of a peer that has finished sending (kEnded), and decides what becomes of its requests; otherwise
  // they have kHalfCloseMs to be answered.
  bool tells_ends = false;
};

// Where a connection comes from, for what goes on with it.
struct ConnectionOrigin {
  char address_text[kAddressTextBytesMax];  // as in request records
  uint8_t address_length = 0;
  uint8_t peer_length = 0;         // bytes of it that are the peer's address alone
  bool is_peer_trusted = false;    // what it says of where requests come from is believed
  bool is_client_counted = false;  // among the connections of the client
  std::shared_ptr<const TlsSession> session;
};

// What a connection needs from the I/O thread it lives on.
class HttpHost {
 public:
  explicit HttpHost(Loop::Host* turns) : loop(turns), wheel(loop.now_ms()) {}

  virtual Exchange* AcquireExchange(HttpConnection* connection) = 0;
  virtual void ReleaseExchange(Exchange* exchange) = 0;
  // Hands a request to a worker, or queues it, or sheds it. The head lies at `head_bytes`; a whole body may follow.
  virtual void Dispatch(Exchange* exchange, const RequestHead& head, const char* head_bytes, const char* body,
                        uint32_t body_length) = 0;
  // The same for a request whose text (and body) lie in the exchange's blocks.
  virtual void DispatchStored(Exchange* exchange) = 0;
  virtual void DeliverBody(Exchange* exchange, const char* data, uint32_t length, uint32_t chunk_flags) = 0;
  virtual void GiveCredit(Exchange* exchange, uint32_t bytes) = 0;
  virtual void TellEnded(Exchange* exchange) = 0;
  // Takes the exchange away from whoever holds it; a worker that has started it is told that the peer is gone.
  virtual void Withdraw(Exchange* exchange) = 0;
  // For the log: the request took too long.
  virtual void NoteTimedOut(Exchange* exchange) = 0;
  // Flush() will be called at the end of this turn.
  virtual void MarkDirty(HttpConnection* connection) = 0;
  virtual void HandleConnectionClosed(HttpConnection* connection) = 0;
  virtual void ReleaseConnection(HttpConnection* connection) = 0;
  // The handshake agreed on HTTP/2: another connection goes on with what came behind it, and this one is done with.
  virtual void BeginHttp2(HttpConnection* connection, const char* data, size_t length) = 0;
  // For health checks: workers are there to serve requests.
  virtual bool IsReady() const = 0;

  // The request text of records.h for a parsed head; Measure gives its length in bytes.
  static uint32_t MeasureText(const RequestHead& head, uint32_t address_length);
  static void WriteText(const RequestHead& head, const char* head_bytes, const char* address,
                        uint32_t address_length, char* out);

  StickyRule sticky;

  // A connection that was counted among those of its client, by an address as in request records, is so no longer.
  void LeaveClient(const char* address_text, uint8_t peer_length);
  // A connection does something else now.
  void CountPhase(ConnectionPhase before, ConnectionPhase now);
  // A request was refused before it was dispatched.
  void CountRejected(int status);

  // Room for one read of a body that a worker gets in pieces.
  char* BodyBuffer();
  // The block that holds these bytes and nothing else, which is the caller's now; null when there is none, or it would
  // be half empty: they must be copied. They are not to be looked at any more by who read them.
  Block* TakeBodyBlock(const char* data, uint32_t length);

  // First thing of every event: workers need not wake this thread until its turn ends.
  void BeginEvent() {
    if (!is_asleep) return;
    is_asleep = false;
    StoreRelease(&control->asleep, 0);
    // The loop has read it since.
    SetClock(loop.now_us());
  }

  HttpStats stats;
  Loop loop;
  // Where workers read it as well: what they start in this turn they start at this time.
  void SetClock(uint64_t us) {
    now_us = us;
    now_ms = now_us / 1000;
    StoreRelease(&control->clock_us, static_cast<uint32_t>(now_us));
  }

  IoControl* control = nullptr;  // shared with the workers
  bool is_asleep = false;
  ChunkPool pool;
  TimerWheel wheel;
  uint64_t now_ms = 0;
  uint64_t now_us = 0;           // read twice a turn: as its events begin, and before responses are written
  const char* date = nullptr;
  AccessRecorder* access = nullptr;  // null: there is no access log
  int64_t wall_offset_us = 0;        // the wall clock less now_us
  RequestHead head;              // scratch
  // Addresses of the request whose head that is: the connection's own, or what a trusted proxy says.
  const char* request_address = nullptr;
  uint32_t request_address_length = 0;  // bytes
  const char* request_peer = nullptr;   // the client's address alone, as the access log shows it
  uint32_t request_peer_length = 0;     // bytes
  uint32_t request_address_flags = 0;   // RequestFlag
  char forwarded_text[kAddressTextBytesMax];
  EdgeOptions edge;
  FileService* files = nullptr;  // null: none are served
  std::unique_ptr<TlsHost> tls;  // null: connections are not under TLS
  TlsSessions tls_sessions;
  char* read_buffer = nullptr;   // shared by all connections of the thread
  size_t read_buffer_bytes = 0;
  Block* body_block = nullptr;   // where bodies are read that go on as they are; null: it is to be made
  uint32_t body_block_length = 0;  // what the last read brought, wherever it was read to
  size_t input_bytes = 0;        // held by connections for partial input
  ClientConnections* client_connections = nullptr;  // null: a client may have any number
  ClientRate* client_rate = nullptr;                // null: and send any number of requests
  // Requests that ended before a worker began them, or whose peers sent an end meanwhile, since IoThread last looked.
  uint32_t left_unserved = 0;
  bool is_draining = false;
  // While draining: connections stay open until a response has told their client to come no more, or they are idle for
  // the usual time. For a successor that serves the same addresses.
  bool keeps_idle = false;

 protected:
  ~HttpHost() = default;
};

class HttpConnection final : public SecureConnection {
 public:
  HttpConnection(SlabId slab_id, HttpHost* host, uint32_t listener, const ListenerOptions* options)
      : id(slab_id), listener_index(listener), host_(host), options_(options) {}

  // After Open(): waits for the first request. Without addresses, as over a unix socket, both are null.
  void Start(const SocketAddress* peer, const SocketAddress* local);

  // Instead, on a stream: its request will come from there.
  void StartStream(StreamWire* wire, const ConnectionOrigin& origin);
  // There is something to read, and it is_reading().
  void HandleInput() { HandleReadable(); }
  // The peer has taken the request back, or left.
  void HandleGone() { HandleFailed(); }
  // The connection goes on elsewhere.
  ConnectionOrigin TakeOrigin();

  // A whole response from a worker. `body` is valid for this turn.
  void Respond(Exchange* exchange, uint32_t flags, const char* head_text, uint32_t head_length, const char* body,
               uint32_t body_length, Block* body_block);
  // Bytes framed by the worker; takes the hold on `block` when given.
  void SendRaw(Exchange* exchange, uint32_t chunk_flags, const char* data, uint32_t length, Block* block);
  void HandleConsumed(Exchange* exchange, uint32_t bytes);
  // The worker takes a tunnel, or gives an offered connection back: from now on it is parsed here.
  void OpenTunnel(Exchange* exchange);
  void Admit(Exchange* exchange);
  // The worker closes the connection as such: `mode` is a DropMode.
  void Drop(uint32_t mode);
  // The last fields of a response of the server's own; its length is left to the caller.
  HeadTail TailFor(const Exchange* exchange) const;
  // The server's own answer to an exchange that no worker will answer.
  void Fail(Exchange* exchange, int status);
  // The worker of a started response died, or asked for it: the peer must see that it was cut short.
  void Destroy();
  // The server stops: says so to those who wait for an answer that is not begun, and closes.
  void GiveUp();
  // End of a turn: writes what was queued, then closes, credits or goes on with input.
  void Flush();
  void StartDraining();
  // Closes it, if nothing is lost by that. True when it did.
  bool Yield();
  void HandleTimer() override;

  const ListenerOptions& options() const { return *options_; }
  // AbortReason, once the connection is being closed.
  uint32_t abort_reason() const { return abort_reason_; }

  SlabId id;
  uint32_t listener_index;
  ListLink dirty_link;
  TimerEntry timer;
  std::vector<uint32_t> watchers;  // ids of the workers to tell when it closes

 private:
  enum class State : uint8_t {
    kOpen,
    kClosing,    // the last response is queued; close once it is written
    kLingering,  // our side is shut; input is thrown away until the peer ends
    kClosed,
  };

  void HandleReadable() override;
  bool ReadOnce();
  // What came of a read; false: there is nothing to go on with.
  bool HandleStatus(IoStatus status);
  void HandleWritable() override;
  void HandleFailed() override;
  void HandleReleased() override;

  void Process(const char* data, size_t length);
  bool ReadsAhead() const;
  bool CanTakeRequest() const;
  // Each takes what it can from the input and returns the bytes used; *stop says that no more can be taken now.
  size_t TakeHead(const char* data, size_t length, bool* stop);
  size_t TakeBody(const char* data, size_t length, bool* stop);
  size_t TakeProxyHeader(const char* data, size_t length, bool* stop);
  // TLS begins behind the PROXY header, with bytes that came together with it.
  void BeginTls(const char* data, size_t length);
  // True: it is for HTTP/2.
  bool NoteSession();
  size_t TakeTunnel(const char* data, size_t length, bool* stop);
  size_t BeginExchange(const char* data, size_t length);
  void SetPeer(const IpAddress* peer);
  // What comes first: an offer to the worker, or bytes.
  void BeginInput();
  // Counts it among its client's connections; false, and closed, when those are too many.
  bool EnterClient(const IpAddress& peer);
  // Whether the client of the head just parsed sends too many requests; those that are not are counted.
  bool IsOverRate();
  // What a request is flagged with for the connection it came over (RequestFlag).
  uint32_t OwnFlags() const { return is_secure() || is_stream() ? kRequestEncrypted : 0u; }
  // Sets the host's request_address for the head just parsed.
  void ChooseAddress(const char* head_bytes);
  // True when the path is one of ours and was answered.
  bool AnswerHealth(Exchange* exchange, const char* head_bytes);
  // True when a file answers it, or may.
  bool AnswerFile(Exchange* exchange, const char* head_bytes);
  // What the head just parsed is to be handed over for; kTunnelNone: nothing.
  uint32_t ReasonToHandOver(ParseStatus status, const RequestHead& head) const;
  void BeginTunnel(uint32_t reason, uint32_t fault, uint64_t sticky_key = 0);
  // A fault in a body: the worker is told that the request is broken, and gets the rest unparsed.
  void LetBeSeen();
  void HandOverBrokenBody(int status, const char* data, size_t length);
  void FlushTunnel();
  Exchange* AppendExchange();
  void StoreText(Exchange* exchange, const char* head_bytes);
  void TakeBodyBytes(Exchange* exchange, const char* data, size_t length);
  void TakeTrailer(const BodyStep& step);
  void BeginStreaming(Exchange* exchange);
  void EndBody();
  void KeepInput(const char* data, size_t length);
  void DropInput();
  void ResumeInput();
  void HandleEnd();
  void EndTunnel();
  // A fault of the peer: answers `status`, reads no more, closes after it.
  void Refuse(int status);
  // The same before there is a request: `data` is what came of its head.
  void RefuseHead(int status, const char* data, size_t length);
  // The peer is gone: drops every exchange and closes.
  void Abort();
  void AnswerCanned(Exchange* exchange, int status, bool close);
  void SendContinue(Exchange* exchange);
  static uint32_t TakeFromLength(Exchange* exchange, uint32_t length);
  OutQueue* OutOf(Exchange* exchange) { return exchange == first_ ? &out : &exchange->out; }
  void FinishResponse(Exchange* exchange, bool close);
  void PopFinished();
  // Takes `exchange` off the end of the work: withdraws and releases it and all that follow it.
  void DropFrom(Exchange* exchange);
  // More than so many bytes are left of its body, or nobody can say whether they will come.
  bool BodyForcesClose(const Exchange* exchange, uint64_t bytes_max) const;
  // Throws no more of an answered body away: the connection closes behind the response that is queued last.
  void GiveUpBody();
  // While draining, the last response of those that are due closes the connection.
  bool DrainForcesClose(const Exchange* exchange) const { return host_->is_draining && exchange->next == nullptr; }
  // When the oldest request has taken too long; TimerEntry::kNever: it may take any time.
  uint64_t RequestDeadlineMs() const;
  void TimeOutRequest();
  void FinishClosing();
  // When the body has come too slowly, milliseconds.
  uint64_t BodyRateDeadlineMs();
  // The next byte of the body is the application's to ask for, or to make room for.
  bool IsBodyHeld() const { return is_blocked_ || (body_exchange_ != nullptr && body_exchange_->expect_continue); }
  // Looks how much the peer has taken. `waits`: some of the output does not fit into the kernel, which has just taken
  // `written` bytes of it.
  void NoteTaken(bool waits, size_t written);
  // When it has taken too little, milliseconds.
  uint64_t WriteRateDeadlineMs() const;
  void UpdateDeadline();
  void SetPhase(ConnectionPhase phase);
  // Where the next byte that is queued will stand among all that the connection ever sends.
  uint64_t OutPosition() const { return bytes_written_ + out.bytes(); }
  // For the access log: what the head just parsed, or the response's head, says.
  void NoteRequest(Exchange* exchange, const char* head_bytes);
  void NoteResponse(Exchange* exchange, const char* head_text, size_t head_length, const char* tail,
                    size_t tail_length);
  void NoteTunnelStatus(Exchange* exchange, const char* bytes, size_t length);
  void WriteAccessLine(Exchange* exchange, bool is_whole);
  // Ends the exchanges whose responses the kernel has taken.
  void SettleWritten();
  // The last of an exchange: counts it, and lets go of it.
  void Settle(Exchange* exchange, bool is_whole);
  void CloseNow();

  HttpHost* host_;
  const ListenerOptions* options_;
  Exchange* first_ = nullptr;  // oldest unfinished request
  Exchange* last_ = nullptr;
  Exchange* body_exchange_ = nullptr;  // whose body is being received
  Exchange* unwritten_first_ = nullptr;  // answered; bytes of the response may wait for the peer
  Exchange* unwritten_last_ = nullptr;
  uint64_t bytes_written_ = 0;         // since the connection was accepted
  uint64_t first_since_ms_ = 0;        // when the response of first_ could be written; 0: since it began
  uint64_t head_started_us_ = 0;       // as head_started_ms_
  AccessNote* refused_note_ = nullptr; // for the request that is being refused; within RefuseHead() only
  Exchange* tunnel_ = nullptr;         // the only exchange, from when the connection is a tunnel
  char* input_ = nullptr;              // partial head, or what cannot be taken yet
  uint32_t input_length_ = 0;          // bytes
  uint32_t input_parsed_ = 0;          // bytes of it that the parser has seen
  uint32_t exchange_count_ = 0;        // unwritten ones included
  uint32_t last_sequence_ = 0;         // of the exchange that came last
  uint64_t head_started_ms_ = 0;       // when the first byte of a partial head came; 0 when there is none
  uint64_t body_received_ = 0;         // bytes of the current body
  uint64_t body_counted_ = 0;          // those that have bought time
  uint64_t body_due_us_ = 0;           // until when more must have come (body_rate_min)
  uint64_t body_held_us_ = 0;          // since when it is not the peer that is waited for; 0: it is
  uint64_t discard_left_ = 0;          // bytes that may still be thrown away
  uint64_t bytes_read_ = 0;            // since the connection was accepted
  uint32_t abort_reason_ = 0;          // AbortReason
  uint32_t untaken_since_ms_ = 0;      // since when the peer has taken none of what waits for it; low bits
  uint64_t taken_bytes_ = 0;           // what it had taken by then, of all that was written
  uint64_t write_spent_us_ = 0;        // of write_timeout_ms, waiting for it; what it takes buys that back
  uint64_t write_looked_us_ = 0;       // when that was added up last; 0: nothing waits
  BodyDecoder decoder_;
  Block* trailers_ = nullptr;          // trailer text of the current body
  State state_ = State::kOpen;
  ConnectionPhase phase_ = ConnectionPhase::kNone;
  bool needs_proxy_header_ = false;    // nothing but that may come first
  bool is_peer_trusted_ = false;       // what it says of where requests come from is believed
  bool is_client_counted_ = false;     // among the connections of the client that address_text_ names
  bool is_receiving_body_ = false;     // decoder_ is active, for body_exchange_ or to throw away
  bool is_rate_due_ = false;           // the deadline is that of body_rate_min, or of write_rate_min
  bool is_blocked_ = false;            // input_ waits for a response or for the application, and not for bytes
  bool needs_linger_ = false;          // the peer is still sending: do not reset what we answered
  bool sends_no_more_ = false;         // and it said that it would not, in the last request's head
  bool peer_ended_ = false;
  bool is_fresh_ = true;               // no request yet
  bool is_fault_waiting_ = false;      // what comes next is refused, and waits for earlier responses
  bool is_write_ended_ = false;        // tunnel: the worker has ended its side
  bool is_write_shut_ = false;         // tunnel: and that was told to the peer
  bool ignores_input_ = false;         // after a refusal or `Connection: close`: what comes is thrown away
  uint8_t address_length_ = 0;
  uint8_t peer_length_ = 0;            // bytes of address_text_ that are the peer's address alone
  char address_text_[kAddressTextBytesMax];
};

}  // namespace hornet

#endif  // HORNET_HTTP_HTTP_CONNECTION_H_

// Speaks HTTP/2 on one connection (RFC 9113): frames, flow control and header compression are nghttp2's; each stream is
// an HttpConnection to the rest of the server, which reads its request and writes its response as HTTP/1.1. So
// everything that holds for a request holds here: limits, timeouts, workers that die, backpressure, the access log.
//
// nghttp2 calls back while it reads or writes. Nothing but notes is taken there: HttpConnections are only called from
// Turn(), which nghttp2 does not know of.
#ifndef HORNET_HTTP2_HTTP2_CONNECTION_H_
#define HORNET_HTTP2_HTTP2_CONNECTION_H_

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "http/http_connection.h"
#include "http/stream_wire.h"
#include "http2/nghttp2.h"
#include "net/untaken_bytes.h"
#include "http/response_reader.h"

namespace hornet {

// Requests of one connection at a time; further ones are the client's to send later.
constexpr uint32_t kStreamsMax = 128;
// What a client may send of a body before the application has taken any: of one stream, and of all together.
constexpr int32_t kStreamWindowBytes = 256 * 1024;
constexpr int32_t kConnectionWindowBytes = 1024 * 1024;
// With more than this unread, and kInputBytesMax held by the whole thread, a connection has to wait.
constexpr size_t kBufferedBytesMin = 16 * 1024;
// Frames are made while less than this waits for the kernel.
constexpr size_t kFramesBytesMax = 128 * 1024;
// A client that was told to open no more streams may have opened some before it heard of it.
constexpr uint64_t kGoAwayMs = 250;

class Http2Connection;

// What a connection with HTTP/2 needs besides HttpHost.
class Http2Host {
 public:
  // For one request; null: there are too many.
  virtual HttpConnection* OpenStream(uint32_t listener_index, const ListenerOptions* options) = 0;
  // Flush() will be called before the thread sleeps.
  virtual void MarkDirty(Http2Connection* connection) = 0;
  virtual void ReleaseHttp2(Http2Connection* connection) = 0;

 protected:
  ~Http2Host() = default;
};

class Http2Stream final : public StreamWire {
 public:
  Http2Stream(Http2Connection* carrier, int32_t id) : carrier_(carrier), id_(id) {}

  size_t Read(char* buffer, size_t capacity) override;
  void WantRead() override;
  IoStatus Take(OutQueue* out, ChunkPool* pool, size_t* written) override;
  bool is_answered() const override { return is_end_sent_; }
  void EndWriting() override;
  void Leave() override;

 private:
  friend class Http2Connection;

  // What came of the request's head.
  void AddField(std::string_view name, std::string_view value, size_t bytes_max);
  // The head as HTTP/1.1 writes it; false: that cannot be.
  bool WriteHead(bool has_body);
  void AddBody(const char* data, size_t length);
  void EndBody();
  // For nghttp2, which sends it.
  ssize_t ReadBody(uint8_t* buffer, size_t length, uint32_t* flags);
  bool SubmitHead();
  void SubmitTrailers();

  Http2Connection* const carrier_;
  const int32_t id_;
  HttpConnection* connection_ = nullptr;  // null before the head is whole, and once it has left
  std::string method_, path_, authority_, fields_, cookies_, trailers_;
  size_t head_bytes_ = 0;      // as SETTINGS_MAX_HEADER_LIST_SIZE counts them
  std::string input_;          // of the HttpConnection
  size_t input_read_ = 0;      // bytes of it that were read
  size_t unconsumed_ = 0;      // bytes of DATA that the client has no credit back for
  std::unique_ptr<ResponseReader> reader_;
  OutQueue* out_ = nullptr;    // of the HttpConnection, while it is there
  size_t taken_ = 0;           // bytes of it that went since the last Take()
  bool has_head_ = false;      // the request's head is whole
  bool has_length_ = false;
  bool is_chunked_ = false;
  bool is_too_large_ = false;
  bool is_bad_ = false;
  bool has_request_ended_ = false;
  bool is_submitted_ = false;  // the response's head
  bool is_waiting_ = false;    // nghttp2 waits for more of the body
  bool has_writing_ended_ = false;
  bool is_whole_ = false;      // all of the response was read
  bool is_end_sent_ = false;
  bool is_closed_ = false;     // nghttp2 knows it no more
  bool is_reset_ = false;      // we have taken it back
  bool is_touched_ = false;
};

class Http2Connection final : public SecureConnection {
 public:
  Http2Connection(SlabId slab_id, HttpHost* host, Http2Host* streams, uint32_t listener,
                  const ListenerOptions* options);
  ~Http2Connection();

  // Goes on where `from` is, which is done with: `data` was received already.
  void Begin(HttpConnection* from, const char* data, size_t length);
  // End of a turn: works through what has come, writes what is to go.
  void Flush();
  void StartDraining();
  // Closes it at once.
  void GiveUp();
  // Closes it, if it carries nothing and has been silent for a while. True when it did.
  bool Yield();
  void HandleTimer() override;

  SlabId id;
  ListLink dirty_link;
  TimerEntry timer;

 private:
  friend class Http2Stream;

  void HandleReadable() override;
  void HandleWritable() override;
  void HandleFailed() override;
  void HandleReleased() override;

  static int OnBeginHeaders(nghttp2_session*, const nghttp2::Frame* frame, void* self);
  static int OnHeader(nghttp2_session*, const nghttp2::Frame* frame, const uint8_t* name, size_t name_length,
                      const uint8_t* value, size_t value_length, uint8_t flags, void* self);
  static int OnBadHeader(nghttp2_session*, const nghttp2::Frame* frame, const uint8_t* name, size_t name_length,
                         const uint8_t* value, size_t value_length, uint8_t flags, void* self);
  static int OnFrame(nghttp2_session*, const nghttp2::Frame* frame, void* self);
  static int OnFrameNotSent(nghttp2_session*, const nghttp2::Frame* frame, int error, void* self);
  static int OnFrameSent(nghttp2_session*, const nghttp2::Frame* frame, void* self);
  static int OnData(nghttp2_session*, uint8_t flags, int32_t stream_id, const uint8_t* data, size_t length, void* self);
  static int OnStreamClosed(nghttp2_session*, int32_t stream_id, uint32_t error, void* self);
  static ssize_t OnReadBody(nghttp2_session*, int32_t stream_id, uint8_t* buffer, size_t length, uint32_t* flags,
                            nghttp2::Source* source, void* self);

  bool OpenSession();
  void Receive(const char* data, size_t length);
  Http2Stream* Find(int32_t id) const;
  void Touch(Http2Stream* stream);
  void Turn();
  void BeginRequest(Http2Stream* stream);
  void AnswerWithout(Http2Stream* stream, int status);
  void Reset(Http2Stream* stream, uint32_t error);
  void Consume(Http2Stream* stream);
  // So many bytes are buffered now and were before. With too many in all nothing more is read.
  void NoteBuffered(size_t now, size_t before);
  // Whether more is read: not with too many bytes unread, nor from a client that does not read itself, to which each
  // further frame could owe an answer that nghttp2 would have to keep.
  void ChooseReading();
  // Has nghttp2 make frames, as far as there is room.
  void Pump();
  void GoAway();
  // Takes no more, tells the client so, and ends what is open.
  void Terminate();
  void FinishClosing();
  void LeaveStreams();
  void LeaveClient();
  void CloseNow();
  bool NoteTaken();
  void UpdateDeadline();
  void SetPhase(ConnectionPhase phase);

  HttpHost* const host_;
  Http2Host* const streams_host_;
  const uint32_t listener_index_;
  const ListenerOptions* const options_;
  const nghttp2::Library& library_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<int32_t, std::unique_ptr<Http2Stream>> streams_;
  std::vector<Http2Stream*> touched_;
  ConnectionOrigin origin_;
  ConnectionPhase phase_ = ConnectionPhase::kNone;
  uint64_t idle_since_ms_ = 0;        // when the last stream ended
  uint64_t head_since_ms_ = 0;        // since when the head of some request is not whole
  uint64_t write_since_ms_ = 0;       // since when the peer has taken nothing of what waits
  uint64_t taken_bytes_ = 0;          // what it had taken by then
  uint64_t discarded_ = 0;            // bytes that came while it lingered
  uint64_t go_away_ms_ = 0;           // when it is told the last stream that is served; 0: it need not be
  size_t buffered_ = 0;               // bytes of requests that no HttpConnection has read yet
  uint32_t heads_open_ = 0;           // requests whose heads are not whole
  bool was_used_ = false;             // there has been a stream
  bool has_failed_ = false;           // what nghttp2 has yet to say is the last
  bool is_lingering_ = false;         // our side is shut; input is thrown away until the peer ends
  bool is_client_behind_ = false;     // has not taken the frames that there are
  bool is_gone_ = false;              // closed
  bool is_told_to_leave_ = false;
};

}  // namespace hornet

#endif  // HORNET_HTTP2_HTTP2_CONNECTION_H_

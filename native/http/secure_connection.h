// A connection that may be under TLS, or a stream of another one: what is above it reads and writes the bytes of HTTP
// either way.
//
// Without either each call is that of Connection. With it, bytes leave `out` only once the kernel has taken all of the
// records they were sealed in: until then they count as unwritten, as without TLS those do that the kernel has not
// taken.
//
// Thread, owner, life: as Connection. Bounds: at most kSealBytesMax of `out` are sealed at a time; what the kernel does
// not take of them is kept, and so are answers to the handshake, together no more than kParkedBytesMax.
#ifndef HORNET_HTTP_SECURE_CONNECTION_H_
#define HORNET_HTTP_SECURE_CONNECTION_H_

#include <cstdint>
#include <memory>

#include "http/stream_wire.h"
#include "net/connection.h"
#include "tls/tls_stream.h"

namespace hornet {

constexpr size_t kSealBytesMax = 64 * 1024;
// A peer that reads nothing and has us answer all the same (with KeyUpdate) is cut off beyond it.
constexpr size_t kParkedBytesMax = 256 * 1024;

// What an I/O thread has for all of its connections when it speaks TLS.
struct TlsHost {
  std::shared_ptr<const TlsContext> context;  // for connections from now on
  bool offers_http2 = false;                  // by the context, and there is nghttp2 to speak it
  TlsBuffers buffers;
};

class SecureConnection : public Connection {
 public:
  // From now on it is under TLS.
  void Secure(TlsHost* host);
  // Its client is not to be offered HTTP/2.
  void SpeakNoHttp2() { may_speak_http2_ = false; }
  bool is_secure() const { return tls_ != nullptr; }
  // The socket of `from`, and its TLS, are this one's; `from` is to be closed. 0 or a negative errno.
  int TakeOver(SecureConnection* from);
  // It is no socket. Life: to Close(), which has HandleReleased() called as for others.
  void OpenStream(Loop* loop, StreamWire* wire);
  bool is_stream() const { return wire_ != nullptr; }
  bool is_answered() const { return wire_->is_answered(); }
  bool is_closed() const { return wire_ == nullptr ? Watch::is_closed() : is_stream_closed_; }
  bool is_reading() const { return wire_ == nullptr ? Watch::is_reading() : is_stream_reading_; }
  virtual void HandleTimer() = 0;

  // As Connection's; `buffer` needs room for kTlsPlainBytesMax when it is secure.
  IoStatus Receive(char* buffer, size_t capacity, size_t* length);
  // The same for bytes of the wire that were read already, kTlsWireBytesMax at most.
  IoStatus Decrypt(const char* data, size_t data_length, char* buffer, size_t* length);
  IoStatus Flush(ChunkPool* pool, size_t* written, bool is_last = false);
  void ShutdownWrite();
  void SetReset();
  void Close(ChunkPool* pool);
  // With TLS: bytes that the kernel has taken, of the wire.
  uint64_t wire_bytes() const { return tls_->wire_bytes; }
  // The last read filled what it was given: there is more, most likely.
  bool was_full() const { return was_full_; }

  // With TLS. True once, when the handshake is done.
  bool TakeEstablished();
  TlsSession session() const { return tls_->stream->Describe(); }
  // The handshake came to nothing; the peer was told why, and what else it sends may be read and thrown away.
  bool has_failed_handshake() const { return tls_ != nullptr && tls_->has_failed_handshake; }
  TlsFault fault() const { return tls_->stream->fault(); }
  // It does not speak TLS at all, but HTTP: it is no longer secure, and what it sent was received as it is.
  bool is_plain_http() const { return is_plain_http_; }

 protected:
  SecureConnection() = default;
  ~SecureConnection() = default;

  void WatchReadable(bool on);

 private:
  struct Tls {
    TlsHost* host;
    std::unique_ptr<TlsStream> stream;
    std::unique_ptr<char[]> parked;  // sealed bytes that the kernel has not taken
    uint64_t wire_bytes = 0;         // that the kernel has taken
    uint32_t parked_length = 0;      // bytes
    uint32_t parked_sent = 0;        // bytes of them that it has
    uint32_t sealed_bytes = 0;       // of `out`, from its front: in what is sent or parked
    bool has_started = false;        // something came
    bool was_told = false;           // of its handshake
    bool has_failed_handshake = false;
    bool has_failed = false;
    bool has_peer_ended = false;     // by close_notify
    bool has_ended = false;          // and so have we
    bool is_reset = false;
  };

  // With TLS, tells the peer that no more will come, unless it knows or cannot be told.
  void EndSealed();
  IoStatus FlushSealed(ChunkPool* pool, size_t* written, bool is_last);
  // Seals what `out` holds, kSealBytesMax at most, and sends it.
  bool Seal(bool is_last);
  // Sends what was parked, and then what OpenSSL has to say; what is not taken is parked.
  IoStatus SendSealed(bool is_last);
  bool Park(const char* data, size_t length);

  std::unique_ptr<Tls> tls_;
  StreamWire* wire_ = nullptr;
  bool may_speak_http2_ = true;
  bool is_stream_reading_ = false;
  bool is_stream_closed_ = false;
  bool is_plain_http_ = false;
  bool was_full_ = false;
};

}  // namespace hornet

#endif  // HORNET_HTTP_SECURE_CONNECTION_H_

// The server's side of one TLS connection: bytes of the wire in, bytes of HTTP out, and the other way round.
// Pure: it never sees a socket. What is to go to the peer is added to TlsBuffers::sealed, and is the caller's to send
// before it calls again.
// Thread: one. Owner: SecureConnection.
// Bounds: OpenSSL keeps a record that has not come whole, 16 KiB; a peer's certificates are at most 100 KiB.
#ifndef HORNET_TLS_TLS_STREAM_H_
#define HORNET_TLS_TLS_STREAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tls/tls_context.h"
#include "tls/tls_fault.h"
#include "tls/tls_pipe.h"

namespace hornet {

// One read of the wire. With what may be left of a record before it, that is never more than kTlsPlainBytesMax.
constexpr size_t kTlsWireBytesMax = 47 * 1024;
constexpr size_t kTlsPlainBytesMax = 64 * 1024;
constexpr size_t kTlsRecordBytesMax = 16 * 1024;  // of plain text (RFC 8446 section 5.1)

// Memory of one thread that all of its streams work in.
struct TlsBuffers {
  std::vector<char> sealed;
  char wire[kTlsWireBytesMax];
  char record[kTlsRecordBytesMax];
};

// What a handshake agreed on.
struct TlsSession {
  std::string protocol;
  std::string cipher;
  std::string cipher_standard_name;
  std::string cipher_version;
  std::string servername;
  std::string alpn_protocol;
  bool is_resumed = false;
  std::string verify_error;               // as Node names it; empty: none
  std::vector<std::string> certificates;  // of the client, DER, its own first
};

class TlsStream {
 public:
  // `may_speak_http2`: a client that prefers it gets it (TlsSession::alpn_protocol).
  TlsStream(std::shared_ptr<const TlsContext> context, TlsBuffers* buffers, bool may_speak_http2 = false);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  enum class Status : uint8_t {
    kOpen,
    kEnded,   // the peer has sent all it will (close_notify)
    kFailed,  // nothing more can be read or written
  };
  // Takes all of `data`, at most kTlsWireBytesMax. Up to kTlsPlainBytesMax of plain text go to `out`, whatever the
  // status: it is that of what follows them.
  Status Open(const char* data, size_t length, char* out, size_t* out_length);
  // Seals `length` bytes, at most kTlsRecordBytesMax, as one record; false: that cannot be. Only when is_established().
  bool Seal(const char* data, size_t length);
  // Tells the peer that no more will come.
  void End();

  // The handshake is done.
  bool is_established() const;
  // Once it has failed.
  TlsFault fault() const { return fault_; }
  TlsSession Describe() const;

 private:
  TlsFault ReadFault() const;

  const std::shared_ptr<const TlsContext> context_;
  const OpenSsl& openssl_;
  TlsBuffers* const buffers_;
  TlsPipe pipe_;
  SSL* ssl_;
  bool has_failed_ = false;
  TlsFault fault_ = TlsFault::kMalformed;
};

}  // namespace hornet

#endif  // HORNET_TLS_TLS_STREAM_H_

// What a server says of itself in a handshake, and what it asks of clients: certificates, keys, ciphers, versions.
// Thread: made on one, used on any afterwards; nothing in it changes.
// Owner:  shared by the I/O threads and by every connection whose handshake began with it: one that is replaced (a
//         renewed certificate) lives until its last connection has closed.
// Bounds: as many certificates as the operator gives.
#ifndef HORNET_TLS_TLS_CONTEXT_H_
#define HORNET_TLS_TLS_CONTEXT_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tls/openssl.h"

namespace hornet {

struct TlsCertificate {
  std::string chain_pem;            // its own first, then those that signed it
  std::string key_pem;              // not encrypted
  std::vector<std::string> names;   // of hosts, in lower case; `*.example.com`: for one label more
};

struct TlsOptions {
  enum class ClientCertificates { kNone, kOptional, kRequired };

  std::vector<TlsCertificate> certificates;  // at least one; the first is for clients that name no other's host
  ClientCertificates client_certificates = ClientCertificates::kNone;
  std::string ca_pem;   // whose certificates clients may have
  std::string ciphers;  // a cipher string for TLS 1.2 and TLS_... names for TLS 1.3; empty: ours
  bool needs_tls13 = false;
  bool offers_http2 = false;
};

class TlsContext {
 public:
  // Null when something in `options` cannot be used, which `error` then explains.
  static std::shared_ptr<const TlsContext> Make(const TlsOptions& options, std::string* error);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  const OpenSsl& openssl() const { return openssl_; }
  SSL_CTX* main() const { return contexts_.front(); }
  BIO_METHOD* pipe() const { return pipe_; }
  bool offers_http2() const { return offers_http2_; }
  // Before the handshake: `ssl` may agree on HTTP/2.
  static void OfferHttp2(const OpenSsl& openssl, SSL* ssl);
  // The one for a host name as a client gave it; null: the first.
  SSL_CTX* Find(const char* host) const;

 private:
  explicit TlsContext(const OpenSsl& openssl) : openssl_(openssl) {}

  bool Add(const TlsOptions& options, const TlsCertificate& certificate, std::string* error);
  bool SetCertificate(SSL_CTX* context, const TlsCertificate& certificate, std::string* error) const;
  bool SetCiphers(SSL_CTX* context, const TlsOptions& options, std::string* error) const;
  bool SetClientCertificates(SSL_CTX* context, const TlsOptions& options, std::string* error) const;

  const OpenSsl& openssl_;
  std::vector<SSL_CTX*> contexts_;
  std::map<std::string, SSL_CTX*, std::less<>> by_name_;
  BIO_METHOD* pipe_ = nullptr;
  bool offers_http2_ = false;
};

}  // namespace hornet

#endif  // HORNET_TLS_TLS_CONTEXT_H_

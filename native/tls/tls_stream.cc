#include "tls/tls_stream.h"

#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

#include "base/check.h"

namespace hornet {

namespace {

// The names that Node has for what is wrong with a certificate: those of OpenSSL without their prefix.
const char* VerifyErrorName(long code) {
  switch (code) {
#define HORNET_NAME(name) \
  case X509_V_ERR_##name: \
    return #name;
    HORNET_NAME(UNABLE_TO_GET_ISSUER_CERT)
    HORNET_NAME(UNABLE_TO_GET_CRL)
    HORNET_NAME(UNABLE_TO_DECRYPT_CERT_SIGNATURE)
    HORNET_NAME(UNABLE_TO_DECRYPT_CRL_SIGNATURE)
    HORNET_NAME(UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY)
    HORNET_NAME(CERT_SIGNATURE_FAILURE)
    HORNET_NAME(CRL_SIGNATURE_FAILURE)
    HORNET_NAME(CERT_NOT_YET_VALID)
    HORNET_NAME(CERT_HAS_EXPIRED)
    HORNET_NAME(CRL_NOT_YET_VALID)
    HORNET_NAME(CRL_HAS_EXPIRED)
    HORNET_NAME(ERROR_IN_CERT_NOT_BEFORE_FIELD)
    HORNET_NAME(ERROR_IN_CERT_NOT_AFTER_FIELD)
    HORNET_NAME(ERROR_IN_CRL_LAST_UPDATE_FIELD)
    HORNET_NAME(ERROR_IN_CRL_NEXT_UPDATE_FIELD)
    HORNET_NAME(OUT_OF_MEM)
    HORNET_NAME(DEPTH_ZERO_SELF_SIGNED_CERT)
    HORNET_NAME(SELF_SIGNED_CERT_IN_CHAIN)
    HORNET_NAME(UNABLE_TO_GET_ISSUER_CERT_LOCALLY)
    HORNET_NAME(UNABLE_TO_VERIFY_LEAF_SIGNATURE)
    HORNET_NAME(CERT_CHAIN_TOO_LONG)
    HORNET_NAME(CERT_REVOKED)
    HORNET_NAME(INVALID_CA)
    HORNET_NAME(PATH_LENGTH_EXCEEDED)
    HORNET_NAME(INVALID_PURPOSE)
    HORNET_NAME(CERT_UNTRUSTED)
    HORNET_NAME(CERT_REJECTED)
    HORNET_NAME(HOSTNAME_MISMATCH)
#undef HORNET_NAME
    default:
      return "UNSPECIFIED";
  }
}

std::string Text(const char* text) { return text == nullptr ? "" : text; }

std::string Der(const OpenSsl& openssl, X509* certificate) {
  const int length = openssl.i2d_X509(certificate, nullptr);
  if (length <= 0) return "";
  std::string der(static_cast<size_t>(length), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  openssl.i2d_X509(certificate, &out);
  return der;
}

}  // namespace

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context, TlsBuffers* buffers, bool may_speak_http2)
    : context_(std::move(context)), openssl_(context_->openssl()), buffers_(buffers) {
  ssl_ = openssl_.SSL_new(context_->main());
  BIO* bio = openssl_.BIO_new(context_->pipe());
  // As with the rest of a connection's memory: there is nothing to do without.
  CHECK(ssl_ != nullptr && bio != nullptr);
  pipe_.outgoing = &buffers_->sealed;
  openssl_.BIO_set_data(bio, &pipe_);
  openssl_.BIO_set_init(bio, 1);
  openssl_.SSL_set_bio(ssl_, bio, bio);  // takes it
  openssl_.SSL_set_accept_state(ssl_);
  if (may_speak_http2) TlsContext::OfferHttp2(openssl_, ssl_);
}

TlsStream::~TlsStream() { openssl_.SSL_free(ssl_); }

bool TlsStream::is_established() const { return !has_failed_ && openssl_.SSL_is_init_finished(ssl_) == 1; }

TlsStream::Status TlsStream::Open(const char* data, size_t length, char* out, size_t* out_length) {
  *out_length = 0;
  if (has_failed_) return Status::kFailed;
  DCHECK(length <= kTlsWireBytesMax);
  pipe_.incoming = data;
  pipe_.incoming_length = length;
  Status status = Status::kOpen;
  for (;;) {
    openssl_.ERR_clear_error();
    // At least 1 KiB: a record of which a part was here holds kTlsRecordBytesMax at most, and the rest is no longer
    // than `data`.
    const size_t room = kTlsPlainBytesMax - *out_length;
    const int count = openssl_.SSL_read(ssl_, out + *out_length, static_cast<int>(room));
    if (count > 0) {
      *out_length += static_cast<size_t>(count);
      continue;
    }
    const int error = openssl_.SSL_get_error(ssl_, count);
    if (error == SSL_ERROR_WANT_READ) break;
    if (error == SSL_ERROR_ZERO_RETURN) {
      status = Status::kEnded;
      break;
    }
    fault_ = ReadFault();
    has_failed_ = true;
    status = Status::kFailed;
    break;
  }
  openssl_.ERR_clear_error();
  pipe_.incoming_length = 0;
  return status;
}

bool TlsStream::Seal(const char* data, size_t length) {
  DCHECK(length > 0 && length <= kTlsRecordBytesMax);
  openssl_.ERR_clear_error();
  if (openssl_.SSL_write(ssl_, data, static_cast<int>(length)) == static_cast<int>(length)) return true;
  openssl_.ERR_clear_error();
  has_failed_ = true;
  return false;
}

void TlsStream::End() {
  if (!is_established()) return;
  openssl_.SSL_shutdown(ssl_);
  openssl_.ERR_clear_error();
}

TlsFault TlsStream::ReadFault() const {
  switch (ERR_GET_REASON(openssl_.ERR_peek_error())) {
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_INAPPROPRIATE_FALLBACK:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
      return TlsFault::kProtocol;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
      return TlsFault::kCertificate;
    default:
      return TlsFault::kMalformed;
  }
}

TlsSession TlsStream::Describe() const {
  TlsSession session;
  session.protocol = Text(openssl_.SSL_get_version(ssl_));
  if (const SSL_CIPHER* cipher = openssl_.SSL_get_current_cipher(ssl_)) {
    session.cipher = Text(openssl_.SSL_CIPHER_get_name(cipher));
    session.cipher_standard_name = Text(openssl_.SSL_CIPHER_standard_name(cipher));
    session.cipher_version = Text(openssl_.SSL_CIPHER_get_version(cipher));
  }
  session.servername = Text(openssl_.SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name));
  const unsigned char* protocol = nullptr;
  unsigned int protocol_length = 0;
  openssl_.SSL_get0_alpn_selected(ssl_, &protocol, &protocol_length);
  if (protocol != nullptr) session.alpn_protocol.assign(reinterpret_cast<const char*>(protocol), protocol_length);
  session.is_resumed = openssl_.SSL_session_reused(ssl_) == 1;
  X509* own = openssl_.SSL_get1_peer_certificate(ssl_);
  if (own == nullptr) return session;
  const long verified = openssl_.SSL_get_verify_result(ssl_);
  if (verified != X509_V_OK) session.verify_error = VerifyErrorName(verified);
  session.certificates.push_back(Der(openssl_, own));
  openssl_.X509_free(own);
  // The chain of a server's peer leaves out the peer's own.
  auto* chain = reinterpret_cast<const OPENSSL_STACK*>(openssl_.SSL_get_peer_cert_chain(ssl_));
  const int count = chain == nullptr ? 0 : openssl_.OPENSSL_sk_num(chain);
  for (int i = 0; i < count; i++) {
    session.certificates.push_back(Der(openssl_, static_cast<X509*>(openssl_.OPENSSL_sk_value(chain, i))));
  }
  return session;
}

}  // namespace hornet

#include "tls/tls_context.h"

#include <cctype>
#include <cstring>

#include "tls/tls_pipe.h"

namespace hornet {

namespace {

// Forward secrecy and authenticated encryption only: what every client of the last ten years speaks.
constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr unsigned char kSessionContext[] = "hornet";
// As ALPN writes names: each behind its length.
constexpr std::string_view kHttp11 = "\x08http/1.1";
constexpr std::string_view kHttp2 = "\x02h2";
// Where an SSL keeps what of ours belongs to it: here, whether it may agree on HTTP/2.
constexpr int kOwnData = 0;
char g_may_speak_http2;
constexpr size_t kHostBytesMax = 253;  // RFC 1035 section 2.3.4, in text

// A key that needs a passphrase is refused; OpenSSL itself would ask the terminal for one.
int RefusePassphrase(char*, int, int, void*) { return -1; }

// An optional certificate that does not verify is the application's to judge.
int AcceptAny(int, X509_STORE_CTX*) { return 1; }

// "What OpenSSL says: the last of its errors", and forgets them.
std::string Explain(const OpenSsl& openssl, const char* what) {
  unsigned long code = openssl.ERR_peek_last_error();
  openssl.ERR_clear_error();
  std::string text = what;
  if (code == 0) return text;
  char reason[256];
  openssl.ERR_error_string_n(code, reason, sizeof(reason));
  return text + " (" + reason + ")";
}

// HTTP/2 before HTTP/1.1, of what the client offers; if that is neither, it hears so (RFC 7301 section 3.2).
int ChooseProtocol(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_length, const unsigned char* offered,
                   unsigned int length, void* self) {
  const OpenSsl& openssl = static_cast<const TlsContext*>(self)->openssl();
  const std::string_view names(reinterpret_cast<const char*>(offered), length);
  for (const std::string_view wanted : {kHttp2, kHttp11}) {
    if (wanted == kHttp2 && openssl.SSL_get_ex_data(ssl, kOwnData) == nullptr) continue;
    for (size_t at = 0; at < names.size(); at += 1u + offered[at]) {
      if (!names.substr(at).starts_with(wanted)) continue;
      *chosen = offered + at + 1;
      *chosen_length = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int ChooseCertificate(SSL* ssl, int*, void* self) {
  const auto* context = static_cast<const TlsContext*>(self);
  const char* host = context->openssl().SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (host == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_CTX* found = context->Find(host);
  if (found != context->main()) context->openssl().SSL_set_SSL_CTX(ssl, found);
  return SSL_TLSEXT_ERR_OK;
}

// PEM text in memory. The text must outlive it.
class PemReader {
 public:
  PemReader(const OpenSsl& openssl, const std::string& text)
      : openssl_(openssl), bio_(openssl.BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))) {}
  ~PemReader() { openssl_.BIO_free(bio_); }
  PemReader(const PemReader&) = delete;
  PemReader& operator=(const PemReader&) = delete;

  // Null: there is no more, or what comes is no certificate. The caller's.
  X509* Certificate() { return openssl_.PEM_read_bio_X509(bio_, nullptr, RefusePassphrase, nullptr); }
  EVP_PKEY* Key() { return openssl_.PEM_read_bio_PrivateKey(bio_, nullptr, RefusePassphrase, nullptr); }

 private:
  const OpenSsl& openssl_;
  BIO* bio_;
};

}  // namespace

std::shared_ptr<const TlsContext> TlsContext::Make(const TlsOptions& options, std::string* error) {
  std::string missing;
  const OpenSsl* openssl = FindOpenSsl(&missing);
  if (openssl == nullptr) {
    *error = "this Node.js has no OpenSSL to share: it lacks " + missing;
    return nullptr;
  }
  openssl->ERR_clear_error();
  std::shared_ptr<TlsContext> made(new TlsContext(*openssl));
  made->offers_http2_ = options.offers_http2;
  made->pipe_ = MakeTlsPipe(*openssl);
  if (made->pipe_ == nullptr) {
    *error = Explain(*openssl, "no memory");
    return nullptr;
  }
  for (const TlsCertificate& certificate : options.certificates) {
    if (!made->Add(options, certificate, error)) return nullptr;
  }
  if (made->contexts_.empty()) {
    *error = "there is no certificate";
    return nullptr;
  }
  // Where a handshake begins; the others are chosen in the middle of it.
  openssl->SSL_CTX_callback_ctrl(made->main(), SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                                 reinterpret_cast<void (*)(void)>(ChooseCertificate));
  openssl->SSL_CTX_ctrl(made->main(), SSL_CTRL_SET_TLSEXT_SERVERNAME_ARG, 0, made.get());
  return made;
}

TlsContext::~TlsContext() {
  for (SSL_CTX* context : contexts_) openssl_.SSL_CTX_free(context);
  if (pipe_ != nullptr) openssl_.BIO_meth_free(pipe_);
}

void TlsContext::OfferHttp2(const OpenSsl& openssl, SSL* ssl) {
  openssl.SSL_set_ex_data(ssl, kOwnData, &g_may_speak_http2);
}

SSL_CTX* TlsContext::Find(const char* host) const {
  const size_t length = std::strlen(host);
  if (length > kHostBytesMax) return main();
  char name[kHostBytesMax + 1];
  for (size_t i = 0; i <= length; i++) name[i] = static_cast<char>(std::tolower(static_cast<unsigned char>(host[i])));
  auto found = by_name_.find(std::string_view(name, length));
  if (found != by_name_.end()) return found->second;
  char* dot = std::strchr(name, '.');
  if (dot == nullptr || dot == name) return main();
  dot[-1] = '*';
  found = by_name_.find(std::string_view(dot - 1));
  return found != by_name_.end() ? found->second : main();
}

bool TlsContext::Add(const TlsOptions& options, const TlsCertificate& certificate, std::string* error) {
  SSL_CTX* context = openssl_.SSL_CTX_new(openssl_.TLS_server_method());
  if (context == nullptr) {
    *error = Explain(openssl_, "no TLS context can be made");
    return false;
  }
  contexts_.push_back(context);
  openssl_.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, options.needs_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION,
                        nullptr);
  // Renegotiation lets a client have any number of handshakes for one connection. An end without close_notify is told
  // by HTTP's own framing.
  openssl_.SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                            SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                            SSL_OP_IGNORE_UNEXPECTED_EOF);
  // An idle connection keeps no record buffers: 34 KiB each.
  openssl_.SSL_CTX_ctrl(context, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, nullptr);
  // Sessions are resumed by tickets, which the client keeps: nothing is stored here, and nothing shared under a lock.
  openssl_.SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, nullptr);
  openssl_.SSL_CTX_set_session_id_context(context, kSessionContext, sizeof(kSessionContext) - 1);
  openssl_.SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, this);
  if (!SetCiphers(context, options, error) || !SetCertificate(context, certificate, error) ||
      !SetClientCertificates(context, options, error)) {
    return false;
  }
  // Of two for one name the first counts, as with the default.
  for (const std::string& name : certificate.names) by_name_.emplace(name, context);
  return true;
}

bool TlsContext::SetCertificate(SSL_CTX* context, const TlsCertificate& certificate, std::string* error) const {
  PemReader chain(openssl_, certificate.chain_pem);
  X509* own = chain.Certificate();
  bool is_good = own != nullptr && openssl_.SSL_CTX_use_certificate(context, own) == 1;
  openssl_.X509_free(own);
  if (!is_good) {
    *error = Explain(openssl_, "the certificate cannot be used");
    return false;
  }
  while (X509* issuer = chain.Certificate()) {
    if (openssl_.SSL_CTX_ctrl(context, SSL_CTRL_CHAIN_CERT, 0, issuer) != 1) {
      openssl_.X509_free(issuer);
      *error = Explain(openssl_, "a certificate of the chain cannot be used");
      return false;
    }
  }
  openssl_.ERR_clear_error();  // that there are no more
  PemReader text(openssl_, certificate.key_pem);
  EVP_PKEY* key = text.Key();
  if (key == nullptr) {
    *error = Explain(openssl_, "the private key cannot be read");
    return false;
  }
  is_good = openssl_.SSL_CTX_use_PrivateKey(context, key) == 1 && openssl_.SSL_CTX_check_private_key(context) == 1;
  openssl_.EVP_PKEY_free(key);
  if (!is_good) *error = Explain(openssl_, "the private key does not belong to the certificate");
  return is_good;
}

// As Node has it: who names ciphers of one protocol version alone wants no other.
bool TlsContext::SetCiphers(SSL_CTX* context, const TlsOptions& options, std::string* error) const {
  std::string old;
  std::string suites;
  size_t from = 0;
  while (from < options.ciphers.size()) {
    size_t end = options.ciphers.find(':', from);
    if (end == std::string::npos) end = options.ciphers.size();
    const std::string name = options.ciphers.substr(from, end - from);
    from = end + 1;
    if (name.empty()) continue;
    std::string& list = name.starts_with("TLS_") ? suites : old;
    if (!list.empty()) list += ':';
    list += name;
  }
  if (!suites.empty() && openssl_.SSL_CTX_set_ciphersuites(context, suites.c_str()) != 1) {
    *error = Explain(openssl_, "no such TLS 1.3 cipher suites");
    return false;
  }
  if (openssl_.SSL_CTX_set_cipher_list(context, old.empty() ? kCiphers : old.c_str()) != 1) {
    *error = Explain(openssl_, "no such ciphers");
    return false;
  }
  if (old.empty() == suites.empty()) return true;
  if (old.empty()) {
    openssl_.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_3_VERSION, nullptr);
  } else if (options.needs_tls13) {
    *error = "the ciphers have none of TLS 1.3, which is the least version";
    return false;
  } else {
    openssl_.SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, TLS1_2_VERSION, nullptr);
  }
  return true;
}

bool TlsContext::SetClientCertificates(SSL_CTX* context, const TlsOptions& options, std::string* error) const {
  if (options.client_certificates == TlsOptions::ClientCertificates::kNone) return true;
  PemReader reader(openssl_, options.ca_pem);
  X509_STORE* store = openssl_.SSL_CTX_get_cert_store(context);
  int count = 0;
  while (X509* authority = reader.Certificate()) {
    const bool is_good =
        openssl_.X509_STORE_add_cert(store, authority) == 1 && openssl_.SSL_CTX_add_client_CA(context, authority) == 1;
    openssl_.X509_free(authority);
    if (!is_good) break;
    count++;
  }
  // The reader has come to the end of the text, or to something else.
  const unsigned long code = openssl_.ERR_peek_last_error();
  if (count == 0 || ERR_GET_REASON(code) != PEM_R_NO_START_LINE) {
    *error = Explain(openssl_, "a certificate authority for clients cannot be used");
    return false;
  }
  openssl_.ERR_clear_error();
  if (options.client_certificates == TlsOptions::ClientCertificates::kRequired) {
    openssl_.SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  } else {
    openssl_.SSL_CTX_set_verify(context, SSL_VERIFY_PEER, AcceptAny);
  }
  return true;
}

}  // namespace hornet

// A TLS stream gives back what a client sealed, however the wire cuts it, ends when the client says so, and says why a
// handshake came to nothing. The client is OpenSSL's own.
// links: ssl tls
#include "tls/tls_stream.h"

#include <random>

#include "harness.h"
#include "tls_identity.h"

using namespace hornet;

namespace {

const Identity& Localhost() {
  static const auto made = MakeIdentity("localhost");
  return *made;
}

TlsOptions OptionsFor(const Identity& identity) {
  TlsOptions options;
  options.certificates.push_back({identity.pem, identity.key_pem, {}});
  return options;
}

std::shared_ptr<const TlsContext> Make(const TlsOptions& options) {
  std::string error;
  auto context = TlsContext::Make(options, &error);
  EXPECT_EQ(error, "");
  return context;
}

// The beginning of why these options cannot be used.
std::string WhyNot(const TlsOptions& options) {
  std::string error;
  EXPECT(TlsContext::Make(options, &error) == nullptr);
  return error.substr(0, error.find(" ("));
}

// A client with OpenSSL's own memory for a wire.
class Client {
 public:
  Client() : context_(SSL_CTX_new(TLS_client_method())) {}
  ~Client() {
    SSL_free(ssl_);
    SSL_SESSION_free(kept_);
    SSL_CTX_free(context_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  SSL_CTX* context() { return context_; }
  // A new connection, which resumes the session that was kept, if one was.
  void Connect(const char* host = nullptr) {
    // A session whose connection was dropped is not resumed.
    if (ssl_ != nullptr) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
    ssl_ = SSL_new(context_);
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_connect_state(ssl_);
    if (host != nullptr) SSL_set_tlsext_host_name(ssl_, host);
    if (kept_ != nullptr) SSL_set_session(ssl_, kept_);
  }
  void Keep() { kept_ = SSL_get1_session(ssl_); }
  SSL* ssl() { return ssl_; }
  void Put(const std::vector<char>& bytes) {
    if (!bytes.empty()) BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
  }
  // What it has to send by now.
  std::string Take() {
    std::string bytes(static_cast<size_t>(BIO_pending(out_)), '\0');
    if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  void Write(const std::string& text) {
    const int length = static_cast<int>(text.size());
    EXPECT_EQ(SSL_write(ssl_, text.data(), length), length);
  }
  // All that can be read by now.
  std::string Read() {
    std::string text;
    char part[20000];
    for (int count; (count = SSL_read(ssl_, part, sizeof(part))) > 0;) text.append(part, static_cast<size_t>(count));
    return text;
  }
  std::string PeerName() {
    X509* certificate = SSL_get1_peer_certificate(ssl_);
    char name[100] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
    X509_free(certificate);
    return name;
  }

 private:
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  SSL_SESSION* kept_ = nullptr;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
};

// The server's side, with the wire cut into pieces of `cut` bytes.
class Side {
 public:
  explicit Side(std::shared_ptr<const TlsContext> context, size_t cut = kTlsWireBytesMax)
      : buffers_(std::make_unique<TlsBuffers>()), stream(std::move(context), buffers_.get()), cut_(cut) {}

  // Takes what the client has to send, and gives it the answers.
  TlsStream::Status Hear(const std::string& wire, Client* client) {
    TlsStream::Status status = TlsStream::Status::kOpen;
    for (size_t at = 0; at < wire.size() && status == TlsStream::Status::kOpen; at += cut_) {
      // A copy of its own: the sanitizer sees a look beyond it.
      const std::vector<char> part(wire.begin() + static_cast<long>(at),
                                   wire.begin() + static_cast<long>(std::min(at + cut_, wire.size())));
      std::vector<char> plain(kTlsPlainBytesMax);
      size_t length = 0;
      status = stream.Open(part.data(), part.size(), plain.data(), &length);
      received.append(plain.data(), length);
      most_at_once = std::max(most_at_once, length);
    }
    Tell(client);
    return status;
  }
  void Tell(Client* client) {
    if (client != nullptr) client->Put(buffers_->sealed);
    buffers_->sealed.clear();
  }
  void Say(const std::string& text, Client* client) {
    for (size_t at = 0; at < text.size(); at += kTlsRecordBytesMax) {
      EXPECT(stream.Seal(text.data() + at, std::min(kTlsRecordBytesMax, text.size() - at)));
    }
    Tell(client);
  }

 private:
  std::unique_ptr<TlsBuffers> buffers_;

 public:
  TlsStream stream;
  std::string received;
  size_t most_at_once = 0;  // bytes of plain text from one read

 private:
  const size_t cut_;
};

// The state after a handshake, as far as it comes.
TlsStream::Status ShakeHands(Client* client, Side* side) {
  TlsStream::Status status = TlsStream::Status::kOpen;
  for (int turn = 0; turn < 4 && status == TlsStream::Status::kOpen; turn++) {
    SSL_do_handshake(client->ssl());
    status = side->Hear(client->Take(), client);
  }
  return status;
}

std::string Noise(size_t length, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(length, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

const char* FaultOf(Client* client, Side* side) {
  EXPECT(ShakeHands(client, side) == TlsStream::Status::kFailed);
  EXPECT(!side->stream.is_established());
  return kTlsFaultNames[static_cast<uint32_t>(side->stream.fault())];
}

}  // namespace

TEST(BytesBothWaysHoweverTheyAreCut) {
  auto context = Make(OptionsFor(Localhost()));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const size_t cut : {size_t{1}, size_t{7}, size_t{1000}, kTlsWireBytesMax}) {
      Client client;
      SSL_CTX_set_max_proto_version(client.context(), version);
      client.Connect("localhost");
      Side side(context, cut);
      EXPECT(ShakeHands(&client, &side) == TlsStream::Status::kOpen);
      EXPECT(side.stream.is_established());
      const TlsSession session = side.stream.Describe();
      EXPECT_EQ(session.protocol, version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
      EXPECT_EQ(session.servername, "localhost");
      EXPECT_EQ(session.alpn_protocol, "");
      EXPECT(!session.cipher.empty() && !session.cipher_standard_name.empty());
      EXPECT(session.certificates.empty() && session.verify_error.empty() && !session.is_resumed);
      const std::string up = Noise(100'000, 1);
      client.Write(up);
      EXPECT(side.Hear(client.Take(), &client) == TlsStream::Status::kOpen);
      EXPECT(side.received == up);
      const std::string down = Noise(100'000, 2);
      side.Say(down, &client);
      EXPECT(client.Read() == down);
    }
  }
}

// The bound that Open() has for its caller's buffer: the longest read behind the longest rest of a record.
TEST(NeverMorePlainTextThanThereIsRoomFor) {
  auto context = Make(OptionsFor(Localhost()));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (size_t rest = 0; rest < kTlsRecordBytesMax + 64; rest += 97) {
      Client client;
      SSL_CTX_set_max_proto_version(client.context(), version);
      client.Connect();
      Side side(context);
      ShakeHands(&client, &side);
      const std::string text = Noise(kTlsRecordBytesMax * 6, 3);
      client.Write(text);
      const std::string wire = client.Take();
      EXPECT(side.Hear(wire.substr(0, rest), &client) == TlsStream::Status::kOpen);
      EXPECT(side.Hear(wire.substr(rest), &client) == TlsStream::Status::kOpen);
      EXPECT(side.received == text);
      EXPECT(side.most_at_once <= kTlsPlainBytesMax - 1024);
    }
  }
}

TEST(AnEndBehindTheLastBytes) {
  auto context = Make(OptionsFor(Localhost()));
  Client client;
  client.Connect();
  Side side(context);
  ShakeHands(&client, &side);
  client.Write("last");
  SSL_shutdown(client.ssl());
  EXPECT(side.Hear(client.Take(), &client) == TlsStream::Status::kEnded);
  EXPECT_EQ(side.received, "last");
  // Ours has not ended: it may still be answered.
  side.Say("answer", &client);
  EXPECT_EQ(client.Read(), "answer");
  side.stream.End();
  side.Tell(&client);
  client.Read();
  EXPECT((SSL_get_shutdown(client.ssl()) & SSL_RECEIVED_SHUTDOWN) != 0);
}

TEST(TheCertificateOfTheNamedHost) {
  const auto main = MakeIdentity("main");
  const auto exact = MakeIdentity("exact");
  const auto wild = MakeIdentity("wild");
  TlsOptions options = OptionsFor(*main);
  options.certificates.push_back({exact->pem, exact->key_pem, {"a.example.com", "b.example.com"}});
  options.certificates.push_back({wild->pem, wild->key_pem, {"*.example.com", "b.example.com"}});
  auto context = Make(options);
  const std::string long_name = std::string(250, 'x') + ".example.com";
  const std::pair<const char*, const char*> cases[] = {
      {nullptr, "main"},           {"a.example.com", "exact"},   {"A.Example.COM", "exact"}, {"b.example.com", "exact"},
      {"c.example.com", "wild"},   {"d.c.example.com", "main"},  {"example.com", "main"},    {".example.com", "main"},
      {"other", "main"},           {long_name.c_str(), "main"},
  };
  for (const auto& [host, name] : cases) {
    Client client;
    client.Connect(host);
    Side side(context);
    EXPECT(ShakeHands(&client, &side) == TlsStream::Status::kOpen);
    EXPECT_EQ(client.PeerName(), name);
  }
}

TEST(OneProtocolIsSpoken) {
  auto context = Make(OptionsFor(Localhost()));
  const auto agreed = [&](const std::string& offered) -> std::string {
    Client client;
    SSL_CTX_set_alpn_protos(client.context(), reinterpret_cast<const unsigned char*>(offered.data()),
                            static_cast<unsigned>(offered.size()));
    client.Connect();
    Side side(context);
    return ShakeHands(&client, &side) == TlsStream::Status::kOpen
               ? side.stream.Describe().alpn_protocol
               : kTlsFaultNames[static_cast<uint32_t>(side.stream.fault())];
  };
  EXPECT_EQ(agreed("\x02h2\x08http/1.1"), "http/1.1");
  EXPECT_EQ(agreed("\x08http/1.1"), "http/1.1");
  EXPECT_EQ(agreed("\x02h2"), "protocol");
  EXPECT_EQ(agreed("\x08http/1.0\x02h2"), "protocol");
}

TEST(WhyThereIsNoHandshake) {
  auto context = Make(OptionsFor(Localhost()));
  {
    Client client;
    SSL_CTX_set_security_level(client.context(), 0);
    SSL_CTX_set_max_proto_version(client.context(), TLS1_1_VERSION);
    client.Connect();
    Side side(context);
    EXPECT_EQ(FaultOf(&client, &side), std::string("protocol"));
  }
  {
    Client client;
    SSL_CTX_set_max_proto_version(client.context(), TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(client.context(), "AES128-SHA");
    client.Connect();
    Side side(context);
    EXPECT_EQ(FaultOf(&client, &side), std::string("protocol"));
  }
  {
    TlsOptions options = OptionsFor(Localhost());
    options.needs_tls13 = true;
    Client client;
    SSL_CTX_set_max_proto_version(client.context(), TLS1_2_VERSION);
    client.Connect();
    Side side(Make(options));
    EXPECT_EQ(FaultOf(&client, &side), std::string("protocol"));
  }
  {
    // It does not know who signed ours.
    Client client;
    SSL_CTX_set_verify(client.context(), SSL_VERIFY_PEER, nullptr);
    client.Connect();
    Side side(context);
    EXPECT_EQ(FaultOf(&client, &side), std::string("certificate"));
  }
  Side side(context);
  EXPECT(side.Hear("what is this, if not TLS?", nullptr) == TlsStream::Status::kFailed);
  EXPECT(side.stream.fault() == TlsFault::kMalformed || side.stream.fault() == TlsFault::kProtocol);
  EXPECT(side.Hear("more", nullptr) == TlsStream::Status::kFailed);
}

TEST(CertificatesOfClients) {
  const auto authority = MakeIdentity("authority");
  const auto known = MakeIdentity("known", authority.get());
  const auto stranger = MakeIdentity("stranger");
  TlsOptions options = OptionsFor(Localhost());
  options.ca_pem = authority->pem;
  // "verify error/number of certificates", or the fault.
  const auto result = [&](const Identity* identity) -> std::string {
    Client client;
    if (identity != nullptr) {
      SSL_CTX_use_certificate(client.context(), identity->certificate);
      SSL_CTX_use_PrivateKey(client.context(), identity->key);
    }
    client.Connect();
    Side side(Make(options));
    if (ShakeHands(&client, &side) == TlsStream::Status::kFailed) {
      return kTlsFaultNames[static_cast<uint32_t>(side.stream.fault())];
    }
    const TlsSession session = side.stream.Describe();
    return session.verify_error + "/" + std::to_string(session.certificates.size());
  };
  EXPECT_EQ(result(known.get()), "/0");
  options.client_certificates = TlsOptions::ClientCertificates::kOptional;
  EXPECT_EQ(result(known.get()), "/1");
  EXPECT_EQ(result(stranger.get()), "DEPTH_ZERO_SELF_SIGNED_CERT/1");
  EXPECT_EQ(result(nullptr), "/0");
  options.client_certificates = TlsOptions::ClientCertificates::kRequired;
  EXPECT_EQ(result(known.get()), "/1");
  EXPECT_EQ(result(stranger.get()), "certificate");
  EXPECT_EQ(result(nullptr), "certificate");
}

TEST(ASessionIsResumed) {
  auto context = Make(OptionsFor(Localhost()));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Client client;
    SSL_CTX_set_max_proto_version(client.context(), version);
    client.Connect();
    Side first(context);
    ShakeHands(&client, &first);
    EXPECT(!first.stream.Describe().is_resumed);
    // The tickets of TLS 1.3 come behind the handshake.
    client.Read();
    client.Keep();
    client.Connect();
    Side second(context);
    EXPECT(ShakeHands(&client, &second) == TlsStream::Status::kOpen);
    EXPECT(second.stream.Describe().is_resumed);
    // The key of its tickets goes with a context.
    client.Connect();
    Side other(Make(OptionsFor(Localhost())));
    EXPECT(ShakeHands(&client, &other) == TlsStream::Status::kOpen);
    EXPECT(!other.stream.Describe().is_resumed);
  }
}

TEST(WhatCannotBeUsedIsExplained) {
  const auto other = MakeIdentity("other");
  const Identity& own = Localhost();
  EXPECT_EQ(WhyNot(TlsOptions()), "there is no certificate");
  TlsOptions options = OptionsFor(own);
  options.certificates[0].key_pem = other->key_pem;
  EXPECT_EQ(WhyNot(options), "the private key does not belong to the certificate");
  options.certificates[0].key_pem = KeyPemOf(own.key, "secret");
  EXPECT_EQ(WhyNot(options), "the private key cannot be read");
  options.certificates[0].key_pem = "";
  EXPECT_EQ(WhyNot(options), "the private key cannot be read");
  options = OptionsFor(own);
  options.certificates[0].chain_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_EQ(WhyNot(options), "the certificate cannot be used");
  options = OptionsFor(own);
  options.ciphers = "NO-SUCH-CIPHER";
  EXPECT_EQ(WhyNot(options), "no such ciphers");
  options.ciphers = "TLS_NO_SUCH_SUITE";
  EXPECT_EQ(WhyNot(options), "no such TLS 1.3 cipher suites");
  options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
  options.needs_tls13 = true;
  EXPECT_EQ(WhyNot(options), "the ciphers have none of TLS 1.3, which is the least version");
  options = OptionsFor(own);
  options.client_certificates = TlsOptions::ClientCertificates::kRequired;
  EXPECT_EQ(WhyNot(options), "a certificate authority for clients cannot be used");
  options.ca_pem = own.pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_EQ(WhyNot(options), "a certificate authority for clients cannot be used");
}

// Ciphers of one version alone rule out the other.
TEST(CiphersChooseTheVersion) {
  const auto version = [](const char* ciphers) -> std::string {
    TlsOptions options = OptionsFor(Localhost());
    options.ciphers = ciphers;
    Client client;
    client.Connect();
    Side side(Make(options));
    EXPECT(ShakeHands(&client, &side) == TlsStream::Status::kOpen);
    const TlsSession session = side.stream.Describe();
    return session.protocol + " " + session.cipher;
  };
  EXPECT_EQ(version("ECDHE-ECDSA-AES256-GCM-SHA384"), "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384");
  EXPECT_EQ(version("TLS_AES_128_GCM_SHA256"), "TLSv1.3 TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(version("ECDHE-ECDSA-AES256-GCM-SHA384:TLS_CHACHA20_POLY1305_SHA256"),
            "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256");
}

// Whatever bit of the wire is wrong: the stream fails or waits, and what it gave until then is what the client wrote.
TEST(AnyByteMayBeWrong) {
  auto context = Make(OptionsFor(Localhost()));
  std::mt19937 random(11);
  int failed = 0;
  int whole = 0;
  for (int round = 0; round < 400; round++) {
    Client client;
    client.Connect("localhost");
    Side side(context, 1 + random() % 2000);
    std::string sent;
    TlsStream::Status status = TlsStream::Status::kOpen;
    for (int turn = 0; turn < 4 && status == TlsStream::Status::kOpen; turn++) {
      SSL_do_handshake(client.ssl());
      if (SSL_is_init_finished(client.ssl())) {
        const std::string text = Noise(5000, random());
        client.Write(text);
        sent += text;
      }
      std::string wire = client.Take();
      if (!wire.empty() && random() % 2 == 0) wire[random() % wire.size()] ^= static_cast<char>(1u << random() % 8);
      status = side.Hear(wire, &client);
    }
    EXPECT(sent.starts_with(side.received));
    failed += status == TlsStream::Status::kFailed ? 1 : 0;
    whole += side.received == sent && !sent.empty() ? 1 : 0;
  }
  EXPECT(failed > 100 && whole > 20);
}

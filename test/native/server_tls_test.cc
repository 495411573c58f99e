// What server_test.cc keeps holds under TLS as well, and handshakes may go wrong in any way.
// links: uv ssl loop net tls static server http http2
// defines: HORNET_TEST_TLS
#include "server_test.cc"

namespace hornet {

namespace {

// A socket without TLS, for what a client should not send.
class PlainClient {
 public:
  explicit PlainClient(const SocketAddress& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address.storage), address.length), 0);
  }
  ~PlainClient() { close(fd_); }
  PlainClient(const PlainClient&) = delete;
  PlainClient& operator=(const PlainClient&) = delete;

  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void End() { shutdown(fd_, SHUT_WR); }
  std::string ReadToEnd() {
    std::string text;
    char part[4096];
    for (;;) {
      pollfd ready = {fd_, POLLIN, 0};
      if (poll(&ready, 1, kDeadlineMs) != 1) {
        EXPECT(!"bytes or an end in time");
        return text;
      }
      const ssize_t count = recv(fd_, part, sizeof(part), 0);
      if (count <= 0) return text;
      text.append(part, static_cast<size_t>(count));
    }
  }

 private:
  const int fd_;
};

// What a client says first.
std::string ClientHello() {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = SSL_new(context);
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, in, out);
  SSL_set_connect_state(ssl);
  SSL_do_handshake(ssl);
  std::string bytes(static_cast<size_t>(BIO_pending(out)), '\0');
  BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  SSL_free(ssl);
  SSL_CTX_free(context);
  return bytes;
}

uint64_t FaultsOf(ServerUnderTest* server, TlsFault fault) {
  return (*server)->Snapshot().http.tls_faults[static_cast<uint32_t>(fault)];
}

}  // namespace

TEST(RequestsWithoutTlsAreToldSo) {
  ServerUnderTest server;
  for (const std::string& bytes : {Get("/"), std::string("G"), Post(200'000, 200'000), std::string("hello\r\n")}) {
    PlainClient client(server.address());
    client.Send(bytes);
    EXPECT_EQ(Client::Count(client.ReadToEnd(), "HTTP/1.1 400"), 1u);
  }
  EXPECT_EQ(FaultsOf(&server, TlsFault::kPlainHttp), 4u);
}

TEST(WhatIsNoHandshakeGetsAnAlert) {
  ServerUnderTest server;
  std::mt19937 random(5);
  for (int i = 0; i < 40; i++) {
    std::string bytes = i % 2 == 0 ? std::string("\x16\x03\x01\x00\x05", 5) : std::string("\x80", 1);
    for (uint32_t count = 200 + random() % 70'000; count > 0; count--) bytes += static_cast<char>(random());
    PlainClient client(server.address());
    client.Send(bytes);
    client.End();
    const std::string answer = client.ReadToEnd();
    // A record of the type alert; some faults are too early for one.
    EXPECT(answer.empty() || answer[0] == 21);
  }
  EXPECT_EQ(FaultsOf(&server, TlsFault::kMalformed) + FaultsOf(&server, TlsFault::kProtocol), 40u);
  EXPECT_EQ(server->Snapshot().http.tls_handshakes, 0u);
}

TEST(AHandshakeMayStopAnywhere) {
  ServerUnderTest server;
  const std::string hello = ClientHello();
  for (size_t length = 1; length < hello.size(); length += 13) {
    PlainClient client(server.address());
    client.Send(hello.substr(0, length));
  }
  std::vector<std::unique_ptr<PlainClient>> waiting;
  for (size_t length = 1; length < hello.size(); length += 29) {
    waiting.push_back(std::make_unique<PlainClient>(server.address()));
    waiting.back()->Send(hello.substr(0, length));
  }
  Client client(server.address());
  client.Send(Get("/", kClose));
  EXPECT_EQ(Client::Count(client.ReadToEnd(), kOk), 1u);
  EXPECT_EQ(server->Snapshot().http.tls_handshakes, 1u);
}

// Those that are silent, too: no more is done for them than without TLS.
TEST(AHandshakeHasTheTimeOfAHead) {
  ServerLimits limits = ServerUnderTest::DefaultLimits();
  limits.http.header_timeout_ms = 50;
  ServerUnderTest server(limits);
  PlainClient silent(server.address());
  PlainClient stopped(server.address());
  stopped.Send(ClientHello());
  EXPECT_EQ(silent.ReadToEnd(), "");
  EXPECT(!stopped.ReadToEnd().empty());
  EXPECT_EQ(server->Snapshot().http.header_timeouts, 2u);
}

// Each update of keys that it asks for is answered. What the kernel has no room for is kept, and that has a bound.
TEST(AClientThatReadsNothingIsNotAnsweredWithoutEnd) {
  ServerUnderTest server;
  // Little room for what it does not read.
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const int room = 4096;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&server.address().storage), server.address().length), 0);
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  EXPECT_EQ(SSL_connect(ssl), 1);
  // Some of a body between two of them: without that OpenSSL itself ends it after 32.
  const std::string head = Post(1'000'000, 0);
  EXPECT(SSL_write(ssl, head.data(), static_cast<int>(head.size())) > 0);
  for (int i = 0; i < 300'000; i++) {
    if (SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) != 1 || SSL_write(ssl, "x", 1) != 1) break;
  }
  // By a reset: it has not read what was sent.
  pollfd cut = {fd, 0, 0};
  EXPECT_EQ(poll(&cut, 1, kDeadlineMs), 1);
  SSL_free(ssl);
  SSL_CTX_free(context);
  close(fd);
  Client client(server.address());
  client.Send(Get("/", kClose));
  EXPECT_EQ(Client::Count(client.ReadToEnd(), kOk), 1u);
}

TEST(ANewCertificateIsForNewConnections) {
  ServerUnderTest server;
  Client before(server.address());
  before.Send(Get("/"));
  before.ReadUntil("\r\n\r\n0");
  for (int i = 0; i < 10; i++) {
    server->SetTls(ContextForTests());
    Client client(server.address());
    client.Send(Get("/", kClose));
    EXPECT_EQ(Client::Count(client.ReadToEnd(), kOk), 1u);
  }
  before.Send(Get("/", kClose));
  EXPECT_EQ(Client::Count(before.ReadToEnd(), kOk), 1u);
}

}  // namespace hornet

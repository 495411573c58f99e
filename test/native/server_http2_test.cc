// The native server whole, over HTTP/2 (RFC 9113): many requests of one connection, their bodies both ways, clients
// that take requests back or leave, and frames that are wrong. The client's frames are made by nghttp2.
// links: uv ssl nghttp2 loop net tls static server http http2
// defines: HORNET_TEST_TLS
#include <nghttp2/nghttp2.h>

#include <map>

#include "server_test.cc"

namespace hornet {

namespace {

// A client of HTTP/2, used by one thread.
class Http2Client {
 public:
  struct Answer {
    std::string status;
    std::string fields;
    std::string body;
    bool is_closed = false;
    uint32_t error = 0;
  };

  explicit Http2Client(const SocketAddress& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address.storage), address.length), 0);
    static SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    ssl_ = SSL_new(context);
    static constexpr unsigned char kOffered[] = "\x08http/1.1\x02h2";
    SSL_set_alpn_protos(ssl_, kOffered, sizeof(kOffered) - 1);
    SSL_set_fd(ssl_, fd_);
    EXPECT_EQ(SSL_connect(ssl_), 1);
    const unsigned char* chosen = nullptr;
    unsigned int length = 0;
    SSL_get0_alpn_selected(ssl_, &chosen, &length);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), length), "h2");
    nghttp2_session_callbacks* callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_length,
                      const uint8_t* value, size_t value_length, uint8_t, void* self) {
          Answer& answer = static_cast<Http2Client*>(self)->answers[frame->hd.stream_id];
          const std::string field(reinterpret_cast<const char*>(name), name_length);
          const std::string text(reinterpret_cast<const char*>(value), value_length);
          if (field == ":status") {
            answer.status += (answer.status.empty() ? "" : " ") + text;
          } else {
            answer.fields += field + "=" + text + ";";
          }
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t length, void* self) {
          static_cast<Http2Client*>(self)->answers[id].body.append(reinterpret_cast<const char*>(data), length);
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, int32_t id, uint32_t error, void* self) {
          auto* client = static_cast<Http2Client*>(self);
          client->answers[id].is_closed = true;
          client->answers[id].error = error;
          client->open_--;
          return 0;
        });
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Http2Client() {
    nghttp2_session_del(session_);
    SSL_free(ssl_);
    if (fd_ >= 0) close(fd_);
  }
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;

  int32_t Request(const std::string& method, const std::string& path, std::string body = "",
                  std::vector<std::pair<std::string, std::string>> fields = {}) {
    std::vector<std::pair<std::string, std::string>> all = {
        {":method", method}, {":path", path}, {":scheme", "https"}, {":authority", "a.test"}};
    all.insert(all.end(), fields.begin(), fields.end());
    std::vector<nghttp2_nv> list;
    for (auto& [name, value] : all) {
      list.push_back({reinterpret_cast<uint8_t*>(name.data()), reinterpret_cast<uint8_t*>(value.data()), name.size(),
                      value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    auto* left = new Body{std::move(body), 0};
    bodies_.emplace_back(left);
    nghttp2_data_provider provider = {};
    provider.source.ptr = left;
    provider.read_callback = [](nghttp2_session*, int32_t, uint8_t* buffer, size_t length, uint32_t* flags,
                                nghttp2_data_source* source, void*) -> ssize_t {
      auto* from = static_cast<Body*>(source->ptr);
      const size_t count = std::min(length, from->text.size() - from->at);
      std::memcpy(buffer, from->text.data() + from->at, count);
      from->at += count;
      if (from->at == from->text.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(count);
    };
    const int32_t id = nghttp2_submit_request(session_, nullptr, list.data(), list.size(),
                                              left->text.empty() ? nullptr : &provider, nullptr);
    EXPECT(id > 0);
    open_++;
    return id;
  }
  void Cancel(int32_t id) { nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL); }

  // Sends what there is to send; false: the server has closed.
  bool Send() {
    for (;;) {
      const uint8_t* data;
      const ssize_t length = nghttp2_session_mem_send(session_, &data);
      if (length <= 0) return length == 0;
      if (!SendBytes(std::string_view(reinterpret_cast<const char*>(data), static_cast<size_t>(length)))) return false;
    }
  }
  bool SendBytes(std::string_view bytes) {
    return bytes.empty() || SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
  }
  // Sends and receives until every request has ended, or the server has closed; false: the latter.
  bool Finish() {
    while (open_ > 0) {
      if (!Send() || !Receive()) return false;
    }
    return Send();
  }
  bool has_bytes() {
    pollfd ready = {fd_, POLLIN, 0};
    return SSL_pending(ssl_) > 0 || poll(&ready, 1, 10) == 1;
  }
  // The first bytes that come, or none.
  bool Receive() {
    pollfd ready = {fd_, POLLIN, 0};
    if (SSL_pending(ssl_) == 0 && poll(&ready, 1, kDeadlineMs) != 1) {
      EXPECT(!"bytes or an end in time");
      return false;
    }
    char part[16384];
    const int count = SSL_read(ssl_, part, sizeof(part));
    if (count <= 0) return false;
    received_.append(part, static_cast<size_t>(count));
    return nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(part), static_cast<size_t>(count)) > 0;
  }
  void ReadToEnd() {
    while (Receive()) Send();
  }
  void Reset() {
    const linger now = {1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd_);
    fd_ = -1;
  }
  const std::string& received() const { return received_; }

  std::map<int32_t, Answer> answers;

 private:
  struct Body {
    std::string text;
    size_t at;
  };

  int fd_;
  SSL* ssl_ = nullptr;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Body>> bodies_;
  std::string received_;
  int open_ = 0;
};

// Nothing of what went before is left: no stream, no request in flight.
void ExpectServes(ServerUnderTest* server) {
  Http2Client client(server->address());
  const int32_t id = client.Request("GET", "/");
  EXPECT(client.Finish());
  EXPECT_EQ(client.answers[id].status, "200");
}

std::string FrameOf(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
  std::string frame;
  for (const int shift : {16, 8, 0}) frame += static_cast<char>(payload.size() >> shift);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(stream >> shift);
  return frame + payload;
}

}  // namespace

TEST(ManyRequestsAtOnce) {
  ServerUnderTest server;
  Http2Client client(server.address());
  std::vector<int32_t> ids;
  for (int i = 0; i < 1000; i++) ids.push_back(client.Request("GET", i % 3 == 0 ? "/raw" : "/"));
  EXPECT(client.Finish());
  for (const int32_t id : ids) {
    EXPECT_EQ(client.answers[id].status, "200");
    EXPECT_EQ(client.answers[id].error, 0u);
  }
}

TEST(BodiesUpwardsOfAnySize) {
  ServerUnderTest server;
  Http2Client client(server.address());
  std::map<int32_t, size_t> lengths;
  for (const size_t length : {size_t{1}, size_t{4096}, size_t{4097}, size_t{70'000}, size_t{3'000'000}}) {
    lengths[client.Request("POST", "/", std::string(length, 'x'))] = length;
    lengths[client.Request("POST", "/", std::string(length, 'x'), {{"content-length", std::to_string(length)}})] =
        length;
  }
  EXPECT(client.Finish());
  for (const auto& [id, length] : lengths) EXPECT_EQ(client.answers[id].body, std::to_string(length));
}

TEST(BodiesDownwardsOfASize) {
  ServerUnderTest server;
  Http2Client client(server.address());
  std::vector<int32_t> ids;
  for (int i = 0; i < 20; i++) ids.push_back(client.Request("GET", "/big"));
  EXPECT(client.Finish());
  for (const int32_t id : ids) EXPECT_EQ(client.answers[id].body.size(), size_t{kBigBytes});
}

TEST(HeadsThatAreRefused) {
  ServerUnderTest server;
  Http2Client client(server.address());
  const int32_t large = client.Request("GET", "/", "", {{"x-large", std::string(60'000, 'a')}});
  const int32_t line = client.Request("GET", "/" + std::string(9000, 'a'));
  const int32_t method = client.Request("BREW", "/");
  const int32_t blank = client.Request("GET", "/a b");
  const int32_t head = client.Request("HEAD", "/");
  EXPECT(client.Finish());
  EXPECT_EQ(client.answers[large].status, "431");
  EXPECT_EQ(client.answers[line].status, "414");
  EXPECT_EQ(client.answers[method].status, "501");
  // Not a request of two lines, whatever it is.
  EXPECT(client.answers[blank].error != 0 || client.answers[blank].status == "400");
  EXPECT_EQ(client.answers[head].status, "200");
  EXPECT_EQ(client.answers[head].body, "");
}

TEST(AResponseThatIsCutOff) {
  ServerUnderTest server;
  Http2Client client(server.address());
  const int32_t destroyed = client.Request("GET", "/destroy");
  const int32_t other = client.Request("GET", "/");
  EXPECT(client.Finish());
  EXPECT(client.answers[destroyed].error != 0);
  EXPECT_EQ(client.answers[other].status, "200");
}

TEST(RequestsThatAreTakenBack) {
  ServerUnderTest server;
  Http2Client client(server.address());
  for (int round = 0; round < 20; round++) {
    std::vector<int32_t> ids;
    for (int i = 0; i < 10; i++) {
      ids.push_back(client.Request(i % 2 == 0 ? "GET" : "POST", i % 3 == 0 ? "/hold" : "/big",
                                   i % 2 == 0 ? "" : std::string(100'000, 'x')));
    }
    client.Send();
    for (const int32_t id : ids) client.Cancel(id);
    const int32_t last = client.Request("GET", "/");
    EXPECT(client.Finish());
    EXPECT_EQ(client.answers[last].status, "200");
  }
}

TEST(WorkersThatDie) {
  ServerUnderTest server;
  Http2Client client(server.address());
  std::vector<int32_t> held;
  for (int i = 0; i < 10; i++) held.push_back(client.Request("GET", "/hold"));
  client.Send();
  // Both hold some by the time that an answer comes from a later request.
  ExpectServes(&server);
  for (const size_t index : {size_t{0}, size_t{1}}) {
    server.worker(index)->Stop();
    server->RemoveWorker(server.worker(index)->id());
  }
  server.AddWorker();
  EXPECT(client.Finish());
  for (const int32_t id : held) EXPECT_EQ(client.answers[id].status, "502");
  const int32_t next = client.Request("GET", "/");
  EXPECT(client.Finish());
  EXPECT_EQ(client.answers[next].status, "200");
}

TEST(ClientsThatLeave) {
  ServerUnderTest server;
  for (int i = 0; i < 30; i++) {
    Http2Client client(server.address());
    for (const char* path : {"/hold", "/big", "/", "/destroy", "/raw"}) {
      client.Request("GET", path);
      client.Request("POST", path, std::string(50'000, 'x'));
    }
    if (i % 3 != 0) client.Send();
    if (i % 3 == 2) client.Receive();
    if (i % 2 == 0) client.Reset();
  }
  ExpectServes(&server);
}

TEST(ADrainFinishesWhatIsOpen) {
  ServerUnderTest server;
  Http2Client client(server.address());
  const int32_t first = client.Request("GET", "/");
  EXPECT(client.Finish());
  EXPECT_EQ(client.answers[first].status, "200");
  const int32_t last = client.Request("GET", "/big");
  client.Send();
  server->Drain(false);
  EXPECT(client.Finish());
  EXPECT_EQ(client.answers[last].body.size(), size_t{kBigBytes});
  client.ReadToEnd();
  EXPECT(server.WaitFor(IoEvent::Type::kDrained));
}

TEST(AnIdleConnectionEnds) {
  ServerLimits limits = ServerUnderTest::DefaultLimits();
  limits.http.keep_alive_ms = 50;
  limits.http.header_timeout_ms = 50;
  ServerUnderTest server(limits);
  Http2Client used(server.address());
  used.Request("GET", "/");
  EXPECT(used.Finish());
  used.ReadToEnd();
  Http2Client unused(server.address());
  unused.Send();
  unused.ReadToEnd();
  EXPECT_EQ(server->Snapshot().http.header_timeouts, 1u);
  // A head that does not end.
  Http2Client slow(server.address());
  slow.Send();
  slow.SendBytes(FrameOf(1, 0, 1, "\x82"));
  // Another frame, as an acknowledgement, would be a fault in the middle of a head.
  while (slow.Receive()) {
  }
  EXPECT_EQ(server->Snapshot().http.keep_alive_timeouts, 1u);
  EXPECT_EQ(server->Snapshot().http.header_timeouts, 2u);
}

// As many as there may be connections, and 1,024 on each I/O thread at least; who is refused may ask again.
TEST(BeyondTheStreamsOfAllConnectionsRequestsAreRefused) {
  constexpr size_t kConnections = 30;
  // What nghttp2 sends before it has heard how many it may.
  constexpr size_t kRequests = 100;
  constexpr size_t kServed = 2 * 1024;
  ServerUnderTest server;
  std::vector<std::unique_ptr<Http2Client>> clients;
  for (size_t i = 0; i < kConnections; i++) {
    clients.push_back(std::make_unique<Http2Client>(server.address()));
    for (size_t j = 0; j < kRequests; j++) clients.back()->Request("GET", "/hold");
    clients.back()->Send();
  }
  // By how they ended.
  const auto count = [&](uint32_t error) {
    size_t ended = 0;
    for (const auto& client : clients) {
      for (const auto& [id, answer] : client->answers) ended += answer.is_closed && answer.error == error ? 1 : 0;
    }
    return ended;
  };
  constexpr size_t kRefused = kConnections * kRequests - kServed;
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::milliseconds(kDeadlineMs);
  while (count(NGHTTP2_REFUSED_STREAM) < kRefused && Clock::now() < until) {
    for (const auto& client : clients) {
      if (client->has_bytes()) client->Receive();
    }
  }
  EXPECT(count(NGHTTP2_REFUSED_STREAM) >= kRefused);
  EXPECT_EQ(count(NGHTTP2_INTERNAL_ERROR), 0u);
  clients.clear();
  ExpectServes(&server);
}

// Neither the many nor the endless cost more than their connection.
TEST(FloodsEndTheirConnection) {
  ServerUnderTest server;
  const std::string settings = FrameOf(4, 0, 0, "");
  const std::string ping = FrameOf(6, 0, 0, "12345678");
  const std::string continuation = FrameOf(9, 0, 1, "");
  const auto flood = [&](const std::string& first, const std::string& frame, int count) {
    Http2Client client(server.address());
    client.Send();
    std::string bytes = first;
    for (int i = 0; i < 100; i++) bytes += frame;
    if (!client.SendBytes(bytes)) return;
    for (int i = 0; i < count; i++) {
      if (!client.SendBytes(bytes.substr(first.size()))) return;
    }
  };
  flood("", settings, 300);
  flood("", ping, 300);
  flood(FrameOf(1, 0, 1, "\x82"), continuation, 100);
  ExpectServes(&server);
  // Streams that are opened and taken back at once (CVE-2023-44487).
  Http2Client client(server.address());
  bool is_cut = false;
  for (int i = 0; i < 400 && !is_cut; i++) {
    for (int j = 0; j < 10; j++) client.Cancel(client.Request("GET", "/hold"));
    is_cut = !client.Send();
  }
  ExpectServes(&server);
}

// Frames of every kind with anything in them, on connections with requests in flight.
TEST(NoMixtureOfFramesBreaksIt) {
  ServerUnderTest server;
  const auto run = [&](uint32_t seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 60; i++) {
      Http2Client client(server.address());
      for (uint32_t count = random() % 4; count > 0; count--) {
        static constexpr const char* kPaths[] = {"/", "/raw", "/big", "/hold", "/destroy"};
        client.Request(random() % 2 == 0 ? "GET" : "POST", kPaths[random() % 5], std::string(random() % 9000, 'x'));
      }
      client.Send();
      std::string bytes;
      for (uint32_t count = 1 + random() % 30; count > 0; count--) {
        std::string payload;
        for (uint32_t length = random() % 3 == 0 ? random() % 300 : random() % 10; length > 0; length--) {
          payload += static_cast<char>(random() % 2 == 0 ? random() : 0x82 + random() % 6);
        }
        bytes += FrameOf(static_cast<uint8_t>(random() % 11), static_cast<uint8_t>(random()), random() % 12, payload);
      }
      client.SendBytes(bytes);
      if (random() % 3 == 0) client.Receive();
      if (random() % 2 == 0) client.Reset();
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t seed = 1; seed <= 4; seed++) threads.emplace_back(run, seed);
  for (std::thread& thread : threads) thread.join();
  ExpectServes(&server);
}

// Everything half done: the leak sanitizer looks at what is left.
TEST(AServerMayCloseAmidStreams) {
  std::vector<std::unique_ptr<Http2Client>> clients;
  ServerUnderTest server(ServerUnderTest::DefaultLimits(), 1);
  for (int i = 0; i < 4; i++) {
    clients.push_back(std::make_unique<Http2Client>(server.address()));
    for (const char* path : {"/hold", "/big", "/"}) {
      clients.back()->Request("GET", path);
      clients.back()->Request("POST", path, std::string(100'000, 'x'));
    }
    clients.back()->Send();
  }
  ExpectServes(&server);
}

}  // namespace hornet

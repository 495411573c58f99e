// The native server whole, sockets and threads included, without a JavaScript engine, under the address,
// undefined-behaviour and leak sanitizers. What the bytes on the wire should be is told by the tests of the command;
// here it is memory that counts, and that everything comes to its end.
// links: uv ssl loop net tls static server http http2
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <condition_variable>
#include <mutex>
#include <random>

#include "harness.h"
#include "stand_in_worker.h"
#include "tls_identity.h"

namespace hornet {

constexpr int kDeadlineMs = 20'000;

#ifdef HORNET_TEST_TLS
inline std::shared_ptr<const TlsContext> ContextForTests() {
  static const auto identity = MakeIdentity("a.test");
  TlsOptions options;
  options.certificates.push_back({identity->pem, identity->key_pem, {}});
  options.offers_http2 = true;
  std::string error;
  auto context = TlsContext::Make(options, &error);
  EXPECT_EQ(error, "");
  return context;
}
#endif

// A server of two I/O threads on a port of the kernel's choice.
class ServerUnderTest {
 public:
  explicit ServerUnderTest(ServerLimits limits = DefaultLimits(), uint32_t workers = 2) {
    io_control_ = static_cast<uint8_t*>(std::aligned_alloc(kIoControlStride, kIoThreads * kIoControlStride));
    std::memset(io_control_, 0, kIoThreads * kIoControlStride);
    server_ = std::make_unique<Server>(kIoThreads, limits, io_control_, [this](IoEvent event) {
      std::lock_guard<std::mutex> lock(mutex_);
      events_.push_back(std::move(event));
      has_event_.notify_all();
    });
    ListenerSpec spec;
    spec.host = "127.0.0.1";
    ListenerOptions options;
    options.limits = limits.http;
    EXPECT(server_->Listen(spec, options, &address_) >= 0);
#ifdef HORNET_TEST_TLS
    server_->SetTls(ContextForTests());
#endif
    EXPECT_EQ(server_->Start(), 0);
    for (uint32_t i = 0; i < workers; i++) AddWorker();
  }

  ~ServerUnderTest() {
    // What a dead worker did not read is let go of as it is removed.
    for (const auto& worker : workers_) {
      worker->Stop();
      server_->RemoveWorker(worker->id());
    }
    server_->Close();
    workers_.clear();
    server_.reset();
    std::free(io_control_);
  }

  static ServerLimits DefaultLimits() {
    ServerLimits limits;
    limits.connections_max = 200;
    limits.http.body_buffer_bytes = 4096;
    return limits;
  }

  StandInWorker* AddWorker() {
    const auto id = static_cast<uint32_t>(workers_.size()) + 1;
    workers_.push_back(std::make_unique<StandInWorker>(server_.get(), io_control_, id));
    return workers_.back().get();
  }

  // Waits until the server says so.
  bool WaitFor(IoEvent::Type type) {
    std::unique_lock<std::mutex> lock(mutex_);
    return has_event_.wait_for(lock, std::chrono::milliseconds(kDeadlineMs), [&] {
      for (const IoEvent& event : events_) {
        if (event.type == type) return true;
      }
      return false;
    });
  }

  Server* operator->() { return server_.get(); }
  const SocketAddress& address() const { return address_; }
  StandInWorker* worker(size_t index) { return workers_[index].get(); }

 private:
  static constexpr uint32_t kIoThreads = 2;

  uint8_t* io_control_;
  SocketAddress address_;
  std::mutex mutex_;
  std::condition_variable has_event_;
  std::vector<IoEvent> events_;
  std::unique_ptr<Server> server_;
  std::vector<std::unique_ptr<StandInWorker>> workers_;
};

// The bytes of one connection, as they are or under TLS; used by one thread.
class Wire {
 public:
  explicit Wire(int fd) : fd_(fd) {
#ifdef HORNET_TEST_TLS
    static SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    // OpenSSL writes with no way to say that it is not to be sent.
    static const auto old = signal(SIGPIPE, SIG_IGN);
    EXPECT(old != SIG_ERR);
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, fd);
    SSL_set_connect_state(ssl_);
#endif
  }
  ~Wire() { SSL_free(ssl_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  bool has_more() const { return ssl_ != nullptr && SSL_pending(ssl_) > 0; }
  ssize_t Send(const char* data, size_t length) {
    return ssl_ == nullptr ? send(fd_, data, length, MSG_NOSIGNAL) : SSL_write(ssl_, data, static_cast<int>(length));
  }
  ssize_t Receive(char* data, size_t room) {
    return ssl_ == nullptr ? recv(fd_, data, room, 0) : SSL_read(ssl_, data, static_cast<int>(room));
  }
  void End() {
    if (ssl_ != nullptr) SSL_shutdown(ssl_);
    shutdown(fd_, SHUT_WR);
  }

 private:
  const int fd_;
  SSL* ssl_ = nullptr;
};

// One connection, used by one thread.
class Client {
 public:
  explicit Client(const SocketAddress& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)), wire_(fd_) {
    is_connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address.storage), address.length) == 0;
    EXPECT(is_connected_);
  }
  ~Client() { Close(); }

  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  // Its end comes as a reset.
  void Reset() {
    const linger now = {1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    Close();
  }
  void End() { wire_.End(); }

  // False when the server has closed.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = wire_.Send(bytes.data(), bytes.size());
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // All that comes until `count` times `mark` has come, or the connection ends.
  std::string ReadUntil(std::string_view mark, size_t count = 1) {
    std::string text;
    while (Count(text, mark) < count && Receive(&text)) {
    }
    return text;
  }
  std::string ReadToEnd() {
    std::string text;
    while (Receive(&text)) {
    }
    return text;
  }

  static size_t Count(std::string_view text, std::string_view mark) {
    size_t count = 0;
    for (size_t at = text.find(mark); at != std::string_view::npos; at = text.find(mark, at + mark.size())) count++;
    return count;
  }

 private:
  bool Receive(std::string* text) {
    pollfd ready = {fd_, POLLIN, 0};
    if (!wire_.has_more() && poll(&ready, 1, kDeadlineMs) != 1) {
      EXPECT(!"bytes or an end in time");
      return false;
    }
    char bytes[16384];
    const ssize_t count = wire_.Receive(bytes, sizeof(bytes));
    if (count <= 0) return false;
    text->append(bytes, static_cast<size_t>(count));
    return true;
  }

  int fd_;
  Wire wire_;
  bool is_connected_ = false;
};

inline std::string Get(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n";
}

inline std::string Post(size_t length, size_t sent) {
  return "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n" +
         std::string(sent, 'x');
}

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\n";
const std::string kClose = "Connection: close\r\n";

TEST(RequestsAreAnsweredOneByOneAndPipelined) {
  ServerUnderTest server;
  Client client(server.address());
  for (int i = 0; i < 3; i++) {
    client.Send(Get("/"));
    EXPECT_EQ(Client::Count(client.ReadUntil("\r\n\r\n0"), kOk), 1u);
  }
  std::string pipelined;
  for (int i = 0; i < 100; i++) pipelined += Get("/");
  client.Send(pipelined + Get("/raw", kClose));
  const std::string answers = client.ReadToEnd();
  EXPECT_EQ(Client::Count(answers, kOk), 101u);
  EXPECT(answers.size() > 5 && answers.substr(answers.size() - 5) == "0\r\n\r\n");
}

TEST(BodiesArriveWholeWhateverTheirSizeAndFraming) {
  ServerUnderTest server;
  for (const size_t length : {size_t{0}, size_t{5}, size_t{4096}, size_t{4097}, size_t{70'000}, size_t{3'000'000}}) {
    Client client(server.address());
    client.Send(Post(length, length));
    const std::string mark = "\r\n\r\n" + std::to_string(length);
    EXPECT_EQ(Client::Count(client.ReadUntil(mark), mark), 1u);
  }
  Client client(server.address());
  client.Send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 1000; i++) client.Send("10\r\n0123456789abcdef\r\n");
  client.Send("0\r\nX-Sum: 1\r\n\r\n");
  EXPECT_EQ(Client::Count(client.ReadUntil("\r\n\r\n16000"), kOk), 1u);
}

// A body may be partly with a worker by then.
TEST(ABodyThatNobodyReadsIsPassedOverUnlessItIsTooLarge) {
  ServerUnderTest server;
  const std::string early = "POST /early HTTP/1.1\r\nHost: a\r\n";
  const std::string chunked = early + "Transfer-Encoding: chunked\r\n\r\n1200000\r\n";
  for (const size_t sent : {size_t{0}, size_t{5000}, size_t{400'000}}) {
    Client client(server.address());
    client.Send(early + "Content-Length: 1000000\r\n\r\n" + std::string(sent, 'x'));
    EXPECT_EQ(Client::Count(client.ReadUntil("\r\n0\r\n\r\n"), kOk), 1u);
    client.Send(std::string(1'000'000 - sent, 'x') + Get("/", kClose));
    EXPECT_EQ(Client::Count(client.ReadToEnd(), kOk), 1u);
  }
  Client large(server.address());
  large.Send(chunked + std::string(5000, 'x'));
  EXPECT_EQ(Client::Count(large.ReadUntil("\r\n0\r\n\r\n"), kOk), 1u);
  large.Send(std::string(kDiscardBytesMax + 1, 'x'));
  EXPECT_EQ(large.ReadToEnd(), "");
  Client leaving(server.address());
  leaving.Send(chunked + std::string(5000, 'x'));
  EXPECT_EQ(Client::Count(leaving.ReadUntil("\r\n0\r\n\r\n"), kOk), 1u);
  leaving.End();
  EXPECT_EQ(leaving.ReadToEnd(), "");
  Client drained(server.address());
  drained.Send(chunked + std::string(5000, 'x'));
  EXPECT_EQ(Client::Count(drained.ReadUntil("\r\n0\r\n\r\n"), kOk), 1u);
  server->Drain(false);
  EXPECT_EQ(drained.ReadToEnd(), "");
}

TEST(ABigResponseReachesASlowReader) {
  ServerUnderTest server;
  Client client(server.address());
  client.Send(Get("/big") + Get("/big", kClose));
  const std::string answers = client.ReadToEnd();
  EXPECT(answers.size() > 2 * kBigBytes);
  EXPECT_EQ(Client::Count(answers, kOk), 2u);
}

TEST(MalformedRequestsAreRefused) {
  ServerUnderTest server;
  const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& bytes :
       {std::string("\0\0\0", 3), std::string("GET / HTTP/1.1\r\n\r\n"), Get("/") + "nonsense\r\n\r\n",
        chunked + "x\r\n", chunked + "5\r\nhello\r\n0\r\nHost: b\r\n\r\n", Get("/" + std::string(9000, 'a')),
        Get("/", "X: " + std::string(70'000, 'a') + "\r\n")}) {
    Client client(server.address());
    client.Send(bytes);
    client.End();
    EXPECT_EQ(Client::Count(client.ReadToEnd(), "HTTP/1.1 4"), 1u);
  }
}

TEST(ClientsMayLeaveAtAnyMoment) {
  ServerUnderTest server;
  const std::string chunked = "POST /hold HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
  const std::string beginnings[] = {"", "GET / HT", Get("/hold"), Get("/big"), Post(100'000, 50'000), chunked,
                                    Get("/hold") + Get("/hold") + Get("/"), Get("/destroy") + Get("/")};
  for (int i = 0; i < 5; i++) {
    for (const std::string& bytes : beginnings) {
      Client client(server.address());
      client.Send(bytes);
      if (i % 2 == 0) client.Reset();
    }
  }
  Client client(server.address());
  client.Send(Get("/", kClose));
  EXPECT_EQ(Client::Count(client.ReadToEnd(), kOk), 1u);
}

TEST(WhatABlockedWorkerDoesNotStartAnotherServes) {
  ServerUnderTest server;
  server.worker(0)->SetBlocked(true);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; i++) {
    clients.push_back(std::make_unique<Client>(server.address()));
    clients.back()->Send(Get("/", kClose));
  }
  for (const auto& client : clients) EXPECT_EQ(Client::Count(client->ReadToEnd(), kOk), 1u);
  server.worker(0)->SetBlocked(false);
}

TEST(TheRequestsOfAWorkerThatDiesFailAndOthersGoOn) {
  ServerUnderTest server;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 8; i++) {
    clients.push_back(std::make_unique<Client>(server.address()));
    clients.back()->Send(Get("/hold", kClose));
  }
  // Both hold some by the time that an answer comes from a later request.
  Client probe(server.address());
  probe.Send(Get("/"));
  probe.ReadUntil("\r\n\r\n0");
  for (const size_t index : {size_t{0}, size_t{1}}) {
    server.worker(index)->Stop();
    server->RemoveWorker(server.worker(index)->id());
  }
  server.AddWorker();
  for (const auto& client : clients) EXPECT_EQ(Client::Count(client->ReadToEnd(), "HTTP/1.1 502"), 1u);
  probe.Send(Get("/", kClose));
  EXPECT_EQ(Client::Count(probe.ReadToEnd(), kOk), 1u);
}

TEST(WithoutWorkersARequestWaitsForItsDeadline) {
  ServerLimits limits = ServerUnderTest::DefaultLimits();
  limits.queue_timeout_ms = 20;
  ServerUnderTest server(limits, 0);
  Client client(server.address());
  client.Send(Get("/", kClose));
  EXPECT_EQ(Client::Count(client.ReadToEnd(), "HTTP/1.1 503"), 1u);
}

TEST(AServerThatIsDrainedTellsSo) {
  ServerUnderTest server;
  Client idle(server.address());
  idle.Send(Get("/"));
  idle.ReadUntil("\r\n\r\n0");
  server->Drain(false);
  EXPECT(server.WaitFor(IoEvent::Type::kDrained));
  EXPECT_EQ(idle.ReadToEnd(), "");
}

// Everything half done: the leak sanitizer looks at what is left.
TEST(AServerMayCloseInTheMiddle) {
  std::vector<std::unique_ptr<Client>> clients;
  ServerLimits limits = ServerUnderTest::DefaultLimits();
  ServerUnderTest server(limits, 1);
  const std::string chunked = "POST /hold HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& bytes :
       {Get("/hold"), Get("/big"), Post(100'000, 9000), Post(100, 9), chunked + "5\r\nhe",
        chunked + "0\r\nX-A: b\r\n", Get("/hold") + Get("/big") + "GET /", std::string("G")}) {
    clients.push_back(std::make_unique<Client>(server.address()));
    clients.back()->Send(bytes);
  }
  Client last(server.address());
  last.Send(Get("/", kClose));
  EXPECT_EQ(Client::Count(last.ReadToEnd(), kOk), 1u);
}

// Broken, cut and mixed streams on many connections at once, each with a seed of its own.
TEST(NoMixtureOfBytesBreaksIt) {
  ServerUnderTest server;
  const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  const std::string expect = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
  const std::vector<std::string> parts = {Get("/"),   Get("/raw"), Get("/big"), Get("/hold"),        Get("/destroy"),
                                          Post(9, 9), chunked,     expect,      Post(90'000, 90'000)};
  const auto run = [&](uint32_t seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 60; i++) {
      std::string bytes;
      for (uint32_t count = random() % 4; count > 0; count--) bytes += parts[random() % parts.size()];
      for (uint32_t count = random() % 3; count > 0 && !bytes.empty(); count--) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      Client client(server.address());
      while (!bytes.empty()) {
        const size_t length = 1 + random() % bytes.size();
        if (!client.Send(bytes.substr(0, length))) break;
        bytes.erase(0, length);
      }
      if (random() % 2 == 0) client.Reset();
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t seed = 1; seed <= 4; seed++) threads.emplace_back(run, seed);
  for (std::thread& thread : threads) thread.join();
  Client client(server.address());
  client.Send(Get("/", kClose));
  EXPECT_EQ(Client::Count(client.ReadToEnd(), kOk), 1u);
}

}  // namespace hornet

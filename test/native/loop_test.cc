// The event loop on real descriptors: what is told, when, and that nothing is told of what was closed.
// links: uv loop
#include "loop/loop.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "harness.h"

namespace hornet {

namespace {

class TestHost : public Loop::Host {
 public:
  void HandleTurn() override {
    turns++;
    if (on_turn) on_turn();
  }
  void HandleWake() override {
    wakes++;
    if (on_wake) on_wake();
  }

  std::atomic<int> turns{0};
  int wakes = 0;
  std::function<void()> on_turn;
  std::function<void()> on_wake;
};

// One end of a connection; the test holds the other.
class Socket final : public Watch {
 public:
  explicit Socket(Loop* loop) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    for (int end : ends) fcntl(end, F_SETFL, O_NONBLOCK);
    peer = ends[1];
    EXPECT_EQ(Open(loop, ends[0]), 0);
  }
  ~Socket() { ClosePeer(); }

  using Watch::Close;
  using Watch::WatchReadable;
  using Watch::WatchWritable;
  void ClosePeer() {
    if (peer >= 0) close(peer);
    peer = -1;
  }
  void Send() { EXPECT_EQ(write(peer, "x", 1), 1); }
  void ReadAll() {
    char bytes[16];
    while (read(fd(), bytes, sizeof(bytes)) > 0) continue;
  }

  void HandleReadable() override {
    readable++;
    if (on_readable) on_readable();
  }
  void HandleWritable() override {
    writable++;
    if (on_writable) on_writable();
  }
  void HandleFailed() override { failed++; }
  void HandleReleased() override { released++; }

  int peer = -1;
  int readable = 0;
  int writable = 0;
  int failed = 0;
  int released = 0;
  std::function<void()> on_readable;
  std::function<void()> on_writable;
};

// Closes when it hears of an error, and stops the loop.
class Failing final : public Watch {
 public:
  explicit Failing(Loop* loop) : loop_(loop) {}
  int Open(int fd) { return Watch::Open(loop_, fd); }

  void HandleReadable() override {}
  void HandleWritable() override {}
  void HandleFailed() override {
    failed++;
    Close();
    loop_->Stop();
  }
  void HandleReleased() override { released++; }

  int failed = 0;
  int released = 0;

 private:
  Loop* loop_;
};

// A loop that runs on the test's own thread until it is stopped; what takes longer than this has failed.
class LoopUnderTest {
 public:
  static constexpr uint64_t kDeadlineMs = 10'000;

  LoopUnderTest() {
    EXPECT_EQ(loop.Init(), 0);
    deadline_.owner = this;
    deadline_.fire = [](void* owner) {
      auto* self = static_cast<LoopUnderTest*>(owner);
      EXPECT(!"it took too long");
      self->loop.Stop();
    };
  }
  void Run() {
    loop.Start(&deadline_, kDeadlineMs);
    loop.Run();
    loop.Stop(&deadline_);
  }

  TestHost host;
  Loop loop{&host};

 private:
  Timer deadline_;
};

}  // namespace

TEST(TellsOfABytesArrivalUntilItIsRead) {
  LoopUnderTest test;
  Socket socket(&test.loop);
  socket.WatchReadable(true);
  socket.Send();
  socket.on_readable = [&] {
    if (socket.readable < 3) return;
    socket.ReadAll();
    socket.Close();
    test.loop.Stop();
  };
  test.Run();
  EXPECT_EQ(socket.readable, 3);
  EXPECT_EQ(socket.released, 1);
  EXPECT_EQ(socket.failed, 0);
}

TEST(TellsNothingThatIsNotWanted) {
  LoopUnderTest test;
  Socket quiet(&test.loop);
  Socket eager(&test.loop);
  quiet.Send();
  // There and back within a turn: the kernel need not know.
  quiet.WatchReadable(true);
  quiet.WatchReadable(false);
  eager.WatchWritable(true);
  eager.on_writable = [&] {
    if (eager.writable < 3) return;
    quiet.Close();
    eager.Close();
    test.loop.Stop();
  };
  test.Run();
  EXPECT_EQ(quiet.readable, 0);
  EXPECT_EQ(quiet.writable, 0);
  EXPECT_EQ(quiet.released, 1);
}

TEST(WhatIsClosedInATurnIsToldNothingMoreInIt) {
  LoopUnderTest test;
  Socket first(&test.loop);
  Socket second(&test.loop);
  for (Socket* socket : {&first, &second}) {
    Socket* other = socket == &first ? &second : &first;
    socket->WatchReadable(true);
    socket->Send();
    socket->on_readable = [&, socket, other] {
      socket->Close();
      other->Close();
      EXPECT_EQ(socket->released + other->released, 0);
      test.loop.Stop();
    };
  }
  test.Run();
  EXPECT_EQ(first.readable + second.readable, 1);
  EXPECT_EQ(first.released + second.released, 2);
}

// A child process that is just being started holds copies of all descriptors.
TEST(WhatIsClosedIsToldNothingMoreThoughSomebodyHoldsACopy) {
  LoopUnderTest test;
  auto closed = std::make_unique<Socket>(&test.loop);
  Socket other(&test.loop);
  closed->WatchReadable(true);
  other.WatchWritable(true);
  const int copy = dup(closed->fd());
  const int peer = closed->peer;
  closed->peer = -1;
  other.on_writable = [&] {
    if (other.writable == 1) {
      closed->Close();
    } else if (other.writable == 2) {
      EXPECT_EQ(closed->released, 1);
      // The sanitizer sees it if it is told of after this.
      closed.reset();
      EXPECT_EQ(write(peer, "x", 1), 1);
    } else if (other.writable == 5) {
      other.Close();
      test.loop.Stop();
    }
  };
  test.Run();
  EXPECT_EQ(other.writable, 5);
  close(copy);
  close(peer);
}

TEST(TellsOfAnErrorThoughNothingIsWanted) {
  LoopUnderTest test;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(listener, 1), 0);
  EXPECT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);

  Failing accepted(&test.loop);
  const int fd = accept(listener, nullptr, nullptr);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  EXPECT_EQ(accepted.Open(fd), 0);
  // A reset.
  const linger now = {1, 0};
  setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(client);
  test.Run();
  EXPECT_EQ(accepted.failed, 1);
  EXPECT_EQ(accepted.released, 1);
  close(listener);
}

TEST(DoesNotRunInCirclesForAPeerThatIsGoneWhileNothingIsWanted) {
  LoopUnderTest test;
  Socket socket(&test.loop);
  // On a unix socket both sides are shut when the peer closes.
  socket.ClosePeer();
  Timer pause;
  struct State {
    LoopUnderTest* test;
    Socket* socket;
    int turns;
  } state{&test, &socket, 0};
  pause.owner = &state;
  pause.fire = [](void* owner) {
    auto* at = static_cast<State*>(owner);
    at->turns = at->test->host.turns;
    at->socket->Close();
    at->test->loop.Stop();
  };
  test.loop.Start(&pause, 100);
  test.Run();
  EXPECT(state.turns <= 10);
}

TEST(TimersFireInTimeOnceAndNotWhenStopped) {
  LoopUnderTest test;
  struct Shot {
    Timer timer;
    Loop* loop = nullptr;
    uint64_t fired_ms = 0;
    int count = 0;
    std::function<void()> then;
  };
  Shot shots[3];
  for (Shot& shot : shots) {
    shot.loop = &test.loop;
    shot.timer.owner = &shot;
    shot.timer.fire = [](void* owner) {
      auto* self = static_cast<Shot*>(owner);
      self->fired_ms = self->loop->now_ms();
      self->count++;
      if (self->then) self->then();
    };
  }
  const uint64_t start_ms = test.loop.now_ms();
  test.loop.Start(&shots[0].timer, 30);
  // Both are due in the same turn, and the first stops the second.
  test.loop.Start(&shots[1].timer, 10);
  test.loop.Start(&shots[2].timer, 10);
  shots[1].then = [&] { test.loop.Stop(&shots[2].timer); };
  // Set anew.
  test.loop.Start(&shots[0].timer, 40);
  shots[0].then = [&] { test.loop.Stop(); };
  test.Run();
  EXPECT_EQ(shots[0].count, 1);
  EXPECT(shots[0].fired_ms >= start_ms + 40);
  EXPECT_EQ(shots[1].count, 1);
  EXPECT(shots[1].fired_ms >= start_ms + 10 && shots[1].fired_ms <= shots[0].fired_ms);
  EXPECT_EQ(shots[2].count, 0);
}

TEST(TimersFireInTimeWhateverWasSetBeforeThem) {
  LoopUnderTest test;
  struct State {
    LoopUnderTest* test = nullptr;
    Timer stopped;
    Timer late;
    Timer early;
    uint64_t early_due_ms = 0;
    uint64_t late_due_ms = 0;
    uint64_t late_fired_ms = 0;
    int rounds = 0;
    void StopWhenDone() {
      if (late_fired_ms != 0 && rounds == 5) test->loop.Stop();
    }
  } state;
  state.test = &test;
  state.stopped.fire = [](void*) { EXPECT(!"it was stopped"); };
  state.late.owner = state.early.owner = &state;
  state.late.fire = [](void* owner) {
    auto* at = static_cast<State*>(owner);
    at->late_fired_ms = at->test->loop.now_ms();
    at->StopWhenDone();
  };
  // While it sleeps to a later time there comes an earlier one, again and again.
  state.early.fire = [](void* owner) {
    auto* at = static_cast<State*>(owner);
    EXPECT(at->test->loop.now_ms() >= at->early_due_ms);
    if (++at->rounds == 5) return at->StopWhenDone();
    at->early_due_ms = at->test->loop.now_ms() + 3;
    at->test->loop.Start(&at->early, 3);
    at->test->loop.Start(&at->stopped, 1);
    at->test->loop.Stop(&at->stopped);
  };
  const uint64_t start_ms = test.loop.now_ms();
  state.early_due_ms = start_ms + 20;
  state.late_due_ms = start_ms + 60;
  test.loop.Start(&state.late, 60);
  // It sleeps towards the time of this one, which is then wanted no more.
  test.loop.Start(&state.stopped, 5);
  // HandleWake() is called as it begins, and by what the first turn calls.
  test.host.on_turn = [&] {
    if (test.host.turns == 1) test.loop.Wake();
  };
  test.host.on_wake = [&] {
    if (test.host.turns == 0) return;
    test.loop.Stop(&state.stopped);
    test.loop.Start(&state.early, 20);
  };
  test.Run();
  EXPECT_EQ(state.rounds, 5);
  EXPECT(state.late_fired_ms >= state.late_due_ms);
  // Each time that is due may cost a turn, and so may one that was.
  EXPECT(test.host.turns <= 20);
}

TEST(HearsOfEveryWakeUpFromOtherThreads) {
  constexpr int kThreads = 4;
  constexpr int kMessages = 20'000;
  LoopUnderTest test;
  std::atomic<int> sent{0};
  int heard = 0;
  test.host.on_wake = [&] {
    heard = sent.load();
    if (heard == kThreads * kMessages) test.loop.Stop();
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++) {
    threads.emplace_back([&] {
      for (int message = 0; message < kMessages; message++) {
        sent.fetch_add(1);
        test.loop.Wake();
      }
    });
  }
  test.Run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(heard, kThreads * kMessages);
}

TEST(HearsOfAWakeUpThatCameBeforeItBegan) {
  TestHost host;
  Loop loop(&host);
  loop.Wake();
  EXPECT_EQ(loop.Init(), 0);
  host.on_wake = [&] { loop.Stop(); };
  loop.Run();
  EXPECT_EQ(host.wakes, 1);
}

TEST(SaysSoWhenADescriptorCannotBeWatched) {
  LoopUnderTest test;
  Failing file(&test.loop);
  const int fd = open("/proc/self/exe", O_RDONLY);
  EXPECT(fd >= 0);
  if (file.Open(fd) == 0) {
    test.Run();
    EXPECT_EQ(file.failed, 1);
  }
  EXPECT(file.is_closed());
  EXPECT(fcntl(fd, F_GETFD) < 0);
}

}  // namespace hornet

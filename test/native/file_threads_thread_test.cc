// Threads that may wait: each task is run and finished once, no more wait than may, and a thread that is stuck holds up
// neither the end of the server nor is it heard of afterwards.
// links: static
#include "static/file_threads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "harness.h"

namespace hornet {

namespace {

class Gate {
 public:
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    opened_.wait(lock, [this] { return is_open_; });
  }
  void Open() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      is_open_ = true;
    }
    opened_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool is_open_ = false;
};

struct Counts {
  Gate gate;
  std::atomic<uint32_t> begun{0};
  std::atomic<uint32_t> run{0};
  std::atomic<uint32_t> finished{0};
  std::atomic<uint32_t> gone{0};

  bool Reached(const std::atomic<uint32_t>& count, uint32_t wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (count.load() != wanted) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

class CountedTask final : public FileTask {
 public:
  explicit CountedTask(std::shared_ptr<Counts> counts) : counts_(std::move(counts)) {}
  ~CountedTask() override { counts_->gone++; }
  void Run() override {
    counts_->begun++;
    counts_->gate.Wait();
    counts_->run++;
  }
  void Finish(std::shared_ptr<FileTask> self) override {
    if (self.get() == this) counts_->finished++;
  }

 private:
  std::shared_ptr<Counts> counts_;
};

}  // namespace

TEST(EachTaskIsRunAndFinishedOnce) {
  constexpr uint32_t kEach = 1000;
  auto counts = std::make_shared<Counts>();
  counts->gate.Open();
  FileThreads threads;
  threads.Start();
  threads.Start();
  std::atomic<uint32_t> posted{0};
  auto post = [&] {
    for (uint32_t i = 0; i < kEach; i++) {
      if (threads.Post(std::make_shared<CountedTask>(counts))) posted++;
    }
  };
  std::thread first(post);
  std::thread second(post);
  first.join();
  second.join();
  EXPECT_EQ(posted.load(), 2 * kEach);
  EXPECT(counts->Reached(counts->finished, 2 * kEach));
  EXPECT(counts->Reached(counts->gone, 2 * kEach));
  EXPECT_EQ(counts->run.load(), 2 * kEach);
}

TEST(NoMoreWaitThanMay) {
  auto counts = std::make_shared<Counts>();
  FileThreads threads;
  threads.Start();
  for (uint32_t i = 0; i < FileThreads::kThreads; i++) EXPECT(threads.Post(std::make_shared<CountedTask>(counts)));
  EXPECT(counts->Reached(counts->begun, FileThreads::kThreads));
  for (uint32_t i = 0; i < FileThreads::kTasksMax; i++) EXPECT(threads.Post(std::make_shared<CountedTask>(counts)));
  EXPECT(!threads.Post(std::make_shared<CountedTask>(counts)));
  counts->gate.Open();
  EXPECT(counts->Reached(counts->finished, FileThreads::kThreads + FileThreads::kTasksMax));
  EXPECT(threads.Post(std::make_shared<CountedTask>(counts)));
}

TEST(AStuckThreadIsLeftBehind) {
  auto counts = std::make_shared<Counts>();
  {
    FileThreads threads;
    threads.Start();
    for (uint32_t i = 0; i < FileThreads::kThreads + 3; i++) threads.Post(std::make_shared<CountedTask>(counts));
    EXPECT(counts->Reached(counts->begun, FileThreads::kThreads));
    threads.Close();
    EXPECT(!threads.Post(std::make_shared<CountedTask>(counts)));
    threads.Start();
  }
  // Those that waited, and the one that was refused.
  EXPECT_EQ(counts->gone.load(), 4u);
  counts->gate.Open();
  EXPECT(counts->Reached(counts->gone, FileThreads::kThreads + 4));
  EXPECT_EQ(counts->run.load(), FileThreads::kThreads);
  EXPECT_EQ(counts->finished.load(), 0u);
}

TEST(NothingIsStartedForNothing) {
  auto counts = std::make_shared<Counts>();
  FileThreads threads;
  EXPECT(threads.Post(std::make_shared<CountedTask>(counts)));
  threads.Close();
  EXPECT_EQ(counts->gone.load(), 1u);
}

}  // namespace hornet

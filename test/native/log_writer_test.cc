// Lines reach their file whole and in order; what cannot be written is counted and costs no time.
#include "log/log_writer.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>

#include "harness.h"

using namespace hornet;

namespace {

std::string MakeFolder() {
  char path[] = "/tmp/hornet-log-XXXXXX";
  return mkdtemp(path);
}

int OpenLog(const std::string& path) { return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644); }

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

// Waits for a fact, under a deadline.
template <typename Fact>
bool Comes(Fact fact) {
  for (int i = 0; i < 10000; i++) {
    if (fact()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

void Say(LogWriter* writer, const std::string& line) { writer->Append(line.data(), line.size(), 1); }

}  // namespace

TEST(LinesOfManyThreadsAllArriveWhole) {
  const std::string folder = MakeFolder();
  const std::string path = folder + "/log";
  {
    LogWriter writer(OpenLog(path), [](std::string) {});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) {
      threads.emplace_back([&writer, t] {
        const std::string name = "thread " + std::to_string(t);
        for (int i = 0; i < 1000; i++) Say(&writer, name + " line " + std::to_string(i) + "\n");
      });
    }
    for (auto& thread : threads) thread.join();
  }
  std::istringstream text(ReadFile(path));
  int next[4] = {};
  int count = 0;
  for (std::string line; std::getline(text, line); count++) {
    int t = line[7] - '0';
    EXPECT_EQ(line, "thread " + std::to_string(t) + " line " + std::to_string(next[t]++));
  }
  EXPECT_EQ(count, 4000);
  unlink(path.c_str());
  rmdir(folder.c_str());
}

TEST(ReopenPutsEachLineIntoItsFile) {
  const std::string folder = MakeFolder();
  {
    LogWriter writer(OpenLog(folder + "/a"), [](std::string) {});
    Say(&writer, "one\n");
    writer.Reopen(OpenLog(folder + "/b"));
    Say(&writer, "two\n");
    writer.Reopen(OpenLog(folder + "/c"));
    Say(&writer, "three\n");
  }
  EXPECT_EQ(ReadFile(folder + "/a"), "one\n");
  // Between two that come at once nothing need be in the file of the first.
  EXPECT_EQ(ReadFile(folder + "/b") + ReadFile(folder + "/c"), "two\nthree\n");
  for (const char* name : {"/a", "/b", "/c"}) unlink((folder + name).c_str());
  rmdir(folder.c_str());
}

TEST(AReaderThatDoesNotReadCostsLinesAndNoTime) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  auto writer = std::make_unique<LogWriter>(ends[1], [](std::string) {});
  const std::string line = std::string(1023, 'x') + "\n";
  // What waits, as much being written, and what the pipe holds; everything else is dropped at once.
  const int count = 6 * 1024;
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < count; i++) Say(writer.get(), line);
  EXPECT(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
  EXPECT(writer->dropped() >= 1024u);
  start = std::chrono::steady_clock::now();
  writer.reset();
  EXPECT(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
  close(ends[0]);
}

TEST(AReaderThatLeftIsReportedOnceAndSurvived) {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  close(ends[0]);
  std::atomic<int> reports{0};
  LogWriter writer(ends[1], [&](std::string) { reports++; });
  Say(&writer, "one\n");
  EXPECT(Comes([&] { return writer.dropped() == 1; }));
  Say(&writer, "two\n");
  EXPECT(Comes([&] { return writer.dropped() == 2; }));
  EXPECT_EQ(reports.load(), 1);
  const std::string folder = MakeFolder();
  writer.Reopen(OpenLog(folder + "/a"));
  Say(&writer, "three\n");
  EXPECT(Comes([&] { return writer.written() == 1; }));
  EXPECT_EQ(ReadFile(folder + "/a"), "three\n");
  unlink((folder + "/a").c_str());
  rmdir(folder.c_str());
}

TEST(AFullDiskIsSurvivedAndCutsNoLaterLine) {
  signal(SIGXFSZ, SIG_IGN);
  const std::string folder = MakeFolder();
  const std::string path = folder + "/a";
  // A limit on the size of files stands for the disk's: the write that meets it is cut short, the next one fails.
  struct rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  struct rlimit small = before;
  small.rlim_cur = 10;
  std::atomic<int> reports{0};
  {
    LogWriter writer(OpenLog(path), [&](std::string) { reports++; });
    setrlimit(RLIMIT_FSIZE, &small);
    Say(&writer, "twelve bytes and more\n");
    EXPECT(Comes([&] { return writer.dropped() == 1; }));
    setrlimit(RLIMIT_FSIZE, &before);
    Say(&writer, "whole\n");
    EXPECT(Comes([&] { return writer.written() == 1; }));
  }
  EXPECT_EQ(reports.load(), 1);
  EXPECT_EQ(ReadFile(path), "twelve byt\nwhole\n");
  unlink(path.c_str());
  rmdir(folder.c_str());
}

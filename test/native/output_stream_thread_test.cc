// A standard stream of many threads: whole records, in each thread's order, none lost, and no thread stuck in a write.
#include "base/output_stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "harness.h"

namespace hornet {

namespace {

struct Ends {
  int read;
  int write;
};

Ends MakePipe() {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  return {ends[0], ends[1]};
}

Ends MakeSockets() {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  return {ends[0], ends[1]};
}

// Writes a whole record however often it takes; false when the stream fails.
bool WriteRecord(OutputStream* stream, const std::string& record) {
  for (size_t offset = 0; offset < record.size();) {
    long written = stream->Write(record.data() + offset, record.size() - offset, 20);
    if (written < 0) return false;
    offset += static_cast<size_t>(written);
  }
  return true;
}

void RecordsStayWhole(Ends ends) {
  constexpr int kThreads = 4;
  constexpr int kRecords = 60;
  OutputStream stream(ends.write);
  std::string all;
  std::thread reader([&] {
    char buffer[70000];
    for (ssize_t count; (count = read(ends.read, buffer, sizeof(buffer))) > 0;) all.append(buffer, count);
  });
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; t++) {
    writers.emplace_back([&stream, t] {
      for (int i = 0; i < kRecords; i++) {
        // Some larger than what a pipe holds.
        size_t length = i % 20 == 0 ? 100000 : 10 + static_cast<size_t>(i) * 37;
        std::string record = std::to_string(t) + " " + std::to_string(i) + " ";
        record.append(length, static_cast<char>('a' + t));
        EXPECT(WriteRecord(&stream, record + "\n"));
      }
    });
  }
  for (auto& writer : writers) writer.join();
  stream.Reset();
  close(ends.write);
  reader.join();
  std::map<int, int> next;
  size_t lines = 0;
  for (size_t start = 0, end; (end = all.find('\n', start)) != std::string::npos; start = end + 1) {
    std::string line = all.substr(start, end - start);
    int thread = line[0] - '0';
    EXPECT_EQ(line.substr(2, line.find(' ', 2) - 2), std::to_string(next[thread]++));
    size_t text = line.find_last_of(' ') + 1;
    EXPECT_EQ(line.find_first_not_of(static_cast<char>('a' + thread), text), std::string::npos);
    lines++;
  }
  EXPECT_EQ(lines, static_cast<size_t>(kThreads * kRecords));
  close(ends.read);
}

void FullStreamReturns(Ends ends) {
  OutputStream stream(ends.write);
  std::string much(4 * 1024 * 1024, 'x');
  long first = stream.Write(much.data(), much.size(), 1);
  EXPECT(first > 0 && first < static_cast<long>(much.size()));
  // Its record is begun: another thread has to wait, though not for ever.
  std::thread([&] { EXPECT_EQ(stream.Write("y", 1, 1), 0L); }).join();
  // Nothing goes out, and nothing is stuck.
  EXPECT_EQ(stream.Write(much.data(), much.size(), 1), 0L);
  std::thread([&] { EXPECT_EQ(stream.Write("y", 1, 1), 0L); }).join();
  // What a writer that ends in the middle gives up is the next one's, once there is room.
  stream.Abandon();
  std::vector<char> sink(8 * 1024 * 1024);
  EXPECT(read(ends.read, sink.data(), sink.size()) > 0);
  std::thread([&] { EXPECT_EQ(stream.Write("y", 1, 1000), 1L); }).join();
  // The other processes that share the descriptor still find it as it was.
  EXPECT_EQ(fcntl(ends.write, F_GETFL) & O_NONBLOCK, 0);
  close(ends.read);
  EXPECT_EQ(stream.Write("z", 1, 1), static_cast<long>(-EPIPE));
  close(ends.write);
}

}  // namespace

TEST(RecordsStayWholeInAPipe) { RecordsStayWhole(MakePipe()); }
TEST(RecordsStayWholeInASocket) { RecordsStayWhole(MakeSockets()); }

TEST(AFullPipeHoldsNobodyForEver) {
  std::signal(SIGPIPE, SIG_IGN);
  FullStreamReturns(MakePipe());
}
TEST(AFullSocketHoldsNobodyForEver) { FullStreamReturns(MakeSockets()); }

TEST(AClosedDescriptorIsAnError) {
  Ends ends = MakePipe();
  close(ends.read);
  close(ends.write);
  OutputStream stream(ends.write);
  EXPECT_EQ(stream.Write("x", 1, 1), static_cast<long>(-EBADF));
}

}  // namespace hornet

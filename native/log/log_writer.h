// Lines on their way into a file or a pipe, written by a thread of its own, so that a slow disk or a reader that does
// not read costs lines and never time.
// Thread: Append() from any; it copies under a lock that the writing thread holds only to swap two pointers.
// Owner:  Server. Life: constructor to Close(), which writes what is left, for kCloseMsMax at most.
// Bounds: kBufferBytesMax of lines that wait, and as many being written. What finds no room is dropped and counted.
// Wakes:  lines gather for kGatherMs before they are written, in one call; with a buffer half full nobody waits.
#ifndef HORNET_LOG_LOG_WRITER_H_
#define HORNET_LOG_LOG_WRITER_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace hornet {

class LogWriter {
 public:
  static constexpr size_t kBufferBytesMax = 2 * 1024 * 1024;
  static constexpr int kGatherMs = 50;
  static constexpr int kCloseMsMax = 1000;

  // Takes `fd`. `on_trouble` is told why lines are lost, on the writing thread, at most once a minute.
  LogWriter(int fd, std::function<void(std::string)> on_trouble);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // `lines` whole lines; all of them are taken or none.
  void Append(const char* data, size_t length, uint32_t lines);
  // Takes `fd`: what was appended before this goes to the old file, the rest to this one.
  void Reopen(int fd);
  // Writes what is left and ends the thread. What is appended later is lost.
  void Close();

  uint64_t written() const { return written_.load(std::memory_order_relaxed); }
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  struct Batch {
    std::vector<char> bytes;
    uint32_t lines = 0;
  };

  void Run();
  // False when the rest of the batch is lost.
  bool WriteWhole(const char* data, size_t length);
  void Report(const char* what);
  bool IsClosingLate() const;

  const std::function<void(std::string)> on_trouble_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Batch waiting_;
  Batch before_reopen_;  // what waited when Reopen() came
  int next_fd_ = -1;
  bool is_closing_ = false;
  int64_t close_deadline_ms_ = 0;
  std::atomic<uint64_t> written_{0};  // lines
  std::atomic<uint64_t> dropped_{0};
  // The writing thread's own.
  int fd_;
  bool is_pipe_ = false;      // or a socket, or a terminal: may make us wait
  bool is_mid_line_ = false;  // the last write that failed left a line cut
  int64_t reported_ms_ = -1;
  std::thread thread_;
};

}  // namespace hornet

#endif  // HORNET_LOG_LOG_WRITER_H_

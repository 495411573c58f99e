#include "log/log_writer.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>

namespace hornet {

namespace {

constexpr int kPollMs = 100;
constexpr int64_t kReportEveryMs = 60000;

int64_t NowMs() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

bool IsRegular(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

LogWriter::LogWriter(int fd, std::function<void(std::string)> on_trouble)
    : on_trouble_(std::move(on_trouble)), fd_(fd), is_pipe_(!IsRegular(fd)) {
  thread_ = std::thread([this] { Run(); });
}

LogWriter::~LogWriter() {
  Close();
  close(fd_);
  if (next_fd_ >= 0) close(next_fd_);
}

void LogWriter::Close() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    is_closing_ = true;
    close_deadline_ms_ = NowMs() + kCloseMsMax;
  }
  wake_.notify_one();
  thread_.join();
}

void LogWriter::Append(const char* data, size_t length, uint32_t lines) {
  bool was_quiet;
  bool is_half_full;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (waiting_.bytes.size() + length > kBufferBytesMax) {
      dropped_.fetch_add(lines, std::memory_order_relaxed);
      return;
    }
    was_quiet = waiting_.bytes.empty();
    waiting_.bytes.insert(waiting_.bytes.end(), data, data + length);
    waiting_.lines += lines;
    size_t have = waiting_.bytes.size();
    is_half_full = have >= kBufferBytesMax / 2 && have - length < kBufferBytesMax / 2;
  }
  if (was_quiet || is_half_full) wake_.notify_one();
}

void LogWriter::Reopen(int fd) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    // Twice before we wrote: nothing went to the file in between.
    if (next_fd_ >= 0) {
      close(next_fd_);
    } else {
      before_reopen_ = std::move(waiting_);
      waiting_ = Batch();
    }
    next_fd_ = fd;
  }
  wake_.notify_one();
}

void LogWriter::Run() {
  Batch old;
  Batch batch;
  for (;;) {
    int next_fd = -1;
    bool is_closing;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      auto is_due = [this] { return is_closing_ || next_fd_ >= 0; };
      wake_.wait(lock, [&] { return is_due() || !waiting_.bytes.empty(); });
      // More lines will come: written together they cost one call.
      wake_.wait_for(lock, std::chrono::milliseconds(kGatherMs),
                     [&] { return is_due() || waiting_.bytes.size() >= kBufferBytesMax / 2; });
      // Their memory goes back and forth: the usual turn allocates nothing.
      std::swap(batch, waiting_);
      std::swap(old, before_reopen_);
      std::swap(next_fd, next_fd_);
      is_closing = is_closing_ && batch.bytes.empty() && old.bytes.empty();
    }
    for (Batch* each : {&old, &batch}) {
      if (each == &batch && next_fd >= 0) {
        close(fd_);
        fd_ = next_fd;
        is_pipe_ = !IsRegular(fd_);
        is_mid_line_ = false;
      }
      if (each->lines == 0) continue;
      bool is_whole = WriteWhole(each->bytes.data(), each->bytes.size());
      (is_whole ? written_ : dropped_).fetch_add(each->lines, std::memory_order_relaxed);
      each->bytes.clear();
      each->lines = 0;
    }
    if (is_closing) return;
  }
}

bool LogWriter::IsClosingLate() const {
  // Read without the lock: both change once, and a look too early costs one more look.
  return is_closing_ && NowMs() > close_deadline_ms_;
}

bool LogWriter::WriteWhole(const char* data, size_t length) {
  static constexpr char kLineFeed = '\n';
  if (is_mid_line_) {
    // Do not glue the next line to what was cut.
    if (write(fd_, &kLineFeed, 1) == 1) is_mid_line_ = false;
  }
  while (length > 0) {
    size_t part = length;
    if (is_pipe_) {
      // Writable means room for PIPE_BUF bytes: then not even a descriptor in blocking mode makes us wait, and we can
      // end when the server does.
      struct pollfd poller = {fd_, POLLOUT, 0};
      int ready = poll(&poller, 1, kPollMs);
      if (ready == 0 || (ready < 0 && errno == EINTR)) {
        std::unique_lock<std::mutex> lock(mutex_);
        if (IsClosingLate()) return false;
        continue;
      }
      part = part < PIPE_BUF ? part : PIPE_BUF;
    }
    ssize_t count = write(fd_, data, part);
    if (count < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      // A full disk, or a reader that went away. It may come back: the next lines try again.
      // NOLINTNEXTLINE(concurrency-mt-unsafe): only numbers that the kernel does not give share a buffer
      Report(std::strerror(errno));
      return false;
    }
    data += count;
    length -= static_cast<size_t>(count);
    if (count > 0) is_mid_line_ = data[-1] != '\n';
  }
  return true;
}

void LogWriter::Report(const char* what) {
  int64_t now = NowMs();
  if (reported_ms_ >= 0 && now - reported_ms_ < kReportEveryMs) return;
  reported_ms_ = now;
  on_trouble_(std::string("access log: lines are lost: ") + what);
}

}  // namespace hornet

#include "base/output_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>

#include "base/check.h"

namespace hornet {

namespace {

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
#else
constexpr int kSendFlags = MSG_DONTWAIT;  // Node ignores SIGPIPE
#endif

// Gives up what its thread has begun when the thread ends in the middle of it (a terminated worker).
struct Writer {
  ~Writer() {
    OutputStream::Of(1)->Abandon();
    OutputStream::Of(2)->Abandon();
  }
};
thread_local Writer writer;

bool IsSameFile(int a, int b) {
  struct stat first, second;
  return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

}  // namespace

OutputStream* OutputStream::Of(int fd) {
  // Never destroyed: threads may write to the end of the process.
  static OutputStream* const output = new OutputStream(1);
  static OutputStream* const error = IsSameFile(1, 2) ? output : new OutputStream(2);
  return fd == 1 ? output : error;
}

long OutputStream::Write(const char* data, size_t length, int wait_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  bool is_begun;  // earlier calls wrote the first part of this record
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!turn_.wait_until(lock, deadline, [this] { return owner_ == nullptr || owner_ == &writer; })) return 0;
    is_begun = owner_ == &writer;
    owner_ = &writer;
  }
  if (kind_ == Kind::kUnknown) Inspect();
  size_t written = 0;
  int error = 0;
  while (written < length) {
    long count = WriteOnce(data + written, length - written);
    if (count > 0) {
      written += static_cast<size_t>(count);
      continue;
    }
    if (count == -EINTR) continue;
    if (count != -EAGAIN && count != -EWOULDBLOCK) {
      error = static_cast<int>(count);
      break;
    }
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) break;
    struct pollfd ready = {kind_ == Kind::kReopened ? reopened_fd_ : fd_, POLLOUT, 0};
    poll(&ready, 1, static_cast<int>(left.count()));
  }
  // One that has written nothing lets others try; one that has begun goes on first.
  if (written == length || (written == 0 && !is_begun) || error != 0) Abandon();
  return error != 0 ? error : static_cast<long>(written);
}

void OutputStream::Abandon() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (owner_ != &writer) return;
    owner_ = nullptr;
  }
  turn_.notify_one();
}

void OutputStream::Reset() {
  std::lock_guard<std::mutex> lock(mutex_);
  CHECK(owner_ == nullptr);
  Forget();
}

void OutputStream::Forget() {
  if (reopened_fd_ >= 0) close(reopened_fd_);
  reopened_fd_ = -1;
  kind_ = Kind::kUnknown;
}

void OutputStream::Inspect() {
  struct stat status;
  kind_ = Kind::kOther;
  if (fstat(fd_, &status) != 0) return;
  if (S_ISREG(status.st_mode)) {
    kind_ = Kind::kFile;
  } else if (S_ISSOCK(status.st_mode)) {
    kind_ = Kind::kSocket;
  } else if (S_ISFIFO(status.st_mode) || isatty(fd_) == 1) {
    char path[32];
    std::snprintf(path, sizeof(path), "/proc/self/fd/%d", fd_);
    reopened_fd_ = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (reopened_fd_ >= 0) kind_ = Kind::kReopened;
  }
}

// Bytes written or a negative errno, at once in any case.
long OutputStream::WriteOnce(const char* data, size_t length) {
  ssize_t count = -1;
  switch (kind_) {
    case Kind::kReopened:
      count = write(reopened_fd_, data, length);
      break;
    case Kind::kSocket:
      count = send(fd_, data, length, kSendFlags);
      break;
    case Kind::kFile:
      count = write(fd_, data, length);
      break;
    case Kind::kOther:
    case Kind::kUnknown: {
      struct pollfd ready = {fd_, POLLOUT, 0};
      if (poll(&ready, 1, 0) == 0) return -EAGAIN;
      count = write(fd_, data, length < PIPE_BUF ? length : PIPE_BUF);
      break;
    }
  }
  return count < 0 ? -errno : count;
}

}  // namespace hornet

// A standard stream (descriptor 1 or 2) that many threads write to: whole records, in order, and never stuck in a
// write(2) that only the reader at the other end could finish.
//
// A descriptor inherited from a shell shares its O_NONBLOCK with other processes, so that it must not be set. A pipe or
// a terminal is opened once more instead, where /proc allows; a socket is written to with MSG_DONTWAIT; what remains
// is asked with poll() first, and given no more than a pipe takes whole.
//
// Thread: any. Owner: the process. Life: the process; Reset() when the descriptor was made another.
// Bounds: nothing is kept; a call returns within `wait_ms`, having written what it could.
#ifndef HORNET_BASE_OUTPUT_STREAM_H_
#define HORNET_BASE_OUTPUT_STREAM_H_

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace hornet {

class OutputStream {
 public:
  // The stream behind descriptor 1 or 2; one and the same for both when they are (`2>&1`).
  static OutputStream* Of(int fd);

  explicit OutputStream(int fd) : fd_(fd) {}
  ~OutputStream() { Forget(); }
  OutputStream(const OutputStream&) = delete;
  OutputStream& operator=(const OutputStream&) = delete;

  // Writes from a record of the calling thread, which others wait for once it is begun: call again with the rest until
  // all is written. Returns the bytes written, 0 when none could be in time, or a negative errno (the record is over).
  long Write(const char* data, size_t length, int wait_ms);
  // Lets others write although the calling thread's record is not whole: the thread ends.
  void Abandon();
  // Looks anew at what the descriptor is.
  void Reset();

 private:
  enum class Kind { kUnknown, kReopened, kSocket, kFile, kOther };

  void Inspect();
  void Forget();
  long WriteOnce(const char* data, size_t length);

  const int fd_;
  std::mutex mutex_;
  std::condition_variable turn_;
  const void* owner_ = nullptr;  // the thread whose record is not whole
  // Of the thread that owns the record.
  Kind kind_ = Kind::kUnknown;
  int reopened_fd_ = -1;
};

}  // namespace hornet

#endif  // HORNET_BASE_OUTPUT_STREAM_H_

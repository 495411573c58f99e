// An I/O thread's end of the access log: keeps what each running request says of itself, and gathers a turn's lines.
// Thread: one I/O thread. Owner: IoThread.
// Life:   as its I/O thread; the notes that it gave out come back through Write() or Drop().
// Bounds: one note per exchange, at most what AccessFormat measures for a head (kAccessValueBytesMax a value); lines of
//         more than kTurnBytesMax are handed over within the turn.
#ifndef HORNET_HTTP_ACCESS_RECORDER_H_
#define HORNET_HTTP_ACCESS_RECORDER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "http/access_format.h"
#include "log/log_writer.h"

namespace hornet {

struct AccessNote {
  AccessNote* next;
  uint32_t length;    // bytes in use
  uint32_t capacity;  // bytes

  char* data() { return reinterpret_cast<char*>(this + 1); }
};

// What the I/O threads share.
struct AccessLog {
  AccessLog(AccessFormat access_format, int fd, std::function<void(std::string)> on_trouble)
      : format(std::move(access_format)), writer(fd, std::move(on_trouble)) {}
  const AccessFormat format;
  LogWriter writer;
};

class AccessRecorder {
 public:
  explicit AccessRecorder(std::shared_ptr<AccessLog> log) : log_(std::move(log)) {}
  ~AccessRecorder();
  AccessRecorder(const AccessRecorder&) = delete;
  AccessRecorder& operator=(const AccessRecorder&) = delete;

  bool needs_response_head() const { return log_->format.needs_response_head(); }
  AccessNote* TakeRequest(const RequestHead& head, const char* head_bytes, const char* address, size_t address_length);
  AccessNote* TakeRefused(const char* line, size_t length, const char* address, size_t address_length);
  // May give another note in place of the one it is given.
  AccessNote* TakeResponse(AccessNote* note, const char* head, size_t head_length, const char* tail,
                           size_t tail_length);
  // Each takes the note.
  void Write(const AccessFacts& facts, AccessNote* note);
  // End of a turn: hands its lines over.
  void Flush();
  void Drop(AccessNote* note);

 private:
  static constexpr uint32_t kNoteBytes = 1024 - sizeof(AccessNote);
  static constexpr uint32_t kPooledMax = 1024;
  static constexpr size_t kTurnBytesMax = 64 * 1024;

  AccessNote* Acquire(size_t capacity);

  std::shared_ptr<AccessLog> log_;
  AccessNote* free_ = nullptr;
  uint32_t pooled_ = 0;
  AccessClock clock_;
  std::vector<char> lines_;
  uint32_t line_count_ = 0;
};

}  // namespace hornet

#endif  // HORNET_HTTP_ACCESS_RECORDER_H_

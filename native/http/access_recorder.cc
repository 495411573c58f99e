#include "http/access_recorder.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/check.h"

namespace hornet {

AccessRecorder::~AccessRecorder() {
  while (AccessNote* note = free_) {
    free_ = note->next;
    std::free(note);
  }
}

AccessNote* AccessRecorder::Acquire(size_t capacity) {
  AccessNote* note = free_;
  if (capacity <= kNoteBytes && note != nullptr) {
    free_ = note->next;
    pooled_--;
  } else {
    if (capacity < kNoteBytes) capacity = kNoteBytes;
    void* memory = std::malloc(sizeof(AccessNote) + capacity);
    CHECK(memory != nullptr);
    note = new (memory) AccessNote{nullptr, 0, static_cast<uint32_t>(capacity)};
  }
  note->length = 0;
  return note;
}

void AccessRecorder::Drop(AccessNote* note) {
  if (note->capacity != kNoteBytes || pooled_ >= kPooledMax) {
    std::free(note);
    return;
  }
  note->next = free_;
  free_ = note;
  pooled_++;
}

AccessNote* AccessRecorder::TakeRequest(const RequestHead& head, const char* head_bytes, const char* address,
                                        size_t address_length) {
  AccessNote* note = Acquire(kNoteBytes);
  char* end = log_->format.TakeRequest(head, head_bytes, address, address_length, note->data(),
                                       note->data() + note->capacity);
  if (end == nullptr) {
    // Unusually long, or full of what must be escaped.
    Drop(note);
    note = Acquire(log_->format.MeasureRequest(head, address_length));
    end = log_->format.TakeRequest(head, head_bytes, address, address_length, note->data(),
                                   note->data() + note->capacity);
    CHECK(end != nullptr);
  }
  note->length = static_cast<uint32_t>(end - note->data());
  return note;
}

AccessNote* AccessRecorder::TakeRefused(const char* line, size_t length, const char* address, size_t address_length) {
  AccessNote* note = Acquire(log_->format.MeasureRefused(address_length));
  char* end =
      log_->format.TakeRefused(line, length, address, address_length, note->data(), note->data() + note->capacity);
  CHECK(end != nullptr);
  note->length = static_cast<uint32_t>(end - note->data());
  return note;
}

AccessNote* AccessRecorder::TakeResponse(AccessNote* note, const char* head, size_t head_length, const char* tail,
                                         size_t tail_length) {
  char* from = note->data() + note->length;
  char* end = log_->format.TakeResponse(head, head_length, tail, tail_length, from, note->data() + note->capacity);
  if (end == nullptr) {
    AccessNote* larger = Acquire(note->length + log_->format.MeasureResponse(head_length, tail_length));
    std::memcpy(larger->data(), note->data(), note->length);
    larger->length = note->length;
    Drop(note);
    note = larger;
    from = note->data() + note->length;
    end = log_->format.TakeResponse(head, head_length, tail, tail_length, from, note->data() + note->capacity);
    CHECK(end != nullptr);
  }
  note->length = static_cast<uint32_t>(end - note->data());
  return note;
}

void AccessRecorder::Write(const AccessFacts& facts, AccessNote* note) {
  log_->format.Write(facts, note->data(), note->length, &clock_, &lines_);
  line_count_++;
  Drop(note);
  if (lines_.size() >= kTurnBytesMax) Flush();
}

void AccessRecorder::Flush() {
  if (line_count_ == 0) return;
  log_->writer.Append(lines_.data(), lines_.size(), line_count_);
  lines_.clear();
  line_count_ = 0;
}

}  // namespace hornet

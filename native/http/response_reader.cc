#include "http/response_reader.h"

#include <algorithm>
#include <cstring>

namespace hornet {

namespace {

constexpr char kHeadEnd[] = "\r\n\r\n";

bool IsOfConnection(std::string_view name) {
  // RFC 9113 section 8.2.2.
  return name == "connection" || name == "keep-alive" || name == "proxy-connection" || name == "transfer-encoding" ||
         name == "upgrade";
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool ParseLength(std::string_view text, uint64_t* length) {
  *length = 0;
  if (text.empty() || text.size() > 18) return false;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    *length = *length * 10 + static_cast<uint64_t>(c - '0');
  }
  return true;
}

}  // namespace

ResponseReader::Status ResponseReader::Read(const char* data, size_t length, size_t* used, std::string_view* part) {
  *used = 0;
  while (*used < length) {
    const char* at = data + *used;
    const size_t have = length - *used;
    switch (state_) {
      case State::kHead: {
        const Status status = ReadHead(at, have, used);
        if (status != Status::kMore) return status;
        break;
      }
      case State::kLength:
      case State::kUntilEnd:
      case State::kChunk: {
        const size_t count = state_ == State::kUntilEnd ? have : std::min<uint64_t>(have, left_);
        *used += count;
        *part = std::string_view(at, count);
        if (state_ != State::kUntilEnd) left_ -= count;
        if (left_ == 0 && state_ == State::kLength) state_ = State::kWhole;
        if (left_ == 0 && state_ == State::kChunk) state_ = State::kChunkEnd;
        return Status::kData;
      }
      case State::kChunkSize:
        (*used)++;
        if (!TakeChunkSize(*at)) return Status::kBad;
        break;
      case State::kChunkEnd:
        (*used)++;
        if (*at == '\n') state_ = State::kChunkSize;
        if (*at != '\n' && *at != '\r') return Status::kBad;
        break;
      case State::kTrailers: {
        text_.push_back(*at);
        (*used)++;
        if (text_.size() > kResponseHeadBytesMax) return Status::kBad;
        if (*at != '\n' || (text_ != "\r\n" && !text_.ends_with(kHeadEnd))) break;
        if (!ParseFields(0)) return Status::kBad;
        state_ = State::kWhole;
        return Status::kEnd;
      }
      case State::kWhole:
        // Nothing belongs behind it.
        *used = length;
        return Status::kEnd;
    }
  }
  return state_ == State::kWhole ? Status::kEnd : Status::kMore;
}

bool ResponseReader::End() {
  if (state_ == State::kUntilEnd) state_ = State::kWhole;
  return state_ == State::kWhole;
}

ResponseReader::Status ResponseReader::ReadHead(const char* data, size_t length, size_t* used) {
  if (status_ != 0) {
    // After an interim one.
    text_.clear();
    fields_.clear();
    status_ = 0;
  }
  // The end may have begun before.
  const size_t before = text_.size();
  const size_t from = before < 3 ? 0 : before - 3;
  const size_t room = kResponseHeadBytesMax - before;
  text_.append(data, std::min(length, room));
  const size_t end = text_.find(kHeadEnd, from);
  if (end == std::string::npos) {
    *used += text_.size() - before;
    return text_.size() < kResponseHeadBytesMax ? Status::kMore : Status::kBad;
  }
  *used += end + 4 - before;
  text_.resize(end + 4);
  return ParseHead() ? Status::kHead : Status::kBad;
}

bool ResponseReader::ParseHead() {
  if (text_.size() < 12 || std::memcmp(text_.data(), "HTTP/1.", 7) != 0 || text_[8] != ' ') return false;
  for (size_t i = 9; i < 12; i++) {
    if (text_[i] < '0' || text_[i] > '9') return false;
    status_ = status_ * 10 + (text_[i] - '0');
  }
  if (status_ < 100) return false;
  const size_t first = text_.find('\n');
  is_chunked_ = has_length_ = false;
  if (!ParseFields(first + 1)) return false;
  // Switching protocols is not for a stream (RFC 9113 section 8.6).
  if (status_ == 101) return false;
  if (status_ < 200) return true;
  if (is_head_request_ || status_ == 204 || status_ == 304) {
    state_ = State::kWhole;
  } else if (is_chunked_) {
    state_ = State::kChunkSize;
  } else if (has_length_) {
    state_ = left_ == 0 ? State::kWhole : State::kLength;
  } else {
    state_ = State::kUntilEnd;
  }
  return true;
}

bool ResponseReader::ParseFields(size_t from) {
  fields_.clear();
  while (from < text_.size()) {
    size_t end = text_.find('\n', from);
    if (end == std::string::npos) return false;
    size_t line_end = end > from && text_[end - 1] == '\r' ? end - 1 : end;
    if (line_end == from) return true;
    const size_t colon = text_.find(':', from);
    if (colon == std::string::npos || colon >= line_end || colon == from) return false;
    for (size_t i = from; i < colon; i++) {
      if (text_[i] >= 'A' && text_[i] <= 'Z') text_[i] = static_cast<char>(text_[i] - 'A' + 'a');
    }
    const std::string_view name(text_.data() + from, colon - from);
    const std::string_view value = Trim({text_.data() + colon + 1, line_end - colon - 1});
    from = end + 1;
    if (name == "transfer-encoding") is_chunked_ = true;
    if (name == "content-length" && state_ == State::kHead) {
      if (!ParseLength(value, &left_)) return false;
      has_length_ = true;
    }
    if (!IsOfConnection(name)) fields_.push_back({name, value});
  }
  return true;
}

bool ResponseReader::TakeChunkSize(char c) {
  if (c == '\n') {
    if (digits_ == 0) return false;
    state_ = left_ == 0 ? State::kTrailers : State::kChunk;
    if (left_ == 0) {
      text_.clear();
      fields_.clear();
    }
    digits_ = 0;
    is_in_extension_ = false;
    return true;
  }
  if (c == '\r' || is_in_extension_) return true;
  if (c == ';' || c == ' ' || c == '\t') {
    is_in_extension_ = true;
    return digits_ > 0;
  }
  const int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
  if (digit < 0 || digits_ >= 15) return false;
  if (digits_++ == 0) left_ = 0;
  left_ = left_ * 16 + static_cast<uint64_t>(digit);
  return true;
}

}  // namespace hornet

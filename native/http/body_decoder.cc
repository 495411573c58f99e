#include "http/body_decoder.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace hornet {

// Extensions carry nothing we act on, and must not be a way to keep a connection busy (CVE-2024-22019). What is seen in
// practice is a signature of some 90 bytes on each chunk, however many there are: so one chunk may have what Node
// allows it, and all of them together as much as there was data, above a start that is enough for 700 signatures.
const uint32_t kChunkExtensionBytesMax = 16 * 1024;
const uint32_t kChunkExtensionsStart = 64 * 1024;

// 64 trailer fields of 128 bytes each, which may as well be one field of the size HeadLimits allows.
const uint32_t kTrailerCountMax = 64;
const uint32_t kTrailerBytesMax = kTrailerCountMax * 128;

namespace {

// Sixteen digits hold any 64-bit size, so a longer number is an attack on someone's overflow, leading zeros included.
constexpr uint8_t kChunkSizeDigitsMax = 16;
constexpr uint64_t kChunkSizeMax = INT64_MAX;  // as for Content-Length

// Fields that must not come as trailers: message framing, routing, connection control, request modifiers,
// authentication, and what says how to read the content (RFC 9110 section 6.5.1). They are refused, not dropped: no
// honest client sends them, and one who does hopes that something downstream merges trailers into the head.
struct Name {
  const char* lower;
  size_t length;  // bytes
};

template <size_t kSize>
constexpr Name MakeName(const char (&lower)[kSize]) {
  return {lower, kSize - 1};
}

constexpr Name kForbiddenTrailers[] = {
    MakeName("content-length"),      MakeName("transfer-encoding"), MakeName("host"),
    MakeName("connection"),          MakeName("keep-alive"),        MakeName("proxy-connection"),
    MakeName("upgrade"),             MakeName("te"),                MakeName("trailer"),
    MakeName("expect"),              MakeName("max-forwards"),      MakeName("range"),
    MakeName("cache-control"),       MakeName("authorization"),     MakeName("proxy-authorization"),
    MakeName("cookie"),              MakeName("content-type"),      MakeName("content-encoding"),
    MakeName("content-range"),       MakeName("forwarded"),         MakeName("x-forwarded-for"),
    MakeName("x-forwarded-host"),    MakeName("x-forwarded-proto"),
};

bool IsForbiddenTrailer(const char* name, size_t length) {
  for (const Name& forbidden : kForbiddenTrailers) {
    if (forbidden.length == length && TokenEquals(name, forbidden.lower, length)) return true;
  }
  return false;
}

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

BodyStep StepOf(BodyStatus status, size_t consumed) {
  BodyStep step = {};
  step.status = status;
  step.consumed = consumed;
  return step;
}

}  // namespace

void BodyDecoder::Start(BodyFraming framing, uint64_t content_length) {
  *this = BodyDecoder();
  is_chunked_ = framing == BodyFraming::kChunked;
  if (is_chunked_) {
    state_ = State::kChunkSize;
    extensions_left_ = kChunkExtensionsStart;
  } else if (framing == BodyFraming::kLength && content_length > 0) {
    state_ = State::kLength;
    remaining_ = content_length;
  }
}

BodyStep BodyDecoder::Step(const char* input, size_t length) {
  for (size_t i = 0;; ++i) {
    switch (state_) {
      case State::kDone: return StepOf(BodyStatus::kDone, i);
      case State::kBad: return Bad(fault_);
      case State::kTrailers: return StepTrailers(input, i, length);
      case State::kLength:
      case State::kChunkData:
        if (i < length) return StepData(input, i, length);
        break;
      default: break;
    }
    if (i == length) return StepOf(BodyStatus::kMore, i);
    const BodyFault fault = ReadFraming(input[i]);
    if (fault != BodyFault::kNone) return Bad(fault);
  }
}

BodyStep BodyDecoder::Bad(BodyFault fault) {
  state_ = State::kBad;
  fault_ = fault;
  BodyStep step = StepOf(BodyStatus::kBad, 0);
  step.fault = fault;
  return step;
}

BodyStep BodyDecoder::StepData(const char* input, size_t skipped, size_t length) {
  const size_t here = length - skipped;
  const size_t taken = here < remaining_ ? here : static_cast<size_t>(remaining_);
  remaining_ -= taken;
  extensions_left_ += static_cast<uint32_t>(std::min<uint64_t>(taken, kChunkExtensionsStart - extensions_left_));
  if (remaining_ == 0) state_ = is_chunked_ ? State::kChunkDataEnd : State::kDone;
  BodyStep step = StepOf(BodyStatus::kData, skipped + taken);
  step.data = input + skipped;
  step.data_length = taken;
  return step;
}

// One octet that is neither data nor part of a trailer.
BodyFault BodyDecoder::ReadFraming(char c) {
  switch (state_) {
    case State::kChunkSize: return ReadSize(c);
    case State::kChunkSizeLf:
      if (c != '\n') return BodyFault::kBadChunkSize;
      state_ = remaining_ == 0 ? State::kTrailers : State::kChunkData;
      digits_ = 0;
      extension_bytes_ = 0;
      return BodyFault::kNone;
    case State::kChunkDataEnd:
      if (c != '\r') return BodyFault::kBadChunkEnd;
      state_ = State::kChunkDataLf;
      return BodyFault::kNone;
    case State::kChunkDataLf:
      if (c != '\n') return BodyFault::kBadChunkEnd;
      state_ = State::kChunkSize;
      return BodyFault::kNone;
    default:
      if (c != '\r' && !CountExtension()) return BodyFault::kChunkExtensionTooLong;
      return ReadExtension(c);
  }
}

BodyFault BodyDecoder::ReadSize(char c) {
  if (IsByte(kHexByte, c)) {
    if (++digits_ > kChunkSizeDigitsMax) return BodyFault::kChunkSizeOverflow;
    remaining_ = (remaining_ << 4) | HexValue(c);
    return BodyFault::kNone;
  }
  if (digits_ == 0) return BodyFault::kBadChunkSize;
  if (remaining_ > kChunkSizeMax) return BodyFault::kChunkSizeOverflow;
  if (c == '\r') {
    state_ = State::kChunkSizeLf;
    return BodyFault::kNone;
  }
  if (c != ';') return BodyFault::kBadChunkSize;
  state_ = State::kExtensionName;
  return CountExtension() ? BodyFault::kNone : BodyFault::kChunkExtensionTooLong;
}

bool BodyDecoder::CountExtension() {
  if (extension_bytes_ == kChunkExtensionBytesMax || extensions_left_ == 0) return false;
  extension_bytes_++;
  extensions_left_--;
  return true;
}

// chunk-ext of RFC 9112 section 7.1.1: what we would let pass unread, another parser may read as a chunk. Without the
// blanks that the grammar allows around ";" and "=" for old times' sake: llhttp refuses them, and nobody sends them.
BodyFault BodyDecoder::ReadExtension(char c) {
  switch (state_) {
    case State::kExtensionName:
      if (!IsByte(kTokenByte, c)) return BodyFault::kBadChunkExtension;
      state_ = State::kExtensionNameRest;
      return BodyFault::kNone;
    case State::kExtensionNameRest:
      if (IsByte(kTokenByte, c)) return BodyFault::kNone;
      if (c != '=') return EndExtension(c);
      state_ = State::kExtensionValue;
      return BodyFault::kNone;
    case State::kExtensionValue:
      if (c != '"' && !IsByte(kTokenByte, c)) return BodyFault::kBadChunkExtension;
      state_ = c == '"' ? State::kExtensionQuoted : State::kExtensionToken;
      return BodyFault::kNone;
    case State::kExtensionToken:
      if (IsByte(kTokenByte, c)) return BodyFault::kNone;
      return EndExtension(c);
    case State::kExtensionQuoted:
      if (!IsByte(kValueByte, c)) return BodyFault::kBadChunkExtension;
      if (c == '"') state_ = State::kExtensionEnd;
      if (c == '\\') state_ = State::kExtensionEscaped;
      return BodyFault::kNone;
    case State::kExtensionEscaped:
      if (!IsByte(kValueByte, c)) return BodyFault::kBadChunkExtension;
      state_ = State::kExtensionQuoted;
      return BodyFault::kNone;
    default: return EndExtension(c);
  }
}

// What may follow a name or a value: the line's end, or another extension.
BodyFault BodyDecoder::EndExtension(char c) {
  if (c != '\r' && c != ';') return BodyFault::kBadChunkExtension;
  state_ = c == '\r' ? State::kChunkSizeLf : State::kExtensionName;
  return BodyFault::kNone;
}

// One trailer line, or the empty one that ends the message. A line that has not fully arrived is checked as far as it
// goes and left with the caller.
BodyStep BodyDecoder::StepTrailers(const char* input, size_t skipped, size_t length) {
  const char* line = input + skipped;
  const char* end = input + length;
  const uint32_t room = kTrailerBytesMax - trailer_bytes_;
  if (line == end) return StepOf(BodyStatus::kMore, skipped);
  if (*line == '\r') {
    if (end - line < 2) return StepOf(BodyStatus::kMore, skipped);
    if (line[1] != '\n') return Bad(BodyFault::kBadTrailer);
    state_ = State::kDone;
    return StepOf(BodyStatus::kDone, skipped + 2);
  }
  if (trailer_count_ == kTrailerCountMax) return Bad(BodyFault::kTrailersTooLarge);

  const char* name_end = PortableScan::TokenEnd(line, end);
  if (name_end - line > room) return Bad(BodyFault::kTrailersTooLarge);
  if (name_end == end) return StepOf(BodyStatus::kMore, skipped);
  if (*name_end != ':' || name_end == line) return Bad(BodyFault::kBadTrailer);
  const size_t name_length = static_cast<size_t>(name_end - line);
  if (IsForbiddenTrailer(line, name_length)) return Bad(BodyFault::kForbiddenTrailer);

  const char* value_end = PortableScan::ValueEnd(name_end + 1, end);
  if (value_end - line > room) return Bad(BodyFault::kTrailersTooLarge);
  if (value_end == end) return StepOf(BodyStatus::kMore, skipped);
  if (*value_end != '\r') return Bad(BodyFault::kBadTrailer);
  if (end - value_end < 2) return StepOf(BodyStatus::kMore, skipped);
  if (value_end[1] != '\n') return Bad(BodyFault::kBadTrailer);
  const size_t line_length = static_cast<size_t>(value_end - line) + 2;
  if (line_length > room) return Bad(BodyFault::kTrailersTooLarge);
  trailer_bytes_ += static_cast<uint32_t>(line_length);
  ++trailer_count_;

  const char* value = name_end + 1;
  while (value != value_end && IsSpace(*value)) ++value;
  while (value_end != value && IsSpace(value_end[-1])) --value_end;
  BodyStep step = StepOf(BodyStatus::kTrailer, skipped + line_length);
  step.data = line;
  step.data_length = name_length;
  step.value = value;
  step.value_length = static_cast<size_t>(value_end - value);
  return step;
}

int FaultStatus(BodyFault fault) {
  switch (fault) {
    case BodyFault::kChunkSizeOverflow:
    case BodyFault::kChunkExtensionTooLong: return 413;
    case BodyFault::kTrailersTooLarge: return 431;
    default: return 400;
  }
}

const char* FaultName(BodyFault fault) {
  switch (fault) {
    case BodyFault::kNone: return "none";
    case BodyFault::kBadChunkSize: return "bad_chunk_size";
    case BodyFault::kChunkSizeOverflow: return "chunk_size_overflow";
    case BodyFault::kBadChunkExtension: return "bad_chunk_extension";
    case BodyFault::kChunkExtensionTooLong: return "chunk_extension_too_long";
    case BodyFault::kBadChunkEnd: return "bad_chunk_end";
    case BodyFault::kBadTrailer: return "bad_trailer";
    case BodyFault::kTrailersTooLarge: return "trailers_too_large";
    case BodyFault::kForbiddenTrailer: return "forbidden_trailer";
  }
  return "unknown";
}

}  // namespace hornet

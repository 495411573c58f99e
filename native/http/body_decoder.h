// Decodes a request body's framing (RFC 9112 sections 6 and 7): sized or chunked, with trailers.
// Pure: bytes in, values out. Sees native/base and head_parser.h alone.
#ifndef HORNET_HTTP_BODY_DECODER_H_
#define HORNET_HTTP_BODY_DECODER_H_

#include <cstddef>
#include <cstdint>

#include "http/head_parser.h"

namespace hornet {

enum class BodyStatus : uint8_t {
  kData,     // `data`/`data_length` are body bytes inside the input; call again for the rest of the input
  kTrailer,  // one trailer field: `data` is its name, `value` its value; call again for the rest of the input
  kMore,  // input is used up; more is needed
  kDone,  // the message ended; input after `consumed` belongs to the next message
  kBad,   // framing fault: answer 400 (413/431 for sizes) and close
};

enum class BodyFault : uint8_t {
  kNone, kBadChunkSize, kChunkSizeOverflow, kBadChunkExtension, kChunkExtensionTooLong, kBadChunkEnd, kBadTrailer,
  kTrailersTooLarge, kForbiddenTrailer,
};

int FaultStatus(BodyFault fault);
const char* FaultName(BodyFault fault);

struct BodyStep {
  BodyStatus status;
  BodyFault fault;
  size_t consumed;      // bytes of input used by this step
  const char* data;     // with kData and kTrailer: borrowed from the input
  size_t data_length;   // bytes
  const char* value;    // with kTrailer: borrowed from the input, whitespace stripped
  size_t value_length;  // bytes
};

// One body. Small (lives in every active exchange); holds no buffer except a partial trailer section, which the
// caller keeps: when trailers begin, the decoder consumes whole lines only (kMore with consumed < length means
// "keep the unconsumed tail and bring more").
class BodyDecoder {
 public:
  void Start(BodyFraming framing, uint64_t content_length);
  // One step over `input`. Framing before the data is skipped and counted in `consumed`. kData never has length 0; the
  // step after the last data gives kDone, and done() is true as soon as nothing more is needed. kMore leaves input
  // unconsumed only in the trailers; kBad is final.
  BodyStep Step(const char* input, size_t length);
  bool done() const { return state_ == State::kDone; }
  // Bytes still expected with kLength framing; 0 otherwise.
  uint64_t remaining() const { return is_chunked_ ? 0 : remaining_; }

 private:
  enum class State : uint8_t {
    kLength,
    kChunkSize,
    kExtensionName,     // after ";"
    kExtensionNameRest,
    kExtensionValue,    // after "="
    kExtensionToken,
    kExtensionQuoted,
    kExtensionEscaped,  // after a backslash in a quoted string
    kExtensionEnd,      // after a quoted string
    kChunkSizeLf,
    kChunkData,
    kChunkDataEnd,
    kChunkDataLf,
    kTrailers,
    kDone,
    kBad,
  };

  BodyStep Bad(BodyFault fault);
  BodyStep StepData(const char* input, size_t skipped, size_t length);
  BodyStep StepTrailers(const char* input, size_t skipped, size_t length);
  BodyFault ReadFraming(char c);
  BodyFault ReadSize(char c);
  BodyFault ReadExtension(char c);
  BodyFault EndExtension(char c);
  bool CountExtension();

  uint64_t remaining_ = 0;        // bytes of this body (kLength) or of this chunk still to come
  uint32_t extension_bytes_ = 0;  // of this chunk
  uint32_t extensions_left_ = 0;  // bytes that extensions of all chunks may still have; data adds to it
  uint32_t trailer_bytes_ = 0;
  uint16_t trailer_count_ = 0;
  uint8_t digits_ = 0;            // of this chunk's size
  State state_ = State::kDone;
  BodyFault fault_ = BodyFault::kNone;
  bool is_chunked_ = false;
};

// Limits that are ours alone (no option): derived, term by term, where they are defined in the .cc file.
extern const uint32_t kChunkExtensionBytesMax;  // of one chunk
extern const uint32_t kChunkExtensionsStart;    // of one message beyond its data; so much at any time
extern const uint32_t kTrailerBytesMax;         // of one message, line ends included
extern const uint32_t kTrailerCountMax;

}  // namespace hornet

#endif  // HORNET_HTTP_BODY_DECODER_H_

// Feeds octets to the head parser and the body decoder as a connection would, in any pieces, and writes down what came
// out as a list of events. The vectors compare the lists; the fuzzers compare the lists of different pieces.
//
//   request GET /path HTTP/1.1     a head is whole; then, only where they hold:
//     form absolute                absolute, authority or asterisk
//     close                        the connection ends after this exchange
//     expect-continue
//     upgrade
//     body length 5                or: body chunked
//   field Host: example.com        one line per field
//   data hello                     body octets, neighbours joined
//   trailer Name: value
//   end                            the message is over
//   bad 400 bad_host               refused; nothing follows
//   more                           the input ended inside a message
#ifndef HORNET_TEST_NATIVE_REPLAY_H_
#define HORNET_TEST_NATIVE_REPLAY_H_

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/body_decoder.h"
#include "http/head_parser.h"

namespace hornet {

using Events = std::vector<std::string>;

// A copy in a block of its own and of exactly its size, so that the address sanitizer sees a read beyond it.
class ExactCopy {
 public:
  explicit ExactCopy(std::string_view text) : bytes_(new char[text.size()]), size_(text.size()) {
    memcpy(bytes_.get(), text.data(), text.size());
  }
  const char* data() const { return bytes_.get(); }
  size_t size() const { return size_; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
};

inline std::string_view NameOf(const HeadField& field, const char* data) {
  return {data + field.name_offset, field.name_length};
}

inline std::string_view ValueOf(const HeadField& field, const char* data) {
  return {data + field.value_offset, field.value_length};
}

inline bool AreEqual(const HeadField& a, const HeadField& b) {
  return a.name_offset == b.name_offset && a.value_offset == b.value_offset && a.value_length == b.value_length &&
         a.name_length == b.name_length && a.id == b.id;
}

// Everything but the offsets of the fields.
inline bool AreAlike(const RequestHead& a, const RequestHead& b) {
  return a.method == b.method && a.target_form == b.target_form && a.minor_version == b.minor_version &&
         a.framing == b.framing && a.content_length == b.content_length && a.keep_alive == b.keep_alive &&
         a.expect_continue == b.expect_continue && a.upgrade == b.upgrade && a.field_count == b.field_count;
}

inline bool AreEqual(ParseStatus status, const RequestHead& a, const RequestHead& b) {
  if (status == ParseStatus::kMore) return true;
  if (status == ParseStatus::kBad) return a.fault == b.fault;
  if (!AreAlike(a, b) || a.head_length != b.head_length || a.target_offset != b.target_offset ||
      a.target_length != b.target_length) {
    return false;
  }
  for (uint32_t i = 0; i < a.field_count; ++i) {
    if (!AreEqual(a.fields[i], b.fields[i])) return false;
  }
  return true;
}

// What is wrong with a whole head, or nullptr: offsets that leave it, parts that overlap or stand in the wrong order,
// values with whitespace around them.
inline const char* FindMistake(const RequestHead& head, const char* data, size_t length) {
  if (head.head_length > length || head.head_length < 4) return "head_length";
  if (memcmp(data + head.head_length - 4, "\r\n\r\n", 4) != 0) return "the head's end";
  if (head.target_length == 0) return "an empty target";
  size_t at = head.target_offset + head.target_length;
  if (at > head.head_length) return "the target's place";
  for (uint32_t i = 0; i < head.field_count; ++i) {
    const HeadField& field = head.fields[i];
    if (field.name_length == 0 || field.name_offset <= at) return "a name's place";
    if (field.value_offset <= field.name_offset + field.name_length) return "a value's place";
    at = field.value_offset + field.value_length;
    if (at + 4 > head.head_length) return "a value's length";
    if (data[field.name_offset + field.name_length] != ':') return "a name without its colon";
    const std::string_view value = ValueOf(field, data);
    if (!value.empty() && (strchr(" \t", value.front()) != nullptr || strchr(" \t", value.back()) != nullptr)) {
      return "whitespace around a value";
    }
  }
  if (head.framing != BodyFraming::kLength && head.content_length != 0) return "a length without its framing";
  return nullptr;
}

// The head written again from what was parsed, never longer than it was.
inline std::string Serialize(const RequestHead& head, const char* data) {
  std::string text = kMethodNames[static_cast<size_t>(head.method)];
  text += ' ';
  text.append(data + head.target_offset, head.target_length);
  text += head.minor_version == 1 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n";
  for (uint32_t i = 0; i < head.field_count; ++i) {
    text += NameOf(head.fields[i], data);
    text += ':';
    text += ValueOf(head.fields[i], data);
    text += "\r\n";
  }
  return text + "\r\n";
}

class Replay {
 public:
  explicit Replay(const HeadLimits& limits)
      : limits_(limits), head_(std::make_unique<RequestHead>()), portable_(std::make_unique<RequestHead>()) {}

  void Feed(std::string_view piece) {
    input_ += piece;
    while (!is_over_ && Advance()) {
    }
  }

  // Says that nothing more will come. What is wrong with the parser itself is an event too.
  const Events& Finish() {
    if (!is_over_ && (in_body_ || !input_.empty())) events_.push_back("more");
    is_over_ = true;
    return events_;
  }

 private:
  // True when the rest of the input may give more.
  bool Advance() { return in_body_ ? AdvanceBody() : AdvanceHead(); }

  bool AdvanceHead() {
    if (input_.empty()) return false;
    const ExactCopy copy(input_);
    const ParseStatus status = ParseHead(copy.data(), copy.size(), limits_, head_.get());
    const ParseStatus portable = ParseHeadPortable(copy.data(), copy.size(), limits_, portable_.get());
    if (status != portable || !AreEqual(status, *head_, *portable_)) return Stop("MISTAKE: two paths, two answers");
    if (status == ParseStatus::kMore) return false;
    if (status == ParseStatus::kBad) return Refuse(FaultStatus(head_->fault), FaultName(head_->fault));
    if (const char* mistake = FindMistake(*head_, copy.data(), copy.size())) {
      return Stop(std::string("MISTAKE: ") + mistake);
    }
    WriteHead(copy.data());
    input_.erase(0, head_->head_length);
    body_.Start(head_->framing, head_->content_length);
    in_body_ = true;
    return true;
  }

  void WriteHead(const char* data) {
    static const char* const kForms[] = {"origin", "absolute", "authority", "asterisk"};
    const RequestHead& head = *head_;
    events_.push_back(std::string("request ") + kMethodNames[static_cast<size_t>(head.method)] + " " +
                      std::string(data + head.target_offset, head.target_length) + " HTTP/1." +
                      std::to_string(head.minor_version));
    if (head.target_form != TargetForm::kOrigin) {
      events_.push_back(std::string("form ") + kForms[static_cast<size_t>(head.target_form)]);
    }
    if (!head.keep_alive) events_.push_back("close");
    if (head.expect_continue) events_.push_back("expect-continue");
    if (head.upgrade) events_.push_back("upgrade");
    if (head.framing == BodyFraming::kLength) {
      events_.push_back("body length " + std::to_string(head.content_length));
    }
    if (head.framing == BodyFraming::kChunked) events_.push_back("body chunked");
    for (uint32_t i = 0; i < head.field_count; ++i) {
      const HeadField& field = head.fields[i];
      events_.push_back("field " + std::string(NameOf(field, data)) + ": " + std::string(ValueOf(field, data)));
    }
  }

  bool AdvanceBody() {
    const ExactCopy copy(input_);
    const BodyStep step = body_.Step(copy.data(), copy.size());
    if (step.consumed > copy.size()) return Stop("MISTAKE: more consumed than given");
    switch (step.status) {
      case BodyStatus::kBad: return Refuse(FaultStatus(step.fault), FaultName(step.fault));
      case BodyStatus::kData: WriteData({step.data, step.data_length}); break;
      case BodyStatus::kTrailer:
        events_.push_back("trailer " + std::string(step.data, step.data_length) + ": " +
                          std::string(step.value, step.value_length));
        break;
      case BodyStatus::kDone:
        events_.push_back("end");
        in_body_ = false;
        break;
      case BodyStatus::kMore: break;
    }
    if (body_.done() != (step.status == BodyStatus::kDone) && step.status != BodyStatus::kData) {
      return Stop("MISTAKE: done() disagrees");
    }
    input_.erase(0, step.consumed);
    return step.status != BodyStatus::kMore;
  }

  void WriteData(std::string_view data) {
    if (data.empty()) events_.push_back("MISTAKE: empty data");
    if (events_.back().compare(0, 5, "data ") != 0) events_.push_back("data ");
    events_.back() += data;
  }

  bool Refuse(int status, const char* fault) {
    return Stop("bad " + std::to_string(status) + " " + fault);
  }

  bool Stop(const std::string& event) {
    events_.push_back(event);
    is_over_ = true;
    return false;
  }

  HeadLimits limits_;
  std::unique_ptr<RequestHead> head_;
  std::unique_ptr<RequestHead> portable_;
  BodyDecoder body_;
  std::string input_;  // not consumed yet
  Events events_;
  bool in_body_ = false;
  bool is_over_ = false;
};

// What `input` gives when it comes in pieces of `piece` bytes after a first one of `first`.
inline Events ReplayInPieces(std::string_view input, const HeadLimits& limits, size_t first, size_t piece) {
  Replay replay(limits);
  size_t at = first < input.size() ? first : input.size();
  replay.Feed(input.substr(0, at));
  while (at < input.size()) {
    const std::string_view next = input.substr(at, piece);
    replay.Feed(next);
    at += next.size();
  }
  return replay.Finish();
}

}  // namespace hornet

#endif  // HORNET_TEST_NATIVE_REPLAY_H_

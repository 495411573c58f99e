#include "http2/http2_connection.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace hornet {

namespace {

// What each field costs beyond its bytes (RFC 9113 section 6.5.2).
constexpr size_t kFieldOverheadBytes = 32;

// Any head that the reader of responses takes: nghttp2 reckons with 12 bytes more for each field, of which the shortest
// is one of 4. By itself it sends no more than 64 KiB.
constexpr size_t kFieldBlockBytesMax = 4 * kResponseHeadBytesMax;

std::string_view Text(const uint8_t* data, size_t length) { return {reinterpret_cast<const char*>(data), length}; }

nghttp2::Field FieldOf(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    // They are only read: nghttp2 has no const here.
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), 0};
}

// What may stand in a request line. nghttp2 has looked, too; here it is what keeps one request from being two.
bool IsVisible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c != 0x7f; });
}

bool HasLineEnd(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos; }

}  // namespace

// ---- a stream -------------------------------------------------------------------------------------------------------

void Http2Stream::AddField(std::string_view name, std::string_view value, size_t bytes_max) {
  if (is_too_large_) return;
  head_bytes_ += name.size() + value.size() + kFieldOverheadBytes;
  if (head_bytes_ > bytes_max) {
    is_too_large_ = true;
    // Of trailers nobody can be told any more.
    is_bad_ |= has_head_;
    return;
  }
  if (HasLineEnd(name) || HasLineEnd(value)) is_bad_ = true;
  if (has_head_) {
    trailers_.append(name).append(": ").append(value).append("\r\n");
    return;
  }
  if (name == ":method") {
    method_ = value;
  } else if (name == ":path") {
    path_ = value;
  } else if (name == ":authority") {
    authority_ = value;
  } else if (name == "cookie") {
    // They come one by one to be compressed better (RFC 9113 section 8.2.3).
    if (!cookies_.empty()) cookies_ += "; ";
    cookies_ += value;
  } else if (name.starts_with(':')) {
    // :scheme. What it says is known from the connection.
  } else if (name == "host") {
    if (authority_.empty()) authority_ = value;
  } else {
    if (name == "content-length") has_length_ = true;
    fields_.append(name).append(": ").append(value).append("\r\n");
  }
}

bool Http2Stream::WriteHead(bool has_body) {
  if (is_bad_ || !IsVisible(method_) || !IsVisible(path_) || !IsVisible(authority_)) return false;
  is_chunked_ = has_body && !has_length_;
  const size_t before = input_.size();
  input_.reserve(method_.size() + path_.size() + authority_.size() + fields_.size() + cookies_.size() + 80);
  input_.append(method_).append(" ").append(path_).append(" HTTP/1.1\r\n");
  if (!authority_.empty()) input_.append("host: ").append(authority_).append("\r\n");
  input_.append(fields_);
  if (!cookies_.empty()) input_.append("cookie: ").append(cookies_).append("\r\n");
  if (is_chunked_) input_ += "transfer-encoding: chunked\r\n";
  input_ += "\r\n";
  carrier_->NoteBuffered(input_.size(), before);
  for (std::string* text : {&path_, &authority_, &fields_, &cookies_}) std::string().swap(*text);
  return true;
}

void Http2Stream::AddBody(const char* data, size_t length) {
  const size_t before = input_.size();
  if (is_chunked_) {
    char size[20];
    input_.append(size, static_cast<size_t>(std::snprintf(size, sizeof(size), "%zx\r\n", length)));
  }
  input_.append(data, length);
  if (is_chunked_) input_ += "\r\n";
  carrier_->NoteBuffered(input_.size(), before);
}

void Http2Stream::EndBody() {
  has_request_ended_ = true;
  const size_t before = input_.size();
  if (is_chunked_) input_.append("0\r\n").append(trailers_).append("\r\n");
  carrier_->NoteBuffered(input_.size(), before);
  std::string().swap(trailers_);
}

size_t Http2Stream::Read(char* buffer, size_t capacity) {
  const size_t count = std::min(capacity, input_.size() - input_read_);
  std::memcpy(buffer, input_.data() + input_read_, count);
  input_read_ += count;
  if (input_read_ == input_.size()) {
    input_read_ = 0;
    carrier_->NoteBuffered(0, input_.size());
    if (input_.capacity() > 4096) {
      std::string().swap(input_);
    } else {
      input_.clear();
    }
    carrier_->Consume(this);
  }
  return count;
}

void Http2Stream::WantRead() {
  if (input_.empty()) return;
  carrier_->Touch(this);
  carrier_->streams_host_->MarkDirty(carrier_);
}

IoStatus Http2Stream::Take(OutQueue* out, ChunkPool* pool, size_t* written) {
  if (is_closed_ && !is_end_sent_) return IoStatus::kFailed;
  out_ = out;
  if (is_end_sent_) {
    // Nothing belongs behind a response.
    *written += taken_ + out->bytes();
    taken_ = 0;
    out->Clear(pool);
    return IoStatus::kOk;
  }
  if (!is_submitted_ && !out->empty() && !SubmitHead()) {
    carrier_->Reset(this, nghttp2::kInternalError);
    return IoStatus::kFailed;
  }
  if (is_waiting_ && (!out->empty() || has_writing_ended_)) {
    is_waiting_ = false;
    carrier_->library_.session_resume_data(carrier_->session_, id_);
  }
  // What there is room for goes now, while it is still where it was written.
  carrier_->Pump();
  carrier_->streams_host_->MarkDirty(carrier_);
  *written += taken_;
  taken_ = 0;
  return out->empty() ? IoStatus::kOk : IoStatus::kAgain;
}

// Reads heads, interim ones first, and hands them to nghttp2. False: that is no response.
bool Http2Stream::SubmitHead() {
  const nghttp2::Library& library = carrier_->library_;
  while (!is_submitted_) {
    iovec front;
    if (out_->FillVector(&front, 1) == 0) return true;
    size_t used = 0;
    std::string_view part;
    const auto status = reader_->Read(static_cast<const char*>(front.iov_base), front.iov_len, &used, &part);
    taken_ += used;
    if (status == ResponseReader::Status::kHead) {
      const std::string digits = std::to_string(reader_->status());
      std::vector<nghttp2::Field> fields;
      fields.reserve(reader_->fields().size() + 1);
      fields.push_back(FieldOf(":status", digits));
      for (const auto& field : reader_->fields()) fields.push_back(FieldOf(field.name, field.value));
      int error = 0;
      if (reader_->status() < 200) {
        error = library.submit_headers(carrier_->session_, nghttp2::kNoFlags, id_, nullptr, fields.data(),
                                       fields.size(), nullptr);
      } else {
        is_submitted_ = true;
        is_whole_ = reader_->has_no_body();
        nghttp2::Provider provider = {};
        provider.read = Http2Connection::OnReadBody;
        error = library.submit_response(carrier_->session_, id_, fields.data(), fields.size(),
                                        is_whole_ ? nullptr : &provider);
      }
      if (error != 0) return false;
    }
    out_->Consume(&carrier_->host_->pool, used);
    if (status == ResponseReader::Status::kBad) return false;
  }
  return true;
}

void Http2Stream::SubmitTrailers() {
  std::vector<nghttp2::Field> fields;
  for (const auto& field : reader_->fields()) fields.push_back(FieldOf(field.name, field.value));
  if (carrier_->library_.submit_trailer(carrier_->session_, id_, fields.data(), fields.size()) == 0) return;
  is_bad_ = true;
  carrier_->Touch(this);
}

ssize_t Http2Stream::ReadBody(uint8_t* buffer, size_t length, uint32_t* flags) {
  size_t filled = 0;
  auto status = ResponseReader::Status::kMore;
  while (out_ != nullptr && filled < length && !is_whole_) {
    iovec front;
    if (out_->FillVector(&front, 1) == 0) break;
    size_t used = 0;
    std::string_view part;
    // No more than fits: what is no part of the body is read on the way.
    const size_t room = std::min(front.iov_len, length - filled);
    status = reader_->Read(static_cast<const char*>(front.iov_base), room, &used, &part);
    if (status == ResponseReader::Status::kData) {
      std::memcpy(buffer + filled, part.data(), part.size());
      filled += part.size();
    }
    taken_ += used;
    out_->Consume(&carrier_->host_->pool, used);
    if (status == ResponseReader::Status::kBad) {
      is_bad_ = true;
      carrier_->Touch(this);
      break;
    }
    is_whole_ = status == ResponseReader::Status::kEnd || reader_->has_no_body();
  }
  if (taken_ > 0) carrier_->Touch(this);
  if (!is_whole_ && has_writing_ended_ && (out_ == nullptr || out_->empty())) {
    is_whole_ = reader_->End();
    if (!is_whole_) {
      is_bad_ = true;
      carrier_->Touch(this);
    }
  }
  if (is_whole_) {
    *flags |= nghttp2::kDataEof;
    if (status == ResponseReader::Status::kEnd && !reader_->fields().empty()) {
      // The trailers end it.
      *flags |= nghttp2::kDataNoEndStream;
      SubmitTrailers();
    }
    return static_cast<ssize_t>(filled);
  }
  if (filled > 0) return static_cast<ssize_t>(filled);
  is_waiting_ = true;
  return nghttp2::kDeferred;
}

void Http2Stream::EndWriting() {
  if (has_writing_ended_ || is_closed_) return;
  has_writing_ended_ = true;
  if (is_waiting_) {
    is_waiting_ = false;
    carrier_->library_.session_resume_data(carrier_->session_, id_);
    carrier_->streams_host_->MarkDirty(carrier_);
  }
}

void Http2Stream::Leave() {
  connection_ = nullptr;
  out_ = nullptr;
  carrier_->Touch(this);
  carrier_->streams_host_->MarkDirty(carrier_);
  if (is_closed_) return;
  // Cut off, unless all of it is with nghttp2 by now or ends here.
  if (!is_whole_ && !has_writing_ended_) carrier_->Reset(this, nghttp2::kInternalError);
}

// ---- the connection -------------------------------------------------------------------------------------------------

Http2Connection::Http2Connection(SlabId slab_id, HttpHost* host, Http2Host* streams, uint32_t listener,
                                 const ListenerOptions* options)
    : id(slab_id),
      host_(host),
      streams_host_(streams),
      listener_index_(listener),
      options_(options),
      library_(*nghttp2::Find()) {}

Http2Connection::~Http2Connection() {
  if (session_ != nullptr) library_.session_del(session_);
}

void Http2Connection::Begin(HttpConnection* from, const char* data, size_t length) {
  timer.owner = static_cast<SecureConnection*>(this);
  idle_since_ms_ = host_->now_ms;
  const int error = TakeOver(from);
  origin_ = from->TakeOrigin();
  if (error != 0) {
    // There is no descriptor left for it.
    LeaveClient();
    streams_host_->ReleaseHttp2(this);
    return;
  }
  if (!OpenSession()) {
    CloseNow();
    return;
  }
  WatchReadable(true);
  if (host_->is_draining) StartDraining();
  if (length > 0) Receive(data, length);
  streams_host_->MarkDirty(this);
}

bool Http2Connection::OpenSession() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (library_.session_callbacks_new(&callbacks) != 0 || library_.option_new(&option) != 0) return false;
  library_.session_callbacks_set_on_begin_headers_callback(callbacks, OnBeginHeaders);
  library_.session_callbacks_set_on_header_callback(callbacks, OnHeader);
  library_.session_callbacks_set_on_invalid_header_callback(callbacks, OnBadHeader);
  library_.session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
  library_.session_callbacks_set_on_frame_send_callback(callbacks, OnFrameSent);
  library_.session_callbacks_set_on_frame_not_send_callback(callbacks, OnFrameNotSent);
  library_.session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
  library_.session_callbacks_set_on_stream_close_callback(callbacks, OnStreamClosed);
  // A client may send more of a body when the application has taken some, and not when we have.
  library_.option_set_no_auto_window_update(option, 1);
  library_.option_set_max_send_header_block_length(option, kFieldBlockBytesMax);
  const int error = library_.session_server_new2(&session_, callbacks, this, option);
  library_.session_callbacks_del(callbacks);
  library_.option_del(option);
  if (error != 0) return false;
  const nghttp2::Setting settings[] = {
      {nghttp2::kMaxConcurrentStreams, kStreamsMax},
      {nghttp2::kInitialWindowSize, kStreamWindowBytes},
      {nghttp2::kMaxHeaderListSize, static_cast<uint32_t>(options_->limits.head.head_bytes_max)},
  };
  return library_.submit_settings(session_, nghttp2::kNoFlags, settings, std::size(settings)) == 0 &&
         library_.session_set_local_window_size(session_, nghttp2::kNoFlags, 0, kConnectionWindowBytes) == 0;
}

// ---- what nghttp2 tells ----

int Http2Connection::OnBeginHeaders(nghttp2_session*, const nghttp2::Frame* frame, void* self) {
  auto* connection = static_cast<Http2Connection*>(self);
  if (frame->type != nghttp2::kHeaders || connection->Find(frame->stream_id) != nullptr) return 0;
  connection->streams_[frame->stream_id] = std::make_unique<Http2Stream>(connection, frame->stream_id);
  if (connection->heads_open_++ == 0) connection->head_since_ms_ = connection->host_->now_ms;
  connection->was_used_ = true;
  return 0;
}

int Http2Connection::OnHeader(nghttp2_session*, const nghttp2::Frame* frame, const uint8_t* name, size_t name_length,
                              const uint8_t* value, size_t value_length, uint8_t, void* self) {
  auto* connection = static_cast<Http2Connection*>(self);
  Http2Stream* stream = connection->Find(frame->stream_id);
  if (stream == nullptr) return 0;
  const size_t bytes_max = connection->options_->limits.head.head_bytes_max;
  stream->AddField(Text(name, name_length), Text(value, value_length), bytes_max);
  return 0;
}

// Versions of nghttp2 differ in which of these they leave out and which reset the stream. Here the request is malformed
// (RFC 9113 section 8.2.1).
int Http2Connection::OnBadHeader(nghttp2_session*, const nghttp2::Frame* frame, const uint8_t*, size_t, const uint8_t*,
                                 size_t, uint8_t, void* self) {
  Http2Stream* stream = static_cast<Http2Connection*>(self)->Find(frame->stream_id);
  if (stream != nullptr) stream->is_bad_ = true;
  return 0;
}

int Http2Connection::OnFrame(nghttp2_session*, const nghttp2::Frame* frame, void* self) {
  auto* connection = static_cast<Http2Connection*>(self);
  if (frame->type != nghttp2::kHeaders && frame->type != nghttp2::kData) return 0;
  Http2Stream* stream = connection->Find(frame->stream_id);
  if (stream == nullptr) return 0;
  const bool ends = (frame->flags & nghttp2::kEndStream) != 0;
  if (frame->type == nghttp2::kHeaders && !stream->has_head_) {
    stream->is_too_large_ |=
        stream->head_bytes_ > kSmallHeadBytes && connection->host_->input_bytes >= kInputBytesMax;
    connection->heads_open_--;
    stream->has_head_ = true;
    stream->is_bad_ |= !stream->is_too_large_ && !stream->WriteHead(!ends);
    stream->head_bytes_ = 0;
  }
  if (ends) stream->EndBody();
  connection->Touch(stream);
  return 0;
}

int Http2Connection::OnData(nghttp2_session*, uint8_t, int32_t stream_id, const uint8_t* data, size_t length,
                            void* self) {
  auto* connection = static_cast<Http2Connection*>(self);
  Http2Stream* stream = connection->Find(stream_id);
  if (stream == nullptr) {
    connection->library_.session_consume_connection(connection->session_, length);
    return 0;
  }
  stream->unconsumed_ += length;
  // Whom it was for may have left by now.
  if (stream->connection_ != nullptr || stream->reader_ == nullptr) {
    stream->AddBody(reinterpret_cast<const char*>(data), length);
  }
  connection->Touch(stream);
  return 0;
}

int Http2Connection::OnFrameSent(nghttp2_session*, const nghttp2::Frame* frame, void* self) {
  if ((frame->flags & nghttp2::kEndStream) == 0) return 0;
  if (frame->type != nghttp2::kHeaders && frame->type != nghttp2::kData) return 0;
  auto* connection = static_cast<Http2Connection*>(self);
  Http2Stream* stream = connection->Find(frame->stream_id);
  if (stream == nullptr) return 0;
  stream->is_end_sent_ = true;
  connection->Touch(stream);
  return 0;
}

// A head that nghttp2 will not send would be waited for in vain.
int Http2Connection::OnFrameNotSent(nghttp2_session*, const nghttp2::Frame* frame, int, void* self) {
  auto* connection = static_cast<Http2Connection*>(self);
  Http2Stream* stream = frame->type == nghttp2::kHeaders ? connection->Find(frame->stream_id) : nullptr;
  if (stream == nullptr || stream->is_closed_) return 0;
  stream->is_bad_ = true;
  connection->Touch(stream);
  return 0;
}

int Http2Connection::OnStreamClosed(nghttp2_session*, int32_t stream_id, uint32_t, void* self) {
  auto* connection = static_cast<Http2Connection*>(self);
  Http2Stream* stream = connection->Find(stream_id);
  if (stream == nullptr) return 0;
  stream->is_closed_ = true;
  connection->Touch(stream);
  return 0;
}

ssize_t Http2Connection::OnReadBody(nghttp2_session*, int32_t stream_id, uint8_t* buffer, size_t length,
                                    uint32_t* flags, nghttp2::Source*, void* self) {
  Http2Stream* stream = static_cast<Http2Connection*>(self)->Find(stream_id);
  return stream == nullptr ? nghttp2::kDeferred : stream->ReadBody(buffer, length, flags);
}

// ---- what is done about it ----

Http2Stream* Http2Connection::Find(int32_t stream_id) const {
  auto found = streams_.find(stream_id);
  return found == streams_.end() ? nullptr : found->second.get();
}

void Http2Connection::Touch(Http2Stream* stream) {
  if (stream->is_touched_) return;
  stream->is_touched_ = true;
  touched_.push_back(stream);
}

void Http2Connection::HandleReadable() {
  host_->BeginEvent();
  size_t count = 0;
  switch (SecureConnection::Receive(host_->read_buffer, kTlsPlainBytesMax, &count)) {
    case IoStatus::kAgain:
      return;
    case IoStatus::kFailed:
    case IoStatus::kEnd:
      CloseNow();
      return;
    case IoStatus::kOk:
      break;
  }
  if (is_lingering_) {
    discarded_ += count;
    if (discarded_ > kLingerBytesMax) CloseNow();
    return;
  }
  Receive(host_->read_buffer, count);
  streams_host_->MarkDirty(this);
}

void Http2Connection::Receive(const char* data, size_t length) {
  if (has_failed_) return;
  const ssize_t used = library_.session_mem_recv(session_, reinterpret_cast<const uint8_t*>(data), length);
  if (used < 0) {
    // No HTTP/2 at all, or against its rules in a way that ends the connection: a GOAWAY says why.
    has_failed_ = true;
    WatchReadable(false);
  }
  Turn();
}

void Http2Connection::Turn() {
  while (!touched_.empty()) {
    std::vector<Http2Stream*> streams;
    streams.swap(touched_);
    for (Http2Stream* stream : streams) {
      stream->is_touched_ = false;
      if (stream->is_closed_) {
        // It ended, or the client took it back.
        if (HttpConnection* connection = stream->connection_) {
          if (stream->is_end_sent_) {
            connection->Flush();
          } else {
            connection->HandleGone();
          }
        }
        // A worker has yet to say that this was all.
        if (stream->connection_ != nullptr) continue;
        if (stream->unconsumed_ > 0) library_.session_consume_connection(session_, stream->unconsumed_);
        if (!stream->has_head_) heads_open_--;
        NoteBuffered(0, stream->input_.size());
        // What calling it has touched again goes with it.
        std::erase(touched_, stream);
        streams_.erase(stream->id_);
        if (streams_.empty()) idle_since_ms_ = host_->now_ms;
        continue;
      }
      if (stream->has_head_ && stream->reader_ == nullptr) BeginRequest(stream);
      // What is wrong with a response is our fault, or the application's.
      if (stream->is_bad_) Reset(stream, stream->is_submitted_ ? nghttp2::kInternalError : nghttp2::kProtocolError);
      HttpConnection* connection = stream->connection_;
      if (connection == nullptr) {
        Consume(stream);
        // A response that came before the end of its request: the rest is not waited for.
        if (stream->is_end_sent_ && !stream->has_request_ended_) Reset(stream, nghttp2::kNoError);
        continue;
      }
      if (!stream->input_.empty() && connection->is_reading()) {
        connection->HandleInput();
        if (stream->connection_ != nullptr && !stream->input_.empty() && connection->is_reading()) Touch(stream);
      }
      if (stream->connection_ != nullptr && (stream->taken_ > 0 || stream->is_end_sent_)) host_->MarkDirty(connection);
    }
  }
}

void Http2Connection::BeginRequest(Http2Stream* stream) {
  stream->reader_ = std::make_unique<ResponseReader>(stream->method_ == "HEAD");
  if (stream->is_bad_) return;
  if (stream->is_too_large_) {
    AnswerWithout(stream, 431);
  } else if (stream->method_ == "CONNECT") {
    AnswerWithout(stream, 501);
  } else {
    HttpConnection* connection = streams_host_->OpenStream(listener_index_, options_);
    if (connection == nullptr) {
      Reset(stream, nghttp2::kRefusedStream);
      return;
    }
    stream->connection_ = connection;
    connection->StartStream(stream, origin_);
  }
}

// A request that is none to the rest of the server.
void Http2Connection::AnswerWithout(Http2Stream* stream, int status) {
  const std::string digits = std::to_string(status);
  const nghttp2::Field field = FieldOf(":status", digits);
  stream->is_submitted_ = stream->is_whole_ = true;
  if (library_.submit_response(session_, stream->id_, &field, 1, nullptr) != 0) {
    Reset(stream, nghttp2::kInternalError);
  }
  host_->CountRejected(status);
}

void Http2Connection::Reset(Http2Stream* stream, uint32_t error) {
  if (stream->is_closed_ || stream->is_reset_) return;
  stream->is_reset_ = true;
  library_.submit_rst_stream(session_, nghttp2::kNoFlags, stream->id_, error);
  streams_host_->MarkDirty(this);
}

void Http2Connection::Consume(Http2Stream* stream) {
  if (stream->connection_ == nullptr) {
    NoteBuffered(0, stream->input_.size());
    std::string().swap(stream->input_);
    stream->input_read_ = 0;
  }
  if (stream->unconsumed_ == 0 || !stream->input_.empty()) return;
  library_.session_consume_connection(session_, stream->unconsumed_);
  library_.session_consume_stream(session_, stream->id_, stream->unconsumed_);
  stream->unconsumed_ = 0;
  streams_host_->MarkDirty(this);
}

void Http2Connection::NoteBuffered(size_t now, size_t before) {
  if (is_gone_ || is_lingering_) return;
  buffered_ += now - before;
  host_->input_bytes += now - before;
  ChooseReading();
}

void Http2Connection::ChooseReading() {
  const bool waits = host_->input_bytes >= kInputBytesMax && buffered_ >= kBufferedBytesMin;
  WatchReadable(!waits && !is_client_behind_ && !has_failed_);
}

void Http2Connection::Pump() {
  while (out.bytes() < kFramesBytesMax) {
    const uint8_t* data = nullptr;
    const ssize_t length = library_.session_mem_send(session_, &data);
    if (length <= 0) {
      has_failed_ |= length < 0;
      return;
    }
    out.Append(&host_->pool, reinterpret_cast<const char*>(data), static_cast<size_t>(length));
  }
}

void Http2Connection::Flush() {
  if (is_gone_ || is_lingering_) return;
  for (;;) {
    Turn();
    Pump();
    if (!touched_.empty()) continue;
    size_t written = 0;
    const IoStatus status = SecureConnection::Flush(&host_->pool, &written);
    if (status == IoStatus::kFailed) {
      CloseNow();
      return;
    }
    is_client_behind_ = status == IoStatus::kAgain && out.bytes() >= kFramesBytesMax;
    if (status == IoStatus::kAgain) {
      NoteTaken();
      break;
    }
    write_since_ms_ = host_->now_ms;
    if (has_failed_ || (library_.session_want_read(session_) == 0 && library_.session_want_write(session_) == 0)) {
      FinishClosing();
      return;
    }
    if (written == 0) break;
  }
  ChooseReading();
  UpdateDeadline();
}

void Http2Connection::HandleWritable() {
  host_->BeginEvent();
  Flush();
}

void Http2Connection::HandleFailed() {
  host_->BeginEvent();
  CloseNow();
}

void Http2Connection::HandleReleased() { streams_host_->ReleaseHttp2(this); }

// ---- ends -----------------------------------------------------------------------------------------------------------

void Http2Connection::StartDraining() {
  if (is_gone_ || is_lingering_ || is_told_to_leave_) return;
  is_told_to_leave_ = true;
  library_.submit_shutdown_notice(session_);
  go_away_ms_ = host_->now_ms + kGoAwayMs;
  streams_host_->MarkDirty(this);
}

// What the client opens from now on is not served, and it hears so.
void Http2Connection::GoAway() {
  is_told_to_leave_ = true;
  go_away_ms_ = 0;
  library_.submit_goaway(session_, nghttp2::kNoFlags, library_.session_get_last_proc_stream_id(session_),
                         nghttp2::kNoError, nullptr, 0);
  streams_host_->MarkDirty(this);
}

void Http2Connection::Terminate() {
  if (is_gone_ || is_lingering_) return;
  library_.session_terminate_session(session_, nghttp2::kNoError);
  streams_host_->MarkDirty(this);
}

void Http2Connection::GiveUp() {
  if (is_gone_) return;
  if (!is_lingering_) {
    library_.session_terminate_session(session_, nghttp2::kNoError);
    Pump();
    size_t written = 0;
    SecureConnection::Flush(&host_->pool, &written);
  }
  CloseNow();
}

// All is said. A client that is still sending must not lose what it has yet to read to a reset, as on a connection with
// HTTP/1.1 (HttpConnection::FinishClosing).
void Http2Connection::FinishClosing() {
  SecureConnection::ShutdownWrite();
  LeaveStreams();
  is_lingering_ = true;
  WatchReadable(true);
  host_->wheel.Set(&timer, host_->now_ms + kLingerMs);
  SetPhase(ConnectionPhase::kClosing);
}

bool Http2Connection::Yield() {
  const bool carries_nothing = !is_gone_ && !is_lingering_ && streams_.empty() && out.empty();
  if (!carries_nothing || host_->now_ms < idle_since_ms_ + kYieldAfterMs) return false;
  GiveUp();
  return true;
}

void Http2Connection::LeaveStreams() {
  for (auto& [stream_id, stream] : streams_) {
    stream->is_closed_ = true;
    if (stream->connection_ != nullptr && stream->is_end_sent_) stream->connection_->Flush();
    if (stream->connection_ != nullptr) stream->connection_->HandleGone();
  }
  host_->input_bytes -= buffered_;
  buffered_ = 0;
  heads_open_ = 0;
  touched_.clear();
  streams_.clear();
}

void Http2Connection::LeaveClient() {
  if (origin_.is_client_counted) host_->LeaveClient(origin_.address_text, origin_.peer_length);
}

void Http2Connection::CloseNow() {
  if (is_gone_) return;
  is_gone_ = true;
  LeaveStreams();
  SetPhase(ConnectionPhase::kNone);
  LeaveClient();
  dirty_link.Unlink();
  host_->wheel.Cancel(&timer);
  SecureConnection::Close(&host_->pool);
}

// Whether the client has taken any of what waits for it since somebody looked last. The kernel says that there is room
// again only when much is free, which may take a slow client long (net/untaken_bytes.h).
bool Http2Connection::NoteTaken() {
  const uint64_t untaken = UntakenBytes(fd());
  const uint64_t taken = wire_bytes() > untaken ? wire_bytes() - untaken : 0;
  if (taken <= taken_bytes_) return false;
  taken_bytes_ = taken;
  write_since_ms_ = host_->now_ms;
  return true;
}

void Http2Connection::UpdateDeadline() {
  const HttpLimits& limits = options_->limits;
  uint64_t deadline = TimerEntry::kNever;
  const auto due = [&deadline](uint64_t from, uint64_t after) {
    if (after != 0) deadline = std::min(deadline, from + after);
  };
  if (heads_open_ > 0) due(head_since_ms_, limits.header_timeout_ms);
  if (!out.empty()) {
    SetPhase(ConnectionPhase::kWriting);
    due(write_since_ms_, limits.write_timeout_ms);
  } else if (!streams_.empty()) {
    SetPhase(ConnectionPhase::kHandling);
  } else if (was_used_) {
    SetPhase(ConnectionPhase::kIdle);
    due(idle_since_ms_, limits.keep_alive_ms);
  } else {
    SetPhase(ConnectionPhase::kNew);
    due(idle_since_ms_, limits.header_timeout_ms);
  }
  if (go_away_ms_ != 0) due(go_away_ms_, 1);
  if (deadline == TimerEntry::kNever) {
    host_->wheel.Clear(&timer);
  } else {
    host_->wheel.Set(&timer, deadline);
  }
}

void Http2Connection::HandleTimer() {
  const HttpLimits& limits = options_->limits;
  const uint64_t now = host_->now_ms;
  const auto is_due = [now](uint64_t from, uint64_t after) { return after != 0 && now >= from + after; };
  if (is_lingering_) {
    CloseNow();
  } else if (heads_open_ > 0 && is_due(head_since_ms_, limits.header_timeout_ms)) {
    host_->stats.header_timeouts++;
    Terminate();
  } else if (!out.empty() && is_due(write_since_ms_, limits.write_timeout_ms) && !NoteTaken()) {
    host_->stats.write_timeouts++;
    // What the kernel holds for the peer goes as well.
    SetReset();
    CloseNow();
  } else if (go_away_ms_ != 0 && now >= go_away_ms_) {
    GoAway();
  } else if (streams_.empty() && out.empty() &&
             is_due(idle_since_ms_, was_used_ ? limits.keep_alive_ms : limits.header_timeout_ms)) {
    (was_used_ ? host_->stats.keep_alive_timeouts : host_->stats.header_timeouts)++;
    Terminate();
  } else {
    UpdateDeadline();
  }
}

void Http2Connection::SetPhase(ConnectionPhase phase) {
  if (phase == phase_) return;
  host_->CountPhase(phase_, phase);
  phase_ = phase;
}

}  // namespace hornet

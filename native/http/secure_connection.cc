#include "http/secure_connection.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace hornet {

namespace {

// A client that begins like a request takes us for a plain server; a handshake begins with 22.
bool LooksLikeHttp(char first) { return (first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z'); }

}  // namespace

void SecureConnection::Secure(TlsHost* host) {
  tls_ = std::make_unique<Tls>();
  tls_->host = host;
}

int SecureConnection::TakeOver(SecureConnection* from) {
  // What is closed there stays open here.
  const int fd = fcntl(from->fd(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return -errno;
  tls_ = std::move(from->tls_);
  return Open(from->loop(), fd);
}

void SecureConnection::OpenStream(Loop* loop, StreamWire* wire) {
  OpenWithout(loop);
  wire_ = wire;
}

void SecureConnection::WatchReadable(bool on) {
  if (wire_ == nullptr) {
    Watch::WatchReadable(on);
  } else if (on != is_stream_reading_) {
    is_stream_reading_ = on;
    if (on && !is_stream_closed_) wire_->WantRead();
  }
}

IoStatus SecureConnection::Receive(char* buffer, size_t capacity, size_t* length) {
  if (wire_ != nullptr) {
    *length = wire_->Read(buffer, capacity);
    was_full_ = *length == capacity;
    return *length > 0 ? IoStatus::kOk : IoStatus::kAgain;
  }
  if (tls_ == nullptr) {
    const IoStatus status = Connection::Receive(buffer, capacity, length);
    was_full_ = status == IoStatus::kOk && *length == capacity;
    return status;
  }
  // Whatever comes now is only thrown away.
  if (tls_->has_failed_handshake) return Connection::Receive(buffer, capacity, length);
  if (tls_->has_failed) return IoStatus::kFailed;
  if (tls_->has_peer_ended) return IoStatus::kEnd;
  char* wire = tls_->host->buffers.wire;
  size_t count = 0;
  const IoStatus status = Connection::Receive(wire, kTlsWireBytesMax, &count);
  was_full_ = count == kTlsWireBytesMax;
  return status == IoStatus::kOk ? Decrypt(wire, count, buffer, length) : status;
}

IoStatus SecureConnection::Decrypt(const char* data, size_t data_length, char* buffer, size_t* length) {
  Tls& tls = *tls_;
  if (!tls.has_started) {
    if (LooksLikeHttp(data[0])) {
      std::memcpy(buffer, data, data_length);
      *length = data_length;
      is_plain_http_ = true;
      tls_.reset();
      return IoStatus::kOk;
    }
    tls.has_started = true;
    // Not before: a connection that says nothing costs no more than without TLS.
    const bool offers_http2 = may_speak_http2_ && tls.host->offers_http2;
    tls.stream = std::make_unique<TlsStream>(tls.host->context, &tls.host->buffers, offers_http2);
  }
  const bool was_established = tls.stream->is_established();
  const TlsStream::Status status = tls.stream->Open(data, data_length, buffer, length);
  // The handshake's answer, or what went wrong with it.
  const IoStatus sent = SendSealed(false);
  // What waited for the handshake, or behind what it had to say, goes on with Flush().
  if (sent == IoStatus::kOk && !out.empty()) WatchWritable(true);
  if (status != TlsStream::Status::kOpen || sent == IoStatus::kFailed) {
    tls.has_peer_ended = status == TlsStream::Status::kEnded;
    tls.has_failed = status == TlsStream::Status::kFailed || sent == IoStatus::kFailed;
    // What came before it is told first. The kernel then tells of an end until somebody asks again.
    if (*length > 0) shutdown(fd(), SHUT_RD);
  }
  if (*length > 0) return IoStatus::kOk;
  if (status == TlsStream::Status::kFailed && !was_established) tls.has_failed_handshake = true;
  if (tls.has_failed) return IoStatus::kFailed;
  return tls.has_peer_ended ? IoStatus::kEnd : IoStatus::kAgain;
}

IoStatus SecureConnection::Flush(ChunkPool* pool, size_t* written, bool is_last) {
  if (wire_ != nullptr) return is_stream_closed_ ? IoStatus::kFailed : wire_->Take(&out, pool, written);
  return tls_ == nullptr ? Connection::Flush(pool, written, is_last) : FlushSealed(pool, written, is_last);
}

IoStatus SecureConnection::FlushSealed(ChunkPool* pool, size_t* written, bool is_last) {
  Tls& tls = *tls_;
  for (;;) {
    const IoStatus status = SendSealed(is_last && tls.has_ended);
    if (status != IoStatus::kOk) return status;
    out.Consume(pool, tls.sealed_bytes);
    *written += tls.sealed_bytes;
    tls.sealed_bytes = 0;
    if (out.empty()) return IoStatus::kOk;
    // After an end there is nobody to tell.
    if (tls.has_failed || tls.has_ended) return IoStatus::kFailed;
    // Before the handshake there is no way to; it is the peer's turn.
    if (tls.stream == nullptr || !tls.stream->is_established()) return IoStatus::kAgain;
    if (!Seal(is_last)) return IoStatus::kFailed;
  }
}

bool SecureConnection::Seal(bool is_last) {
  Tls& tls = *tls_;
  constexpr int kVectorMax = 64;
  iovec vector[kVectorMax];
  const int count = out.FillVector(vector, kVectorMax);
  char* record = tls.host->buffers.record;
  size_t filled = 0;  // bytes of `record`
  for (int i = 0; i < count && tls.sealed_bytes + filled < kSealBytesMax; i++) {
    const char* data = static_cast<const char*>(vector[i].iov_base);
    size_t left = std::min(vector[i].iov_len, kSealBytesMax - tls.sealed_bytes - filled);
    while (left > 0) {
      const size_t part = std::min(left, kTlsRecordBytesMax - filled);
      // Whole records are sealed where they lie; what is small shares one.
      const bool is_whole = part == kTlsRecordBytesMax;
      if (!is_whole) std::memcpy(record + filled, data, part);
      filled += part;
      data += part;
      left -= part;
      if (filled < kTlsRecordBytesMax) continue;
      if (!tls.stream->Seal(is_whole ? data - part : record, filled)) return false;
      tls.sealed_bytes += static_cast<uint32_t>(filled);
      filled = 0;
    }
  }
  if (filled > 0) {
    if (!tls.stream->Seal(record, filled)) return false;
    tls.sealed_bytes += static_cast<uint32_t>(filled);
  }
  if (is_last && tls.sealed_bytes == out.bytes()) {
    tls.has_ended = true;
    tls.stream->End();
  }
  return true;
}

IoStatus SecureConnection::SendSealed(bool is_last) {
  Tls& tls = *tls_;
  std::vector<char>& sealed = tls.host->buffers.sealed;
  IoStatus status = IoStatus::kOk;
  if (tls.parked != nullptr) {
    size_t sent = 0;
    status = Send(tls.parked.get() + tls.parked_sent, tls.parked_length - tls.parked_sent, &sent, is_last);
    tls.parked_sent += static_cast<uint32_t>(sent);
    tls.wire_bytes += sent;
    if (status == IoStatus::kOk) {
      tls.parked.reset();
      tls.parked_length = tls.parked_sent = 0;
    }
  }
  size_t sent = 0;
  if (status == IoStatus::kOk) {
    status = Send(sealed.data(), sealed.size(), &sent, is_last);
    tls.wire_bytes += sent;
  }
  if (status == IoStatus::kAgain && !Park(sealed.data() + sent, sealed.size() - sent)) status = IoStatus::kFailed;
  sealed.clear();
  return status;
}

bool SecureConnection::Park(const char* data, size_t length) {
  if (length == 0) return true;
  Tls& tls = *tls_;
  const size_t left = tls.parked_length - tls.parked_sent;
  if (left + length > kParkedBytesMax) return false;
  std::unique_ptr<char[]> parked(new char[left + length]);
  if (left > 0) std::memcpy(parked.get(), tls.parked.get() + tls.parked_sent, left);
  std::memcpy(parked.get() + left, data, length);
  tls.parked = std::move(parked);
  tls.parked_length = static_cast<uint32_t>(left + length);
  tls.parked_sent = 0;
  return true;
}

void SecureConnection::EndSealed() {
  if (tls_ == nullptr || tls_->stream == nullptr || tls_->has_ended || tls_->has_failed) return;
  tls_->has_ended = true;
  tls_->stream->End();
  // What does not fit is not waited for: the end of the socket's own stream follows.
  SendSealed(true);
}

void SecureConnection::ShutdownWrite() {
  if (wire_ != nullptr) {
    if (!is_stream_closed_) wire_->EndWriting();
    return;
  }
  EndSealed();
  Connection::ShutdownWrite();
}

void SecureConnection::SetReset() {
  if (wire_ != nullptr) return;
  if (tls_ != nullptr) tls_->is_reset = true;
  Connection::SetReset();
}

void SecureConnection::Close(ChunkPool* pool) {
  if (wire_ != nullptr) {
    if (is_stream_closed_) return;
    is_stream_closed_ = true;
    out.Clear(pool);
    wire_->Leave();
    CloseWithout();
    return;
  }
  // An orderly end is told as such; that something was cut short must not look like one.
  if (!is_closed() && tls_ != nullptr && !tls_->is_reset && out.empty() && tls_->parked == nullptr) EndSealed();
  Connection::Close(pool);
}

bool SecureConnection::TakeEstablished() {
  if (tls_ == nullptr || tls_->was_told || tls_->stream == nullptr || !tls_->stream->is_established()) return false;
  tls_->was_told = true;
  return true;
}

}  // namespace hornet

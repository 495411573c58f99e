#include "net/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

namespace hornet {

namespace {
// writev vectors of one call; more chunks take another call.
constexpr int kVectorMax = 64;

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif
#ifdef MSG_MORE
constexpr int kMoreFlag = MSG_MORE;
#else
constexpr int kMoreFlag = 0;
#endif

}  // namespace

int Connection::Open(Loop* loop, int fd) {
#ifdef SO_NOSIGPIPE
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
  return Watch::Open(loop, fd);
}

IoStatus Connection::Receive(char* buffer, size_t capacity, size_t* length) {
  for (;;) {
    ssize_t count = recv(fd(), buffer, capacity, 0);
    if (count > 0) {
      *length = static_cast<size_t>(count);
      return IoStatus::kOk;
    }
    if (count == 0) return IoStatus::kEnd;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? IoStatus::kAgain : IoStatus::kFailed;
  }
}

IoStatus Connection::Flush(ChunkPool* pool, size_t* written, bool is_last) {
  const int flags = kSendFlags | (is_last ? kMoreFlag : 0);
  while (!out.empty()) {
    iovec vector[kVectorMax];
    msghdr message = {};
    message.msg_iov = vector;
    message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(out.FillVector(vector, kVectorMax));
    // send() spares the kernel the copy of a vector, which nearly every response is small enough for.
    ssize_t count = message.msg_iovlen == 1 ? send(fd(), vector[0].iov_base, vector[0].iov_len, flags)
                                            : sendmsg(fd(), &message, flags);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        WatchWritable(true);
        return IoStatus::kAgain;
      }
      return IoStatus::kFailed;
    }
    *written += static_cast<size_t>(count);
    out.Consume(pool, static_cast<size_t>(count));
  }
  WatchWritable(false);
  return IoStatus::kOk;
}

IoStatus Connection::Send(const char* data, size_t length, size_t* written, bool is_last) {
  const int flags = kSendFlags | (is_last ? kMoreFlag : 0);
  size_t sent = 0;
  while (sent < length) {
    ssize_t count = send(fd(), data + sent, length - sent, flags);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return IoStatus::kFailed;
      WatchWritable(true);
      return IoStatus::kAgain;
    }
    sent += static_cast<size_t>(count);
    *written += static_cast<size_t>(count);
  }
  WatchWritable(false);
  return IoStatus::kOk;
}

void Connection::ShutdownWrite() { shutdown(fd(), SHUT_WR); }

void Connection::SetReset() {
  linger option = {1, 0};
  setsockopt(fd(), SOL_SOCKET, SO_LINGER, &option, sizeof(option));
}

void Connection::Close(ChunkPool* pool) {
  if (is_closed()) return;
  out.Clear(pool);
  Watch::Close();
}

}  // namespace hornet

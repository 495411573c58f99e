#include "net/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace hornet {

namespace {
// writev vectors of one call; more chunks take another call.
constexpr int kVectorMax = 64;
}  // namespace

int Connection::Open(uv_loop_t* loop, int fd) {
  int error = uv_poll_init(loop, &poll_, fd);
  if (error != 0) {
    close(fd);
    return error;
  }
  poll_.data = this;
  fd_ = fd;
#ifdef SO_NOSIGPIPE
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
  return 0;
}

IoStatus Connection::Receive(char* buffer, size_t capacity, size_t* length) {
  for (;;) {
    ssize_t count = recv(fd_, buffer, capacity, 0);
    if (count > 0) {
      *length = static_cast<size_t>(count);
      return IoStatus::kOk;
    }
    if (count == 0) return IoStatus::kEnd;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? IoStatus::kAgain : IoStatus::kFailed;
  }
}

IoStatus Connection::Flush(ChunkPool* pool, size_t* written) {
  while (!out.empty()) {
    iovec vector[kVectorMax];
    msghdr message = {};
    message.msg_iov = vector;
    message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(out.FillVector(vector, kVectorMax));
#ifdef MSG_NOSIGNAL
    constexpr int kFlags = MSG_NOSIGNAL;
#else
    constexpr int kFlags = 0;
#endif
    // send() spares the kernel the copy of a vector, which nearly every response is small enough for.
    ssize_t count = message.msg_iovlen == 1 ? send(fd_, vector[0].iov_base, vector[0].iov_len, kFlags)
                                            : sendmsg(fd_, &message, kFlags);
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
  if ((events_ & UV_WRITABLE) != 0) WatchWritable(false);
  return IoStatus::kOk;
}

void Connection::ShutdownWrite() { shutdown(fd_, SHUT_WR); }

void Connection::SetReset() {
  linger option = {1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &option, sizeof(option));
}

void Connection::Close(ChunkPool* pool) {
  if (fd_ < 0) return;
  uv_poll_stop(&poll_);
  close(fd_);
  fd_ = -1;
  events_ = 0;
  out.Clear(pool);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
           [](uv_handle_t* handle) { static_cast<Connection*>(handle->data)->HandleClosed(); });
}

void Connection::Watch(int events) {
  if (events == events_ || fd_ < 0) return;
  events_ = events;
  // A handle that waits for nothing would not hear of a reset either, and a request held up by its own body would
  // outlive its client. Urgent data is the one event that HTTP has no use for; errors come with any.
  uv_poll_start(&poll_, events != 0 ? events : UV_PRIORITIZED, [](uv_poll_t* handle, int status, int ready) {
    auto* self = static_cast<Connection*>(handle->data);
    if (status != 0) {
      // libuv has stopped the handle.
      self->events_ = 0;
      self->HandleFailed();
      return;
    }
    if (self->events_ == 0) {
      // Urgent data after all, or both sides are shut: nothing more to learn, and it would be reported in every turn.
      uv_poll_stop(handle);
      return;
    }
    if ((ready & UV_WRITABLE) != 0) self->HandleWritable();
    if (self->fd_ >= 0 && (ready & UV_READABLE) != 0 && self->is_reading()) self->HandleReadable();
  });
}

}  // namespace hornet

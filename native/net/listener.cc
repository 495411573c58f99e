#include "net/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"

namespace hornet {

namespace {

int SetNonBlocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
  return 0;
}

int NewSocket(int family) {
#ifdef SOCK_CLOEXEC
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return fd < 0 ? -errno : fd;
#else
  int fd = socket(family, SOCK_STREAM, 0);
  if (fd < 0) return -errno;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  SetNonBlocking(fd);
  return fd;
#endif
}

int AcceptOne(int fd, SocketAddress* peer) {
  peer->length = sizeof(peer->storage);
  auto* address = reinterpret_cast<sockaddr*>(&peer->storage);
#ifdef SOCK_CLOEXEC
  int accepted = accept4(fd, address, &peer->length, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return accepted < 0 ? -errno : accepted;
#else
  int accepted = accept(fd, address, &peer->length);
  if (accepted < 0) return -errno;
  fcntl(accepted, F_SETFD, FD_CLOEXEC);
  SetNonBlocking(accepted);
  return accepted;
#endif
}

// Connections of such a socket keep the address that their clients wanted.
bool IsTransparent(int fd) {
#ifdef IP_TRANSPARENT
  int is_on = 0;
  socklen_t size = sizeof(is_on);
  return getsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &is_on, &size) == 0 && is_on != 0;
#else
  static_cast<void>(fd);
  return false;
#endif
}

// True when a server answers on the path; false when the file is what a dead server left behind.
bool IsAlive(const SocketAddress& address) {
  int fd = NewSocket(AF_UNIX);
  if (fd < 0) return true;
  int result = connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.length);
  bool alive = result == 0 || errno != ECONNREFUSED;
  close(fd);
  return alive;
}

}  // namespace

ListenSocket::~ListenSocket() {
  if (inherited_fd_ >= 0) CloseInherited();
  for (int fd : fds_) close(fd);
  if (unlink_path_.empty()) return;
  struct stat now;
  if (lstat(unlink_path_.c_str(), &now) == 0 && now.st_ino == unlink_inode_ && now.st_dev == unlink_device_) {
    unlink(unlink_path_.c_str());
  }
}

int ListenSocket::Open(const ListenerSpec& spec, uint32_t threads) {
  int error = 0;
  switch (spec.kind) {
    case ListenerSpec::Kind::kTcp:
      error = OpenTcp(spec, spec.reuse_port ? threads : 1);
      break;
    case ListenerSpec::Kind::kUnix:
      error = OpenUnix(spec);
      break;
    case ListenerSpec::Kind::kFd:
      error = AdoptFd(spec);
      break;
  }
  return error != 0 ? error : SocketAddress::OfSocket(fds_[0], &address_);
}

int ListenSocket::OpenTcp(const ListenerSpec& spec, uint32_t count) {
  SocketAddress address;
  int error = SocketAddress::FromNumeric(spec.host, spec.port, &address);
  if (error != 0) return error;
  for (uint32_t i = 0; i < count; i++) {
    int fd = NewSocket(address.family());
    if (fd < 0) return fd;
    fds_.push_back(fd);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (spec.reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) return -errno;
    // As in Node: `::` serves IPv4 as well.
    int off = 0;
    if (address.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    // Inherited by what is accepted: one setsockopt per listener and not one per connection.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (bind(fd, reinterpret_cast<sockaddr*>(&address.storage), address.length) != 0) return -errno;
    if (listen(fd, spec.backlog) != 0) return -errno;
    // Port 0: the others join the one the kernel chose.
    if (i == 0 && spec.port == 0 && count > 1) {
      SocketAddress chosen;
      SocketAddress::OfSocket(fd, &chosen);
      SocketAddress::FromNumeric(spec.host, chosen.Port(), &address);
    }
  }
  return 0;
}

int ListenSocket::OpenUnix(const ListenerSpec& spec) {
  SocketAddress address;
  int error = SocketAddress::FromUnixPath(spec.path, &address);
  if (error != 0) return error;
  struct stat before;
  if (lstat(spec.path.c_str(), &before) == 0) {
    // Never steal a live socket, and never remove what is not a socket.
    if (!S_ISSOCK(before.st_mode) || IsAlive(address)) return -EADDRINUSE;
    if (unlink(spec.path.c_str()) != 0) return -errno;
  }
  int fd = NewSocket(AF_UNIX);
  if (fd < 0) return fd;
  fds_.push_back(fd);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address.storage), address.length) != 0) return -errno;
  OwnPath(spec.path);
  if (spec.mode >= 0 && chmod(spec.path.c_str(), static_cast<mode_t>(spec.mode)) != 0) return -errno;
  return listen(fd, spec.backlog) == 0 ? 0 : -errno;
}

void ListenSocket::OwnPath(const std::string& path) {
  struct stat made;
  if (lstat(path.c_str(), &made) != 0 || !S_ISSOCK(made.st_mode)) return;
  unlink_path_ = path;
  unlink_inode_ = made.st_ino;
  unlink_device_ = made.st_dev;
}

int ListenSocket::AdoptFd(const ListenerSpec& spec) {
  int type = 0;
  socklen_t size = sizeof(type);
  if (getsockopt(spec.fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return -errno;
  if (type != SOCK_STREAM) return -EINVAL;
  int fd = fcntl(spec.fd, F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return -errno;
  fds_.push_back(fd);
  if (!spec.is_lent) inherited_fd_ = spec.fd;
  int error = SetNonBlocking(fd);
  if (error != 0) return error;
  SocketAddress address;
  error = SocketAddress::OfSocket(fd, &address);
  if (error != 0) return error;
  int on = 1;
  if (address.family() != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return listen(fd, spec.backlog) == 0 ? 0 : -errno;
}

void ListenSocket::CloseInherited() {
  // Given twice, it may be closed already and its number belong to something else.
  struct stat ours;
  struct stat inherited;
  if (fstat(fds_[0], &ours) == 0 && fstat(inherited_fd_, &inherited) == 0 && ours.st_dev == inherited.st_dev &&
      ours.st_ino == inherited.st_ino) {
    close(inherited_fd_);
  }
}

int ListenSocket::Duplicate(uint32_t index) const {
  int fd = fcntl(fds_[index < fds_.size() ? index : 0], F_DUPFD_CLOEXEC, 3);
  return fd < 0 ? -errno : fd;
}

bool ListenSocket::ReadBacklog(uint32_t* waiting, uint32_t* waiting_max) const {
  *waiting = *waiting_max = 0;
#ifdef __linux__
  // Only TCP tells; of a listening socket these two members hold the length of its queue and its bound.
  if (address_.family() == AF_UNIX) return false;
  for (int fd : fds_) {
    struct tcp_info info;
    socklen_t size = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
    *waiting += info.tcpi_unacked;
    *waiting_max += info.tcpi_sacked;
  }
  return true;
#else
  return false;
#endif
}

int Acceptor::Start(Loop* loop, int fd) {
  rest_.owner = this;
  rest_.fire = [](void* owner) { static_cast<Acceptor*>(owner)->Resume(); };
  int error = Open(loop, fd);
  if (error != 0) {
    delete this;
    return error;
  }
  has_local_ = is_tcp_ && SocketAddress::OfSocket(fd, &local_) == 0 && !local_.IsAny() && !IsTransparent(fd);
  Resume();
  return 0;
}

void Acceptor::Rest() {
  if (is_closed()) return;
  WatchReadable(false);
  loop()->Start(&rest_, kRestMs);
}

void Acceptor::Resume() {
  if (is_closed()) return;
  loop()->Stop(&rest_);
  WatchReadable(true);
}

void Acceptor::AcceptAll() {
  if (!is_closed() && is_reading()) Accept(INT32_MAX, false);
}

void Acceptor::Accept(int budget, bool one_waits) {
  SocketAddress peer;
  for (; budget > 0 && !is_closed(); budget--, one_waits = false) {
    if (!host_->HasRoom(one_waits)) {
      if (one_waits) Rest();
      return;
    }
    int accepted = AcceptOne(fd(), &peer);
    if (accepted >= 0) {
      host_->HandleAccepted(this, accepted, peer);
      continue;
    }
    // The peer gave up while it waited, or a signal came: the next one may be fine.
    if (accepted == -ECONNABORTED || accepted == -EINTR || accepted == -EPROTO) continue;
    if (accepted == -EAGAIN || accepted == -EWOULDBLOCK) return;
    // Out of descriptors or memory.
    host_->HandleAcceptError(-accepted);
    Rest();
    return;
  }
}

void Acceptor::Close() {
  if (is_closed()) return;
  loop()->Stop(&rest_);
  Watch::Close();
}

}  // namespace hornet

// A bound socket. Opened on the master's thread, so that errors reach the operator at once; every I/O thread then
// accepts from a descriptor of its own.
#ifndef HORNET_NET_LISTENER_H_
#define HORNET_NET_LISTENER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "net/address.h"

namespace hornet {

struct ListenerSpec {
  enum class Kind { kTcp, kUnix, kFd };
  Kind kind = Kind::kTcp;
  std::string host;   // numeric
  uint16_t port = 0;
  std::string path;
  int mode = -1;      // permissions of a unix socket; -1 leaves what the umask gives
  int fd = -1;
  int backlog = 2048;
  bool reuse_port = false;
  bool is_lent = false;  // the descriptor stays its owner's, who closes it
};

// The socket itself, with what must be undone at the end.
// Thread: master. Owner: Server.
// Life:   Open() to destruction. A unix path we made is removed then if it is still ours, and an inherited descriptor
//         closed: while one is open the kernel takes connections that nobody would accept.
class ListenSocket {
 public:
  ListenSocket() = default;
  ~ListenSocket();
  ListenSocket(const ListenSocket&) = delete;
  ListenSocket& operator=(const ListenSocket&) = delete;

  // 0 or a negative errno. `threads` sockets are made with reuse_port, one otherwise.
  int Open(const ListenerSpec& spec, uint32_t threads);
  // A descriptor for I/O thread `index`, owned by the caller.
  int Duplicate(uint32_t index) const;
  const SocketAddress& address() const { return address_; }
  // What a successor may inherit; -1 when there are several sockets.
  int OnlyFd() const { return fds_.size() == 1 ? fds_[0] : -1; }
  // An inherited unix socket: its path is this process's to remove from now on.
  void OwnPath(const std::string& path);
  // The path of a unix socket stays at the end.
  void LeavePath() { unlink_path_.clear(); }
  // Connections that wait to be accepted, and how many may; false when the system does not tell.
  bool ReadBacklog(uint32_t* waiting, uint32_t* waiting_max) const;

 private:
  int OpenTcp(const ListenerSpec& spec, uint32_t threads);
  int OpenUnix(const ListenerSpec& spec);
  int AdoptFd(const ListenerSpec& spec);

  void CloseInherited();

  std::vector<int> fds_;
  int inherited_fd_ = -1;
  SocketAddress address_;
  std::string unlink_path_;
  uint64_t unlink_inode_ = 0;
  uint64_t unlink_device_ = 0;
};

// One I/O thread's end of a listener: accepts until the kernel says stop, rests when the machine is out of descriptors
// or the host has no room. What waits in the kernel's queue stays there meanwhile.
// Thread: that I/O thread. Owner: IoThread; frees itself after Close().
class Acceptor final : private Watch {
 public:
  class Host {
   public:
    // Asked before each connection is accepted. False: no room. When one is known to wait the acceptor then rests until
    // Resume(), or kRestMs, and asks again.
    virtual bool HasRoom(bool one_waits) = 0;
    // Takes ownership of `fd` (non-blocking, close-on-exec). `peer` has no family when it has no address.
    virtual void HandleAccepted(Acceptor* acceptor, int fd, const SocketAddress& peer) = 0;
    virtual void HandleAcceptError(int error) = 0;

   protected:
    ~Host() = default;
  };
  // In a turn one connection is accepted, and one more for so many other events: asking once too often costs the kernel
  // nearly as much as a connection does, and a flood of them cannot starve those that are open.
  static constexpr int kEventsPerAccept = 16;
  static constexpr uint64_t kRestMs = 100;

  Acceptor(uint32_t listener_index, bool is_tcp, Host* host)
      : listener_index_(listener_index), is_tcp_(is_tcp), host_(host) {}
  // Takes `fd`. 0 or a negative errno: then it frees itself, too.
  int Start(Loop* loop, int fd);
  void Resume();
  // Takes everything that waits in the accept queue now.
  void AcceptAll();
  void Close();
  uint32_t listener_index() const { return listener_index_; }
  bool is_tcp() const { return is_tcp_; }
  // The address that every connection of it has at our end; null when it listens on all of the machine's.
  const SocketAddress* local() const { return has_local_ ? &local_ : nullptr; }

 private:
  ~Acceptor() = default;
  void HandleReadable() override { Accept(1 + loop()->events() / kEventsPerAccept, true); }
  void HandleWritable() override {}
  void HandleFailed() override { Rest(); }
  void HandleReleased() override { delete this; }
  void Accept(int budget, bool one_waits);
  void Rest();

  Timer rest_;
  uint32_t listener_index_;
  bool is_tcp_;
  bool has_local_ = false;
  SocketAddress local_;
  Host* host_;
};

}  // namespace hornet

#endif  // HORNET_NET_LISTENER_H_

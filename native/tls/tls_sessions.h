// What the handshakes of one I/O thread's open connections agreed on, for the workers that ask.
// Thread: the I/O thread puts and drops, any finds. Owner: HttpHost.
// Bounds: one for each connection; what was found lives as long as its finder wants it.
#ifndef HORNET_TLS_TLS_SESSIONS_H_
#define HORNET_TLS_TLS_SESSIONS_H_

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "base/slab.h"
#include "tls/tls_stream.h"

namespace hornet {

class TlsSessions {
 public:
  void Put(SlabId connection, std::shared_ptr<const TlsSession> session) {
    std::lock_guard<std::mutex> lock(mutex_);
    sessions_[{connection.index, connection.generation}] = std::move(session);
  }
  void Drop(SlabId connection) {
    std::lock_guard<std::mutex> lock(mutex_);
    sessions_.erase({connection.index, connection.generation});
  }
  // Null: there is none, or the connection is closed.
  std::shared_ptr<const TlsSession> Find(SlabId connection) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = sessions_.find({connection.index, connection.generation});
    return found == sessions_.end() ? nullptr : found->second;
  }

 private:
  std::mutex mutex_;
  std::map<std::pair<uint32_t, uint32_t>, std::shared_ptr<const TlsSession>> sessions_;
};

}  // namespace hornet

#endif  // HORNET_TLS_TLS_SESSIONS_H_

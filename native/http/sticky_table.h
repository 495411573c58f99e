// Which worker each client is on, for a server that keeps a client's requests on one: what is known stays true when
// workers come, as they do one by one at the start, with TTIN and in a reload.
// Thread: any. Owner: the server. Bounds: kClientsMax clients, 1 MiB; beyond it a client that was not heard of for
// long is forgotten, and chosen for anew.
#ifndef HORNET_HTTP_STICKY_TABLE_H_
#define HORNET_HTTP_STICKY_TABLE_H_

#include <cstdint>
#include <mutex>
#include <vector>

namespace hornet {

class StickyTable {
 public:
  static constexpr uint32_t kClientsMax = 64 * 1024;

  StickyTable() : entries_(kClientsMax) {}

  // The worker of the client with this key, which was heard of now; 0 when it has none.
  uint32_t Find(uint64_t key, uint64_t now_ms);
  void Assign(uint64_t key, uint32_t worker_id, uint64_t now_ms);

 private:
  // A key may lie in one set only, anywhere in it.
  static constexpr uint32_t kSetEntries = 8;
  static constexpr uint32_t kSets = kClientsMax / kSetEntries;

  struct Entry {
    uint64_t key = 0;  // 0: free
    uint32_t worker_id = 0;
    uint32_t heard_s = 0;
  };

  Entry* SetOf(uint64_t key) { return &entries_[key % kSets * kSetEntries]; }

  std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace hornet

#endif  // HORNET_HTTP_STICKY_TABLE_H_

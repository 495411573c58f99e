#include "http/sticky_table.h"

namespace hornet {

uint32_t StickyTable::Find(uint64_t key, uint64_t now_ms) {
  std::lock_guard lock(mutex_);
  Entry* set = SetOf(key);
  for (Entry* entry = set; entry < set + kSetEntries; entry++) {
    if (entry->key != key) continue;
    entry->heard_s = static_cast<uint32_t>(now_ms / 1000);
    return entry->worker_id;
  }
  return 0;
}

void StickyTable::Assign(uint64_t key, uint32_t worker_id, uint64_t now_ms) {
  std::lock_guard lock(mutex_);
  Entry* set = SetOf(key);
  Entry* chosen = set;
  for (Entry* entry = set; entry < set + kSetEntries; entry++) {
    if (entry->key == key) {
      chosen = entry;
      break;
    }
    // Free ones first: they were never heard of.
    if (chosen->key != 0 && (entry->key == 0 || entry->heard_s < chosen->heard_s)) chosen = entry;
  }
  *chosen = Entry{key, worker_id, static_cast<uint32_t>(now_ms / 1000)};
}

}  // namespace hornet

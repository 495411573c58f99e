// Deadlines of many connections at the price of a list: a hashed wheel. Moving a deadline later touches nothing but
// the entry itself; the wheel notices when the entry's old slot comes round.
// Thread: one I/O thread. Owner: IoThread. Entries are members of what they time; Cancel() before they die.
// Bounds: kSlots lists; a deadline beyond one revolution stays in its slot for further rounds.
#ifndef HORNET_LOOP_TIMER_WHEEL_H_
#define HORNET_LOOP_TIMER_WHEEL_H_

#include <algorithm>
#include <cstdint>

#include "base/list.h"

namespace hornet {

struct TimerEntry {
  static constexpr uint64_t kNever = UINT64_MAX;
  ListLink link;
  uint64_t deadline_ms = kNever;  // when it is due
  uint64_t slot_ms = kNever;      // when the wheel looks at it next; <= deadline_ms while linked
  void* owner = nullptr;          // what it times
};

class TimerWheel {
 public:
  static constexpr uint64_t kTickMs = 32;
  static constexpr uint32_t kSlots = 1024;  // one revolution: 32.768 s

  explicit TimerWheel(uint64_t now_ms) : now_tick_(now_ms / kTickMs) {}

  void Set(TimerEntry* entry, uint64_t deadline_ms) {
    entry->deadline_ms = deadline_ms;
    // Later than the slot it is in: leave it there, so the usual request touches no neighbour's memory.
    if (entry->link.linked() && entry->slot_ms <= deadline_ms) return;
    entry->link.Unlink();
    Insert(entry);
  }
  // Not due any more, but left where it is: cheap, for a deadline that will be set again soon.
  void Clear(TimerEntry* entry) { entry->deadline_ms = TimerEntry::kNever; }
  void Cancel(TimerEntry* entry) {
    entry->link.Unlink();
    entry->deadline_ms = TimerEntry::kNever;
  }

  // Calls `fire(entry)` for each entry whose deadline has passed; it is unlinked before the call and may be set again.
  template <class Fire>
  void Advance(uint64_t now_ms, Fire fire) {
    uint64_t tick = now_ms / kTickMs;
    // After a long pause (a suspended machine) one revolution looks at everything.
    if (tick - now_tick_ > kSlots) now_tick_ = tick - kSlots;
    while (now_tick_ < tick) {
      now_tick_++;
      List<TimerEntry, &TimerEntry::link>& slot = slots_[now_tick_ % kSlots];
      List<TimerEntry, &TimerEntry::link> due;
      while (TimerEntry* entry = slot.PopFront()) due.PushBack(entry);
      while (TimerEntry* entry = due.PopFront()) {
        if (entry->deadline_ms == TimerEntry::kNever) continue;
        if (entry->deadline_ms > now_ms) {
          Insert(entry);
        } else {
          entry->deadline_ms = TimerEntry::kNever;
          fire(entry);
        }
      }
    }
  }
  // Milliseconds from `now_ms` until a slot with entries comes round, or -1 when the wheel is empty.
  int64_t NextMs(uint64_t now_ms) {
    for (uint64_t tick = std::max(first_tick_, now_tick_ + 1); tick <= now_tick_ + kSlots; tick++) {
      if (slots_[tick % kSlots].empty()) continue;
      first_tick_ = tick;
      uint64_t at = tick * kTickMs;
      return at > now_ms ? static_cast<int64_t>(at - now_ms) : 0;
    }
    first_tick_ = now_tick_ + kSlots + 1;
    return -1;
  }

 private:
  void Insert(TimerEntry* entry) {
    // Rounded up, so that an entry is never looked at before it is due for want of a tick.
    uint64_t tick = (entry->deadline_ms + kTickMs - 1) / kTickMs;
    if (tick <= now_tick_) tick = now_tick_ + 1;
    if (tick > now_tick_ + kSlots) tick = now_tick_ + kSlots;
    if (tick < first_tick_) first_tick_ = tick;
    entry->slot_ms = tick * kTickMs;
    slots_[tick % kSlots].PushBack(entry);
  }

  uint64_t now_tick_;
  uint64_t first_tick_ = 0;  // slots before it are empty; asked for in every turn, so not looked for anew
  List<TimerEntry, &TimerEntry::link> slots_[kSlots];
};

}  // namespace hornet

#endif  // HORNET_LOOP_TIMER_WHEEL_H_

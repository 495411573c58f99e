// The timer wheel, on a clock of its own: nothing fires early, and nothing later than a tick.
#include "loop/timer_wheel.h"

#include <algorithm>
#include <string>

#include "harness.h"

namespace hornet {

namespace {

constexpr uint64_t kTick = TimerWheel::kTickMs;
constexpr uint64_t kRevolution = TimerWheel::kTickMs * TimerWheel::kSlots;
constexpr uint64_t kStart = 1'000'000;

std::vector<TimerEntry*> AdvanceTo(TimerWheel* wheel, uint64_t now_ms) {
  std::vector<TimerEntry*> fired;
  wheel->Advance(now_ms, [&](TimerEntry* entry) { fired.push_back(entry); });
  return fired;
}

// The moment `entry` fires when the clock goes on by one millisecond at a time, or 0 when it does not by `until_ms`.
uint64_t FiresAt(TimerWheel* wheel, TimerEntry* entry, uint64_t from_ms, uint64_t until_ms) {
  for (uint64_t now = from_ms; now <= until_ms; ++now) {
    for (TimerEntry* fired : AdvanceTo(wheel, now)) {
      if (fired == entry) return now;
    }
  }
  return 0;
}

}  // namespace

TEST(AnEmptyWheelHasNothingToWaitFor) {
  TimerWheel wheel(kStart);
  EXPECT_EQ(wheel.NextMs(kStart), -1);
  EXPECT(AdvanceTo(&wheel, kStart + 10 * kRevolution).empty());
}

TEST(ADeadlineFiresWithinATickAndNeverEarly) {
  for (const uint64_t delay : {uint64_t{0}, uint64_t{1}, kTick - 1, kTick, kTick + 1, uint64_t{5000}, kRevolution - 1,
                               kRevolution, kRevolution + 1, 3 * kRevolution + 7}) {
    for (const uint64_t start : {kStart, kStart + 1, kStart + kTick - 1}) {
      TimerWheel wheel(start);
      TimerEntry entry;
      wheel.Set(&entry, start + delay);
      const uint64_t at = FiresAt(&wheel, &entry, start, start + delay + 3 * kTick);
      EXPECT(at >= start + delay);
      EXPECT(at != 0 && at < start + delay + kTick + 1);
      EXPECT(!entry.link.linked());
      EXPECT_EQ(entry.deadline_ms, TimerEntry::kNever);
      EXPECT_EQ(wheel.NextMs(at), -1);
    }
  }
}

TEST(NextMsLeadsToTheDeadline) {
  for (const uint64_t delay : {uint64_t{1}, uint64_t{40}, uint64_t{30'000}, 2 * kRevolution + 5}) {
    TimerWheel wheel(kStart);
    TimerEntry entry;
    wheel.Set(&entry, kStart + delay);
    uint64_t now = kStart;
    int naps = 0;
    bool has_fired = false;
    while (!has_fired && naps < 10) {
      const int64_t next = wheel.NextMs(now);
      EXPECT(next >= 0 && static_cast<uint64_t>(next) <= kRevolution);
      now += static_cast<uint64_t>(next);
      ++naps;
      has_fired = !AdvanceTo(&wheel, now).empty();
    }
    EXPECT(has_fired && now >= kStart + delay && now <= kStart + delay + kTick);
    // A look per revolution, and one when it is due.
    EXPECT_EQ(naps, static_cast<int>(delay / kRevolution) + 1);
  }
}

TEST(DeadlinesFireInTheOrderOfTheirTicks) {
  TimerWheel wheel(kStart);
  TimerEntry entries[50];
  for (int i = 0; i < 50; ++i) wheel.Set(&entries[i], kStart + static_cast<uint64_t>((i * 37) % 50 + 1) * 2 * kTick);
  std::vector<TimerEntry*> fired;
  uint64_t last = 0;
  for (uint64_t now = kStart; now <= kStart + 120 * kTick; now += kTick) {
    for (TimerEntry* entry : AdvanceTo(&wheel, now)) fired.push_back(entry);
  }
  EXPECT_EQ(fired.size(), 50u);
  for (TimerEntry* entry : fired) {
    const uint64_t rank = static_cast<uint64_t>(((entry - entries) * 37) % 50);
    EXPECT(rank >= last);
    last = rank;
  }
}

TEST(ALaterDeadlineStaysInItsSlot) {
  TimerWheel wheel(kStart);
  TimerEntry entry;
  wheel.Set(&entry, kStart + 100);
  const uint64_t slot = entry.slot_ms;
  const ListLink* neighbour = entry.link.next;
  wheel.Set(&entry, kStart + 5000);
  EXPECT_EQ(entry.slot_ms, slot);
  EXPECT(entry.link.next == neighbour);
  EXPECT(AdvanceTo(&wheel, kStart + 200).empty());
  EXPECT(entry.link.linked());
  EXPECT(AdvanceTo(&wheel, kStart + 4999).empty());
  EXPECT_EQ(AdvanceTo(&wheel, kStart + 5000 + kTick).size(), 1u);
}

TEST(AnEarlierDeadlineMoves) {
  TimerWheel wheel(kStart);
  TimerEntry entry;
  wheel.Set(&entry, kStart + 20'000);
  wheel.Set(&entry, kStart + 100);
  EXPECT_EQ(AdvanceTo(&wheel, kStart + 100 + kTick).size(), 1u);
  EXPECT(AdvanceTo(&wheel, kStart + 30'000).empty());
}

TEST(ClearedAndCancelledEntriesDoNotFire) {
  TimerWheel wheel(kStart);
  TimerEntry cleared;
  TimerEntry cancelled;
  TimerEntry set_again;
  for (TimerEntry* entry : {&cleared, &cancelled, &set_again}) wheel.Set(entry, kStart + 100);
  wheel.Clear(&cleared);
  wheel.Cancel(&cancelled);
  EXPECT(!cancelled.link.linked());
  wheel.Clear(&set_again);
  wheel.Set(&set_again, kStart + 200);
  EXPECT(AdvanceTo(&wheel, kStart + 199).empty());
  EXPECT(!cleared.link.linked());
  EXPECT(AdvanceTo(&wheel, kStart + 200 + kTick) == std::vector<TimerEntry*>{&set_again});
  EXPECT_EQ(wheel.NextMs(kStart + 300), -1);
}

TEST(ADeadlineInThePastFiresAtTheNextTick) {
  TimerWheel wheel(kStart);
  TimerEntry entry;
  wheel.Set(&entry, 0);
  EXPECT(FiresAt(&wheel, &entry, kStart, kStart + 2 * kTick) != 0);
}

TEST(AfterALongPauseEverythingDueFiresOnce) {
  for (const uint64_t pause : {kRevolution, kRevolution + kTick, 50 * kRevolution + 17}) {
    TimerWheel wheel(kStart);
    TimerEntry due[100];
    TimerEntry later[100];
    for (uint64_t i = 0; i < 100; ++i) {
      wheel.Set(&due[i], kStart + i * 300);
      wheel.Set(&later[i], kStart + pause + 1 + i * 300);
    }
    const std::vector<TimerEntry*> fired = AdvanceTo(&wheel, kStart + pause);
    EXPECT_EQ(fired.size(), 100u);
    for (TimerEntry& entry : due) EXPECT_EQ(std::count(fired.begin(), fired.end(), &entry), 1);
    for (TimerEntry& entry : later) EXPECT(entry.link.linked());
    EXPECT_EQ(AdvanceTo(&wheel, kStart + pause + 100 * 300 + kTick).size(), 100u);
  }
}

TEST(AnEntryMaySetItselfAgain) {
  TimerWheel wheel(kStart);
  TimerEntry entry;
  wheel.Set(&entry, kStart + 50);
  int count = 0;
  for (uint64_t now = kStart; now <= kStart + 1000; ++now) {
    wheel.Advance(now, [&](TimerEntry* fired) {
      ++count;
      wheel.Set(fired, now + 100);
    });
  }
  EXPECT(count >= 7 && count <= 10);
  wheel.Cancel(&entry);
}

// What times out may close its neighbour, whose entry is in the same slot and due as well.
TEST(AFiringEntryMayCancelOrDelayTheOthersOfItsSlot) {
  TimerWheel wheel(kStart);
  TimerEntry entries[4];
  for (TimerEntry& entry : entries) wheel.Set(&entry, kStart + 100);
  std::vector<TimerEntry*> fired;
  wheel.Advance(kStart + 100 + kTick, [&](TimerEntry* entry) {
    fired.push_back(entry);
    if (entry != &entries[0]) return;
    wheel.Cancel(&entries[1]);
    wheel.Set(&entries[2], kStart + 1000);
  });
  EXPECT(fired == (std::vector<TimerEntry*>{&entries[0], &entries[3]}));
  EXPECT(AdvanceTo(&wheel, kStart + 1000 + kTick) == std::vector<TimerEntry*>{&entries[2]});
}

}  // namespace hornet

// Times a wake-up through a Waker: from Wake() on one thread to the callback in the loop of another that sleeps, which is
// what a lane costs a request when its worker, or its I/O thread, has nothing else to do. Prints one JSON line per case.
// Started by run.mjs.
//
// Two threads with a loop each wake one another in turns; half of a round trip is one wake-up, the kernel's scheduling
// included. On one processor both take turns there; on two, one must be roused from idleness each time.
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "loop/waker.h"

namespace hornet {

namespace {

constexpr int kRounds = 11;  // the median of them counts
constexpr int kTrips = 20'000;

double NowNs() {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 std::chrono::steady_clock::now().time_since_epoch())
                                 .count());
}

// One of the two. Thread: its own, but for the Waker.
struct Side {
  uv_loop_t loop;
  uv_async_t async;
  Waker waker;
  Side* other = nullptr;
  int left = 0;  // wake-ups to answer
};

void HandleWake(uv_async_t* async) {
  Side* side = static_cast<Side*>(async->data);
  side->left--;
  side->other->waker.Wake();
  if (side->left == 0) uv_stop(&side->loop);
}

void Open(Side* side, Side* other) {
  side->other = other;
  side->left = kTrips;
  if (uv_loop_init(&side->loop) != 0 || uv_async_init(&side->loop, &side->async, HandleWake) != 0) exit(1);
  side->async.data = side;
  side->waker.Attach(&side->async);
}

void Close(Side* side) {
  side->waker.Detach();
  uv_close(reinterpret_cast<uv_handle_t*>(&side->async), nullptr);
  uv_run(&side->loop, UV_RUN_DEFAULT);
  uv_loop_close(&side->loop);
}

void PinTo(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

double RoundTripNs(int first_cpu, int second_cpu) {
  static Side sides[2];
  Open(&sides[0], &sides[1]);
  Open(&sides[1], &sides[0]);
  const double start = NowNs();
  std::thread second([&] {
    PinTo(second_cpu);
    uv_run(&sides[1].loop, UV_RUN_DEFAULT);
  });
  PinTo(first_cpu);
  sides[0].waker.Wake();
  uv_run(&sides[0].loop, UV_RUN_DEFAULT);
  second.join();
  const double spent = NowNs() - start;
  Close(&sides[0]);
  Close(&sides[1]);
  return spent / kTrips;
}

void Time(const char* what, int first_cpu, int second_cpu) {
  RoundTripNs(first_cpu, second_cpu);
  std::vector<double> ns;
  for (int round = 0; round < kRounds; ++round) ns.push_back(RoundTripNs(first_cpu, second_cpu) / 2);
  std::sort(ns.begin(), ns.end());
  printf("{\"what\":\"%s\",\"ns\":%.0f,\"nsMin\":%.0f,\"nsMax\":%.0f}\n", what, ns[kRounds / 2], ns.front(), ns.back());
  fflush(stdout);
}

}  // namespace

}  // namespace hornet

int main() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  hornet::Time("on one processor", cpus[0], cpus[0]);
  if (cpus.size() > 1) hornet::Time("between two processors", cpus[0], cpus[1]);
  return 0;
}

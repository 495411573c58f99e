// What an I/O thread counts. One table: the counters of a thread and their sums over all threads have the same members,
// so neither can lack one.
// Thread: the I/O thread counts; any thread adds them up (base/counter.h). Owner: HttpHost.
#ifndef HORNET_HTTP_HTTP_STATS_H_
#define HORNET_HTTP_HTTP_STATS_H_

#include <cstdint>

#include "base/counter.h"
#include "base/histogram.h"
#include "base/methods.h"
#include "http/body_decoder.h"
#include "http/head_parser.h"
#include "tls/tls_fault.h"

namespace hornet {

// What a connection is doing, seen from outside.
enum class ConnectionPhase : uint8_t {
  kNew,       // nothing of a request has come yet
  kReading,   // part of a request has come
  kHandling,  // its requests are with the workers, or wait for one
  kWriting,   // part of a response waits for the peer to take it
  kIdle,      // answered; it may send another request
  kClosing,   // our side is shut; waits for the peer to end
  kTunnel,    // upgraded, or otherwise handed to a worker as it is
  kNone,      // not counted: closed
};
constexpr uint32_t kConnectionPhases = static_cast<uint32_t>(ConnectionPhase::kNone);
constexpr const char* kConnectionPhaseNames[kConnectionPhases] = {"new",  "reading", "handling", "writing",
                                                                  "idle", "closing", "tunnel"};

constexpr uint32_t kHeadFaults = static_cast<uint32_t>(HeadFault::kVersionNotSupported) + 1;
constexpr uint32_t kBodyFaults = static_cast<uint32_t>(BodyFault::kForbiddenTrailer) + 1;
// By the first digit of the status; 0: the peer left, or was cut off, before there was a status.
constexpr uint32_t kStatusClasses = 6;
// Behind the methods: those of requests that were refused before one could be told.
constexpr uint32_t kMethodUnknown = kMethodCount;

// Statuses of requests that were refused before dispatch.
constexpr uint32_t kRejectedCount = 9;
constexpr int kRejectedStatuses[kRejectedCount] = {400, 408, 413, 414, 417, 429, 431, 501, 505};

template <class Number>
struct HttpStatsOf {
  Number accepted = {};
  Number requests = {};       // heads that were parsed
  Number shed_queue_full = {};
  Number shed_queue_timeout = {};
  Number failed = {};         // 502: their worker died
  Number retried = {};        // run again after their worker died
  Number reassigned = {};     // taken back from a worker that made no progress, and given to another
  Number files = {};          // answered with a file, or with a word about one
  Number aborted = {};        // requests whose response did not reach the peer whole
  Number bytes_read = {};
  Number bytes_written = {};
  Number header_timeouts = {};
  Number body_timeouts = {};
  Number body_rate_timeouts = {};
  Number write_timeouts = {};
  Number write_rate_timeouts = {};
  Number keep_alive_timeouts = {};
  Number request_timeouts = {};
  Number accept_errors = {};
  Number accept_pauses = {};    // times that there was no room for a connection that waited
  Number closed_for_room = {};  // idle connections that were closed for one
  Number closed_per_client = {};  // connections of clients that have as many as they may
  Number proxy_forbidden = {};  // connections without a right to speak the PROXY protocol, or that spoke it wrong, ...
  Number proxy_malformed = {};
  Number proxy_timeouts = {};   // ... or too slowly
  Number tls_handshakes = {};
  Number tls_resumed = {};      // among those
  Number tls_faults[kTlsFaults] = {};  // handshakes that came to nothing, but for those whose client left
  Number rejected[kRejectedCount] = {};
  Number head_faults[kHeadFaults] = {};
  Number body_faults[kBodyFaults] = {};
  Number connections[kConnectionPhases] = {};  // now, by ConnectionPhase
  Number responses[kMethodCount + 1][kStatusClasses] = {};
  // The parts of a request's time. What no worker served has no queue and no handler.
  HistogramOf<Number> accept;   // its first byte to the whole of what a worker needs to start
  HistogramOf<Number> queue;    // from then until a worker started it
  HistogramOf<Number> handler;  // from then to the response's head
  HistogramOf<Number> write;    // from then until the kernel took the last byte
  HistogramOf<Number> total;
};
using HttpStats = HttpStatsOf<Counter>;
using HttpTotals = HttpStatsOf<uint64_t>;
// Adding up treats them as rows of numbers.
static_assert(sizeof(HttpStats) == sizeof(HttpTotals) && sizeof(HttpStats) % sizeof(uint64_t) == 0);

inline void AddTo(HttpTotals* totals, const HttpStats& stats) {
  auto* to = reinterpret_cast<uint64_t*>(totals);
  auto* from = reinterpret_cast<const Counter*>(&stats);
  for (size_t i = 0; i < sizeof(HttpTotals) / sizeof(uint64_t); i++) to[i] += from[i].value();
}

}  // namespace hornet

#endif  // HORNET_HTTP_HTTP_STATS_H_

// Replays request streams for the differential fuzzer (hornet-side.ts): what the head parser and the body decoder make
// of them, as the events of test/native/replay.h. Numbers are 32 bits, little endian.
//   stdin:  for each stream, how many pieces; for each piece its length and its octets
//   stdout: for each stream, how many events; for each event its length and its octets
// Ends with 1 when the input ends in the middle.
#include <cstdio>

#include "../../native/replay.h"

namespace hornet {

namespace {

bool ReadNumber(uint32_t* number) { return fread(number, sizeof(*number), 1, stdin) == 1; }

void WriteNumber(size_t number) {
  const uint32_t word = static_cast<uint32_t>(number);
  fwrite(&word, sizeof(word), 1, stdout);
}

bool ReadPiece(std::string* piece) {
  uint32_t length;
  if (!ReadNumber(&length)) return false;
  piece->resize(length);
  return length == 0 || fread(piece->data(), length, 1, stdin) == 1;
}

int ReplayAll() {
  std::string piece;
  uint32_t pieces;
  while (ReadNumber(&pieces)) {
    Replay replay{HeadLimits()};
    for (; pieces > 0; --pieces) {
      if (!ReadPiece(&piece)) return 1;
      replay.Feed(piece);
    }
    const Events& events = replay.Finish();
    WriteNumber(events.size());
    for (const std::string& event : events) {
      WriteNumber(event.size());
      fwrite(event.data(), 1, event.size(), stdout);
    }
  }
  return 0;
}

}  // namespace

}  // namespace hornet

int main() { return hornet::ReplayAll(); }

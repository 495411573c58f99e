// Times llhttp, as the node binary ships it, over the heads of head_parser_bench.cc. Built as a shared object and loaded
// by that binary, which exports llhttp's functions: so the code that is timed is the one node:http runs, with the flags
// that node was built with. Prints its lines of JSON as it is loaded; llhttp-bench.cjs then ends the process.
//
// llhttp is given no callbacks. It then checks everything that it ever checks, and remembers nothing of what it saw: less
// than any use of it would want, and less than ParseHead() does, which finds every field.
#include <cstdint>

#include "heads.h"

// From llhttp.h, which node's headers do not have. The structures are opaque here: their layout is that of the version
// in the binary. Zeroed settings mean no callbacks, whatever their order.
extern "C" {
void llhttp_init(void* parser, int type, const void* settings);
int llhttp_execute(void* parser, const char* data, size_t length);
}

namespace {

constexpr int kTypeRequest = 1;
constexpr int kErrorNone = 0;
constexpr size_t kStructureBytes = 1024;  // of about 100 and 250

void RunBenchmark() {
  alignas(16) static char parser[kStructureBytes];
  alignas(16) static const char settings[kStructureBytes] = {};
  for (const auto& [name, make] : hornet::kSets) {
    llhttp_init(parser, kTypeRequest, settings);
    hornet::TimeHeads(name, make, "llhttp", [](const char* text, size_t length) {
      return llhttp_execute(parser, text, length) == kErrorNone;
    });
  }
}

}  // namespace

// What node calls in an addon (napi_register_module_v1), without the header that would only add types here.
extern "C" __attribute__((visibility("default"))) void* napi_register_module_v1(void* /*env*/, void* exports) {
  RunBenchmark();
  return exports;
}

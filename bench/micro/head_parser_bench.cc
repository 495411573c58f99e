// Times ParseHead() over sets of request heads, and prints one JSON line per set and path; with --samples, prints some
// of the heads instead. Started by run.mjs.
#include <cstdio>
#include <cstring>

#include "heads.h"
#include "http/head_parser.h"

namespace hornet {

namespace {

using Parse = ParseStatus (*)(const char*, size_t, const HeadLimits&, RequestHead*);

void Time(const char* set, MakeHead make, const char* path, Parse parse) {
  static RequestHead head;
  const HeadLimits limits;
  TimeHeads(set, make, path, [&](const char* text, size_t length) {
    return parse(text, length, limits, &head) == ParseStatus::kDone;
  });
}

// Some heads of each set without bodies, as JSON, for timing other parsers with. They hold no octet JSON would want
// escaped but quotes and line ends.
void PrintSamples() {
  const char* separator = "{";
  for (const auto& [name, make] : kSets) {
    Random random;
    printf("%s\"%s\":[", separator, name);
    for (int i = 0; i < 64; ++i) {
      printf(i == 0 ? "\"" : ",\"");
      for (const char c : make(&random)) {
        if (c == '\r') printf("\\r");
        else if (c == '\n') printf("\\n");
        else printf(c == '"' ? "\\%c" : "%c", c);
      }
      printf("\"");
    }
    printf("]");
    separator = ",";
  }
  printf("}\n");
}

}  // namespace

}  // namespace hornet

int main(int argc, char** argv) {
  using namespace hornet;
  if (argc == 2 && strcmp(argv[1], "--samples") == 0) {
    PrintSamples();
    return 0;
  }
  for (const auto& [name, make] : kSets) {
    Time(name, make, "default", ParseHead);
    Time(name, make, "portable", ParseHeadPortable);
  }
  return 0;
}

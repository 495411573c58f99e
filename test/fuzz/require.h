// What a fuzz target holds its input's results to.
#ifndef HORNET_TEST_FUZZ_REQUIRE_H_
#define HORNET_TEST_FUZZ_REQUIRE_H_

#include <cstdio>
#include <cstdlib>

namespace hornet {

inline void Require(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "does not hold: %s\n", what);
  abort();
}

}  // namespace hornet

#endif  // HORNET_TEST_FUZZ_REQUIRE_H_

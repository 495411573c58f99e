// A library that does one wrong thing as it is loaded, which the environment names: scripts/check-asan.mjs shows with it
// that what it looks for would be found.
#include <cstdlib>
#include <cstring>

static volatile int size = 33;

__attribute__((constructor)) static void Plant() {
  const char* name = getenv("PLANTED_FAULT");
  if (name == nullptr) return;
  char* volatile block = new char[size];
  if (strcmp(name, "overflow") == 0) block[size] = 1;
  if (strcmp(name, "undefined") == 0) size = 1 << size;
  if (strcmp(name, "leak") == 0) {
    block = nullptr;
    return;
  }
  delete[] block;
  if (strcmp(name, "use-after-free") == 0) block[3] = 1;
}

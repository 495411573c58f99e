#include "tls/openssl.h"

#include <dlfcn.h>

#include <mutex>

namespace hornet {

namespace {

// The first name that is not there; null: all are.
const char* Find(OpenSsl* found) {
#define HORNET_FIND(name)                                                    \
  found->name = reinterpret_cast<decltype(&::name)>(dlsym(RTLD_DEFAULT, #name)); \
  if (found->name == nullptr) return #name;
  HORNET_OPENSSL_FUNCTIONS(HORNET_FIND)
#undef HORNET_FIND
  return nullptr;
}

}  // namespace

const OpenSsl* FindOpenSsl(std::string* missing) {
  static OpenSsl found;
  static const char* absent = nullptr;
  static std::once_flag once;
  std::call_once(once, [] { absent = Find(&found); });
  if (absent == nullptr) return &found;
  *missing = absent;
  return nullptr;
}

}  // namespace hornet

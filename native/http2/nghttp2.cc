#include "http2/nghttp2.h"

#include <dlfcn.h>

#include <mutex>

namespace hornet::nghttp2 {

namespace {

bool FindAll(Library* found) {
#define HORNET_FIND(name, ...)                                                                       \
  found->name = reinterpret_cast<Pointer<__VA_ARGS__>>(dlsym(RTLD_DEFAULT, "nghttp2_" #name)); \
  if (found->name == nullptr) return false;
  HORNET_NGHTTP2_FUNCTIONS(HORNET_FIND)
#undef HORNET_FIND
  return true;
}

}  // namespace

const Library* Find() {
  static Library found;
  static bool is_there = false;
  static std::once_flag once;
  std::call_once(once, [] { is_there = FindAll(&found); });
  return is_there ? &found : nullptr;
}

}  // namespace hornet::nghttp2

#include "addon/process_memory.h"

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "server/server.h"

namespace hornet {

namespace {

#ifdef __GLIBC__
// Blocks from here on have a mapping of their own and are given back as they are freed. Buffers of bodies are smaller,
// and stay in the arenas: a mapping costs hundreds of page faults each time.
constexpr int kMappedBytesMin = 1 << 20;
// What may be free at the end of an arena before that is given back, and there is an arena for nearly every thread.
constexpr int kSpareBytesMax = 512 << 10;

// The operator has spoken (mallopt(3)).
bool IsAllocatorConfigured() {
  const char* tunables = getenv("GLIBC_TUNABLES");
  return getenv("MALLOC_MMAP_THRESHOLD_") != nullptr || getenv("MALLOC_TRIM_THRESHOLD_") != nullptr ||
         (tunables != nullptr && strstr(tunables, "glibc.malloc.") != nullptr);
}
#endif

// glibc raises both limits by itself: to the largest mapped block that was ever freed (at most 32 MiB), and to twice
// that. So each arena came to keep megabytes at its end for good, where malloc_trim() looks in the main arena alone.
Napi::Value LimitSpareMemory(const Napi::CallbackInfo& info) {
#ifdef __GLIBC__
  if (!IsAllocatorConfigured()) {
    mallopt(M_MMAP_THRESHOLD, kMappedBytesMin);
    mallopt(M_TRIM_THRESHOLD, kSpareBytesMax);
  }
#endif
  return info.Env().Undefined();
}

// glibc keeps what threads free in arenas of theirs, also when they have ended; other allocators need not be told.
Napi::Value TrimMemory(const Napi::CallbackInfo& info) {
  Block::TrimPool();
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return info.Env().Undefined();
}

// The whole pages among these bytes are given back; they are zeros when somebody looks at them again. Elsewhere than on
// Linux they stay as they are: MADV_DONTNEED is only a hint there.
Napi::Value DiscardMemory(const Napi::CallbackInfo& info) {
#ifdef __linux__
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  uintptr_t begin = reinterpret_cast<uintptr_t>(bytes.Data());
  uintptr_t first = (begin + page - 1) & ~(page - 1);
  uintptr_t last = (begin + bytes.ByteLength()) & ~(page - 1);
  // It fails for memory that is locked, which is meant to stay.
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
#endif
  return info.Env().Undefined();
}

}  // namespace

void DefineProcessMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("limitSpareMemory", Napi::Function::New<LimitSpareMemory>(env, "limitSpareMemory"));
  exports.Set("trimMemory", Napi::Function::New<TrimMemory>(env, "trimMemory"));
  exports.Set("discardMemory", Napi::Function::New<DiscardMemory>(env, "discardMemory"));
}

}  // namespace hornet

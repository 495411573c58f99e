// What Node has no call for: how much memory the process keeps of what was freed.
#ifndef HORNET_ADDON_PROCESS_MEMORY_H_
#define HORNET_ADDON_PROCESS_MEMORY_H_

#include <napi.h>

namespace hornet {

void DefineProcessMemory(Napi::Env env, Napi::Object exports);

}  // namespace hornet

#endif  // HORNET_ADDON_PROCESS_MEMORY_H_

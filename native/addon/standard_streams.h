// What Node has no call for: writing to the standard streams from any thread without being stuck in it, standing
// between them and the processes that read them, and ending the process although a thread is stuck.
#ifndef HORNET_ADDON_STANDARD_STREAMS_H_
#define HORNET_ADDON_STANDARD_STREAMS_H_

#include <napi.h>

namespace hornet {

void DefineStandardStreams(Napi::Env env, Napi::Object exports);

}  // namespace hornet

#endif  // HORNET_ADDON_STANDARD_STREAMS_H_

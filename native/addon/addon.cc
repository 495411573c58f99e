#include <napi.h>

#include "addon/server_object.h"
#include "addon/standard_streams.h"
#include "ring/fingerprint.h"

namespace hornet {

// Each environment (the master's and every worker's) has constructors of its own.
struct Constructors {
  Napi::FunctionReference server;
  Napi::FunctionReference port;
};

static Napi::Value CreateServer(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Constructors>()->server.New({info[0]});
}

static Napi::Value AttachWorker(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Constructors>()->port.New({info[0], info[1], info[2]});
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* constructors = new Constructors;
  constructors->server = Napi::Persistent(ServerObject::Define(env));
  constructors->port = Napi::Persistent(WorkerPort::Define(env));
  env.SetInstanceData(constructors);
  exports.Set("layoutFingerprint", kLayoutFingerprint);
  exports.Set("createServer", Napi::Function::New<CreateServer>(env, "createServer"));
  exports.Set("attachWorker", Napi::Function::New<AttachWorker>(env, "attachWorker"));
  DefineStandardStreams(env, exports);
  return exports;
}

NODE_API_MODULE(hornet, Init)

}  // namespace hornet

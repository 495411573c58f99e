#include <fcntl.h>
#include <napi.h>

#include <cerrno>

#include "addon/process_memory.h"
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

// Says something to a service manager: one datagram to the socket that NOTIFY_SOCKET names. Node has no unix datagrams.
static Napi::Value NotifyManager(const Napi::CallbackInfo& info) {
  int error = SendDatagram(info[0].As<Napi::String>(), info[1].As<Napi::String>());
  return Napi::Number::New(info.Env(), error);
}

// Another descriptor of the same socket, which Node has no call for; or a negative errno.
static Napi::Value DuplicateFd(const Napi::CallbackInfo& info) {
  int fd = fcntl(info[0].As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 3);
  return Napi::Number::New(info.Env(), fd < 0 ? -errno : fd);
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
  DefineProcessMemory(env, exports);
  exports.Set("notifyManager", Napi::Function::New<NotifyManager>(env, "notifyManager"));
  exports.Set("duplicateFd", Napi::Function::New<DuplicateFd>(env, "duplicateFd"));
  return exports;
}

NODE_API_MODULE(hornet, Init)

}  // namespace hornet

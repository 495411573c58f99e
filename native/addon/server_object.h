// The native server as the master's JavaScript holds it, and a worker's end of its lanes.
#ifndef HORNET_ADDON_SERVER_OBJECT_H_
#define HORNET_ADDON_SERVER_OBJECT_H_

#include <napi.h>
#include <uv.h>

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "server/server.h"

namespace hornet {

// Thread: the environment that made it. Owner: JavaScript. Life: to close(), or to the end of the environment.
class ServerObject : public Napi::ObjectWrap<ServerObject> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit ServerObject(const Napi::CallbackInfo& info);
  ~ServerObject() override;

 private:
  // Events come from any thread; the queue outlives this object while a thread may still post.
  struct Mailbox {
    std::mutex mutex;
    std::deque<IoEvent> events;
    Waker waker;
  };

  Napi::Value Handle(const Napi::CallbackInfo& info);
  Napi::Value Listen(const Napi::CallbackInfo& info);
  Napi::Value ConfigureListener(const Napi::CallbackInfo& info);
  Napi::Value CloseListener(const Napi::CallbackInfo& info);
  Napi::Value AdoptListener(const Napi::CallbackInfo& info);
  Napi::Value AbandonListener(const Napi::CallbackInfo& info);
  Napi::Value Start(const Napi::CallbackInfo& info);
  Napi::Value AddWorker(const Napi::CallbackInfo& info);
  Napi::Value ReadyWorker(const Napi::CallbackInfo& info);
  Napi::Value DrainWorker(const Napi::CallbackInfo& info);
  Napi::Value FenceWorker(const Napi::CallbackInfo& info);
  Napi::Value RemoveWorker(const Napi::CallbackInfo& info);
  Napi::Value ListenerFd(const Napi::CallbackInfo& info);
  Napi::Value OwnPath(const Napi::CallbackInfo& info);
  Napi::Value LeavePaths(const Napi::CallbackInfo& info);
  Napi::Value Drain(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  Napi::Value SetReady(const Napi::CallbackInfo& info);
  Napi::Value ReopenAccessLog(const Napi::CallbackInfo& info);
  Napi::Value ServeFiles(const Napi::CallbackInfo& info);
  Napi::Value SetTls(const Napi::CallbackInfo& info);
  Napi::Value Stats(const Napi::CallbackInfo& info);
  Napi::Value ListRequests(const Napi::CallbackInfo& info);

  // What the event loop holds: freed when the handle is closed, which may be after this object. The environment may end
  // before JavaScript has called close(): then the hook does.
  struct EventHandle {
    uv_async_t async;
    ServerObject* owner;
    napi_async_cleanup_hook_handle hook = nullptr;
  };

  void CloseServer();
  void HandleEvents();
  Napi::Object EventToObject(Napi::Env env, const IoEvent& event);
  Napi::Array RequestsToArray(Napi::Env env, const IoEvent& event);

  std::shared_ptr<Server> server_;
  uint32_t handle_ = 0;
  std::shared_ptr<Mailbox> mailbox_;
  EventHandle* events_ = nullptr;
  Napi::FunctionReference on_event_;
  Napi::AsyncContext context_;
  // What native code reaches through typed arrays must not be collected under it.
  Napi::Reference<Napi::Uint8Array> io_control_;
  std::map<uint32_t, std::vector<Napi::Reference<Napi::Uint8Array>>> lanes_;
};

// Thread: the worker's. Owner: JavaScript. Life: to close(), or to the end of the environment.
class WorkerPort : public Napi::ObjectWrap<WorkerPort> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit WorkerPort(const Napi::CallbackInfo& info);

 private:
  // What the event loop holds: freed when the handle is closed, which may be after this object.
  struct Handle {
    uv_async_t async;
    WorkerPort* port;
    napi_async_cleanup_hook_handle hook = nullptr;
    std::shared_ptr<WorkerSlot> slot;
    bool is_closing = false;
    void Close();
  };

  Napi::Value Wake(const Napi::CallbackInfo& info);
  Napi::Value WakeSelf(const Napi::CallbackInfo& info);
  Napi::Value ReportUncaught(const Napi::CallbackInfo& info);
  Napi::Value Ref(const Napi::CallbackInfo& info);
  Napi::Value Unref(const Napi::CallbackInfo& info);
  Napi::Value TakeBlock(const Napi::CallbackInfo& info);
  Napi::Value MakeBlock(const Napi::CallbackInfo& info);
  Napi::Value TlsSession(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  void Pump();

  std::shared_ptr<Server> server_;
  Handle* handle_ = nullptr;
  Napi::FunctionReference pump_;
  Napi::AsyncContext context_;
};

}  // namespace hornet

#endif  // HORNET_ADDON_SERVER_OBJECT_H_

#include "addon/server_object.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/check.h"

namespace hornet {

namespace {

// Servers of this process by handle, so that a worker's environment finds the one it belongs to.
std::mutex registry_mutex;
std::map<uint32_t, std::shared_ptr<Server>> registry;
uint32_t next_handle = 1;

uint32_t GetUint32(const Napi::Object& object, const char* name) {
  return object.Get(name).As<Napi::Number>().Uint32Value();
}

// For what may be left out.
void ReadUint32(const Napi::Object& object, const char* name, uint32_t* out) {
  Napi::Value member = object.Get(name);
  if (member.IsNumber()) *out = member.As<Napi::Number>().Uint32Value();
}

// Fills in what JavaScript gives of a listener's own options; the rest is the server's.
void ReadListenerOptions(const Napi::Value& value, ListenerOptions* options) {
  if (!value.IsObject()) return;
  Napi::Object given = value.As<Napi::Object>();
  auto number = [&](const char* name, uint32_t* out) {
    Napi::Value member = given.Get(name);
    if (member.IsNumber()) *out = member.As<Napi::Number>().Uint32Value();
  };
  auto flag = [&](const char* name, bool* out) {
    Napi::Value member = given.Get(name);
    if (member.IsBoolean()) *out = member.As<Napi::Boolean>();
  };
  HttpLimits* limits = &options->limits;
  number("requestLineBytesMax", &limits->head.request_line_max);
  number("fieldsMax", &limits->head.fields_max);
  number("fieldBytesMax", &limits->head.field_size_max);
  number("headBytesMax", &limits->head.head_bytes_max);
  number("bodyBufferBytes", &limits->body_buffer_bytes);
  number("headerTimeoutMs", &limits->header_timeout_ms);
  number("bodyTimeoutMs", &limits->body_timeout_ms);
  number("keepAliveMs", &limits->keep_alive_ms);
  number("keepAliveHintSeconds", &limits->keep_alive_hint_seconds);
  number("writeTimeoutMs", &limits->write_timeout_ms);
  flag("offersConnections", &options->offers_connections);
  flag("handsOverUpgrade", &options->hands_over_upgrade);
  flag("handsOverConnect", &options->hands_over_connect);
  flag("handsOverExpect", &options->hands_over_expect);
  flag("handsOverFaults", &options->hands_over_faults);
  flag("tellsEnds", &options->tells_ends);
}

Napi::Error SystemError(Napi::Env env, int error) {
  Napi::Error made = Napi::Error::New(env, uv_strerror(error));
  made.Set("code", Napi::String::New(env, uv_err_name(error)));
  made.Set("errno", Napi::Number::New(env, error));
  return made;
}

uv_loop_t* LoopOf(Napi::Env env) {
  uv_loop_t* loop = nullptr;
  CHECK(napi_get_uv_event_loop(env, &loop) == napi_ok);
  return loop;
}

Napi::Value BoundToObject(Napi::Env env, const SocketAddress& address) {
  Napi::Object object = Napi::Object::New(env);
  bool is_unix = address.family() == AF_UNIX;
  object.Set("kind", is_unix ? "unix" : "tcp");
  object.Set("address", address.Host());
  object.Set("family", is_unix ? "unix" : address.family() == AF_INET ? "IPv4" : "IPv6");
  object.Set("port", Napi::Number::New(env, address.Port()));
  return object;
}

void ReadIpSet(const Napi::Value& value, IpSet* set) {
  Napi::Array blocks = value.As<Napi::Array>();
  for (uint32_t i = 0; i < blocks.Length(); i++) CHECK(set->Add(blocks.Get(i).As<Napi::String>()));
}

void ReadEdge(const Napi::Object& given, EdgeOptions* edge) {
  ReadIpSet(given.Get("forwardedAllowIps"), &edge->forwarded_from);
  edge->shows_forwarded = given.Get("forwardedSocket").As<Napi::Boolean>();
  std::string versions = given.Get("proxyProtocol").As<Napi::String>();
  edge->proxy_versions = versions == "v1"     ? ProxyVersions::kV1
                         : versions == "v2"   ? ProxyVersions::kV2
                         : versions == "auto" ? ProxyVersions::kEither
                                              : ProxyVersions::kNone;
  ReadIpSet(given.Get("proxyAllowFrom"), &edge->proxy_from);
  if (given.Get("healthPrefix").IsString()) edge->health_prefix = given.Get("healthPrefix").As<Napi::String>();
}

AccessFormat ReadAccessFormat(const Napi::Object& given) {
  Napi::Array rows = given.Get("parts").As<Napi::Array>();
  std::vector<AccessPart> parts;
  for (uint32_t i = 0; i < rows.Length(); i++) {
    Napi::Object row = rows.Get(i).As<Napi::Object>();
    std::string name = row.Get("atom").As<Napi::String>();
    uint32_t atom = 0;
    while (atom < kAccessAtoms && name != kAccessAtomNames[atom]) atom++;
    CHECK(atom < kAccessAtoms);
    parts.push_back({static_cast<AccessAtom>(atom), row.Get("text").As<Napi::String>()});
  }
  return AccessFormat(std::move(parts), given.Get("isJson").As<Napi::Boolean>());
}

// The server keeps one of its own: JavaScript closes what it opened, and never standard output.
int DuplicateFd(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return copy < 0 ? -errno : copy;
}

void SetNumber(Napi::Object* object, const char* name, uint64_t value) {
  object->Set(name, Napi::Number::New(object->Env(), static_cast<double>(value)));
}

Napi::Object HistogramToObject(Napi::Env env, const HistogramOf<uint64_t>& histogram) {
  Napi::Object object = Napi::Object::New(env);
  Napi::Array counts = Napi::Array::New(env, kHistogramBuckets);
  for (uint32_t i = 0; i < kHistogramBuckets; i++) {
    counts.Set(i, Napi::Number::New(env, static_cast<double>(histogram.buckets[i])));
  }
  object.Set("counts", counts);
  SetNumber(&object, "sumUs", histogram.sum_us);
  return object;
}

// What stats() tells beyond plain sums: by reason, by method and status, by state, and the durations.
void AddDetails(Napi::Env env, const HttpTotals& totals, Napi::Object* object) {
  Napi::Object shed = Napi::Object::New(env);
  SetNumber(&shed, "queue_full", totals.shed_queue_full);
  SetNumber(&shed, "queue_timeout", totals.shed_queue_timeout);
  object->Set("shed", shed);
  Napi::Object timeouts = Napi::Object::New(env);
  SetNumber(&timeouts, "header", totals.header_timeouts);
  SetNumber(&timeouts, "body", totals.body_timeouts);
  SetNumber(&timeouts, "body_rate", totals.body_rate_timeouts);
  SetNumber(&timeouts, "write", totals.write_timeouts);
  SetNumber(&timeouts, "write_rate", totals.write_rate_timeouts);
  SetNumber(&timeouts, "keep_alive", totals.keep_alive_timeouts);
  SetNumber(&timeouts, "request", totals.request_timeouts);
  object->Set("timeouts", timeouts);
  Napi::Object faults = Napi::Object::New(env);
  for (uint32_t i = 1; i < kHeadFaults; i++) {
    SetNumber(&faults, FaultName(static_cast<HeadFault>(i)), totals.head_faults[i]);
  }
  for (uint32_t i = 1; i < kBodyFaults; i++) {
    SetNumber(&faults, FaultName(static_cast<BodyFault>(i)), totals.body_faults[i]);
  }
  object->Set("parseErrors", faults);
  SetNumber(object, "acceptErrors", totals.accept_errors);
  SetNumber(object, "acceptPauses", totals.accept_pauses);
  Napi::Object closed = Napi::Object::New(env);
  SetNumber(&closed, "room", totals.closed_for_room);
  SetNumber(&closed, "client_limit", totals.closed_per_client);
  object->Set("connectionsClosed", closed);
  Napi::Object proxy_errors = Napi::Object::New(env);
  SetNumber(&proxy_errors, "forbidden", totals.proxy_forbidden);
  SetNumber(&proxy_errors, "malformed", totals.proxy_malformed);
  SetNumber(&proxy_errors, "timeout", totals.proxy_timeouts);
  object->Set("proxyErrors", proxy_errors);
  Napi::Object tls = Napi::Object::New(env);
  SetNumber(&tls, "handshakes", totals.tls_handshakes);
  SetNumber(&tls, "resumed", totals.tls_resumed);
  Napi::Object failures = Napi::Object::New(env);
  for (uint32_t i = 0; i < kTlsFaults; i++) SetNumber(&failures, kTlsFaultNames[i], totals.tls_faults[i]);
  tls.Set("failures", failures);
  object->Set("tls", tls);
  Napi::Object connections = Napi::Object::New(env);
  for (uint32_t i = 0; i < kConnectionPhases; i++) {
    SetNumber(&connections, kConnectionPhaseNames[i], totals.connections[i]);
  }
  object->Set("connections", connections);
  Napi::Array responses = Napi::Array::New(env);
  for (uint32_t method = 0; method <= kMethodUnknown; method++) {
    for (uint32_t status_class = 0; status_class < kStatusClasses; status_class++) {
      uint64_t count = totals.responses[method][status_class];
      if (count == 0) continue;
      Napi::Object row = Napi::Object::New(env);
      row.Set("method", method == kMethodUnknown ? "" : kMethodNames[method]);
      row.Set("statusClass", status_class);
      SetNumber(&row, "count", count);
      responses.Set(responses.Length(), row);
    }
  }
  object->Set("responses", responses);
  Napi::Object durations = Napi::Object::New(env);
  durations.Set("accept", HistogramToObject(env, totals.accept));
  durations.Set("queue", HistogramToObject(env, totals.queue));
  durations.Set("handler", HistogramToObject(env, totals.handler));
  durations.Set("write", HistogramToObject(env, totals.write));
  durations.Set("total", HistogramToObject(env, totals.total));
  object->Set("durations", durations);
  Napi::Array bounds = Napi::Array::New(env, kHistogramBuckets - 1);
  for (uint32_t i = 0; i + 1 < kHistogramBuckets; i++) {
    bounds.Set(i, Napi::Number::New(env, static_cast<double>(HistogramBound(i))));
  }
  object->Set("durationBoundsUs", bounds);
}

TlsOptions ReadTls(const Napi::Object& given) {
  TlsOptions options;
  Napi::Array certificates = given.Get("certificates").As<Napi::Array>();
  for (uint32_t i = 0; i < certificates.Length(); i++) {
    Napi::Object row = certificates.Get(i).As<Napi::Object>();
    TlsCertificate certificate;
    certificate.chain_pem = row.Get("chainPem").As<Napi::String>();
    certificate.key_pem = row.Get("keyPem").As<Napi::String>();
    Napi::Array names = row.Get("names").As<Napi::Array>();
    for (uint32_t j = 0; j < names.Length(); j++) certificate.names.push_back(names.Get(j).As<Napi::String>());
    options.certificates.push_back(std::move(certificate));
  }
  if (given.Get("clientCertificates").IsString()) {
    std::string wanted = given.Get("clientCertificates").As<Napi::String>();
    if (wanted == "optional") options.client_certificates = TlsOptions::ClientCertificates::kOptional;
    if (wanted == "required") options.client_certificates = TlsOptions::ClientCertificates::kRequired;
  }
  if (given.Get("caPem").IsString()) options.ca_pem = given.Get("caPem").As<Napi::String>();
  if (given.Get("ciphers").IsString()) options.ciphers = given.Get("ciphers").As<Napi::String>();
  // Without nghttp2 in this Node.js there is HTTP/1.1 alone.
  options.offers_http2 = given.Get("http2").ToBoolean();
  Napi::Value version = given.Get("minVersion");
  options.needs_tls13 = version.IsString() && version.As<Napi::String>().Utf8Value() == "TLSv1.3";
  return options;
}

Napi::Array BacklogsToArray(Napi::Env env, const std::vector<ListenerBacklog>& backlogs) {
  Napi::Array rows = Napi::Array::New(env, backlogs.size());
  for (uint32_t i = 0; i < backlogs.size(); i++) {
    Napi::Object row = BoundToObject(env, backlogs[i].address).As<Napi::Object>();
    row.Set("backlog", backlogs[i].is_known ? Napi::Number::New(env, backlogs[i].waiting) : env.Null());
    row.Set("backlogMax", backlogs[i].is_known ? Napi::Number::New(env, backlogs[i].waiting_max) : env.Null());
    rows.Set(i, row);
  }
  return rows;
}

}  // namespace

Napi::Function ServerObject::Define(Napi::Env env) {
  return DefineClass(env, "NativeServer",
                     {
                         InstanceAccessor<&ServerObject::Handle>("handle"),
                         InstanceMethod<&ServerObject::Listen>("listen"),
                         InstanceMethod<&ServerObject::ConfigureListener>("configureListener"),
                         InstanceMethod<&ServerObject::CloseListener>("closeListener"),
                         InstanceMethod<&ServerObject::AdoptListener>("adoptListener"),
                         InstanceMethod<&ServerObject::AbandonListener>("abandonListener"),
                         InstanceMethod<&ServerObject::Start>("start"),
                         InstanceMethod<&ServerObject::AddWorker>("addWorker"),
                         InstanceMethod<&ServerObject::ReadyWorker>("readyWorker"),
                         InstanceMethod<&ServerObject::DrainWorker>("drainWorker"),
                         InstanceMethod<&ServerObject::FenceWorker>("fenceWorker"),
                         InstanceMethod<&ServerObject::RemoveWorker>("removeWorker"),
                         InstanceMethod<&ServerObject::ListenerFd>("listenerFd"),
                         InstanceMethod<&ServerObject::OwnPath>("ownPath"),
                         InstanceMethod<&ServerObject::LeavePaths>("leavePaths"),
                         InstanceMethod<&ServerObject::Drain>("drain"),
                         InstanceMethod<&ServerObject::Close>("close"),
                         InstanceMethod<&ServerObject::SetReady>("setReady"),
                         InstanceMethod<&ServerObject::ReopenAccessLog>("reopenAccessLog"),
                         InstanceMethod<&ServerObject::ServeFiles>("serveFiles"),
                         InstanceMethod<&ServerObject::SetTls>("setTls"),
                         InstanceMethod<&ServerObject::Stats>("stats"),
                         InstanceMethod<&ServerObject::ListRequests>("listRequests"),
                     });
}

ServerObject::ServerObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ServerObject>(info), context_(info.Env(), "HORNETSERVER") {
  Napi::Env env = info.Env();
  Napi::Object options = info[0].As<Napi::Object>();
  Napi::Object given = options.Get("limits").As<Napi::Object>();
  ServerLimits limits;
  limits.http.head.request_line_max = GetUint32(given, "requestLineBytesMax");
  limits.http.head.fields_max = GetUint32(given, "fieldsMax");
  limits.http.head.field_size_max = GetUint32(given, "fieldBytesMax");
  limits.http.head.head_bytes_max = GetUint32(given, "headBytesMax");
  limits.http.body_bytes_max = static_cast<uint64_t>(given.Get("bodyBytesMax").As<Napi::Number>().DoubleValue());
  limits.http.body_buffer_bytes = GetUint32(given, "bodyBufferBytes");
  limits.http.header_timeout_ms = GetUint32(given, "headerTimeoutMs");
  limits.http.body_timeout_ms = GetUint32(given, "bodyTimeoutMs");
  ReadUint32(given, "bodyBytesPerSecondMin", &limits.http.body_rate_min);
  limits.http.keep_alive_ms = GetUint32(given, "keepAliveMs");
  limits.http.keep_alive_hint_seconds = limits.http.keep_alive_ms / 1000;
  limits.http.write_timeout_ms = GetUint32(given, "writeTimeoutMs");
  ReadUint32(given, "writeBytesPerSecondMin", &limits.http.write_rate_min);
  limits.connections_max = GetUint32(given, "connectionsMax");
  limits.client_connections_max = GetUint32(given, "clientConnectionsMax");
  limits.client_requests_per_second = GetUint32(given, "clientRequestsPerSecond");
  limits.client_requests_burst = GetUint32(given, "clientRequestsBurst");
  limits.request_queue_max = GetUint32(given, "requestQueueMax");
  limits.queue_timeout_ms = GetUint32(given, "queueTimeoutMs");
  ReadUint32(given, "reassignAfterMs", &limits.reassign_after_ms);
  ReadUint32(given, "requestTimeoutMs", &limits.http.request_timeout_ms);
  limits.retries_safe = given.Get("retriesSafe").ToBoolean();
  Napi::Value sticky = options.Get("sticky");
  if (sticky.IsString()) limits.sticky = ParseStickyRule(sticky.As<Napi::String>());
  CHECK(limits.http.head.fields_max <= kHeadFieldsCapacity);

  if (options.Get("edge").IsObject()) ReadEdge(options.Get("edge").As<Napi::Object>(), &limits.edge);

  std::shared_ptr<const TlsContext> tls;
  if (options.Get("tls").IsObject()) {
    std::string error;
    tls = TlsContext::Make(ReadTls(options.Get("tls").As<Napi::Object>()), &error);
    if (tls == nullptr) {
      Napi::Error::New(env, error).ThrowAsJavaScriptException();
      return;
    }
  }

  uint32_t io_threads = GetUint32(options, "ioThreads");
  Napi::Uint8Array io_control = options.Get("ioControl").As<Napi::Uint8Array>();
  CHECK(io_threads > 0 && io_control.ByteLength() >= size_t{io_threads} * kIoControlStride);
  io_control_ = Napi::Reference<Napi::Uint8Array>::New(io_control, 1);
  on_event_ = Napi::Persistent(options.Get("onEvent").As<Napi::Function>());

  mailbox_ = std::make_shared<Mailbox>();
  events_ = new EventHandle;
  events_->owner = this;
  events_->async.data = events_;
  CHECK(uv_async_init(LoopOf(env), &events_->async, [](uv_async_t* async) {
          static_cast<EventHandle*>(async->data)->owner->HandleEvents();
        }) == 0);
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle, void* data) {
        auto* events = static_cast<EventHandle*>(data);
        if (events->owner != nullptr) events->owner->CloseServer();
      },
      events_, &events_->hook);
  // A server inside an application must not keep its process running by itself.
  if (options.Get("isBackground").ToBoolean()) uv_unref(reinterpret_cast<uv_handle_t*>(&events_->async));
  mailbox_->waker.Attach(&events_->async);
  auto mailbox = mailbox_;
  server_ = std::make_shared<Server>(io_threads, limits, io_control.Data(), [mailbox](IoEvent event) {
    {
      std::lock_guard<std::mutex> lock(mailbox->mutex);
      mailbox->events.push_back(std::move(event));
    }
    mailbox->waker.Wake();
  });
  if (tls != nullptr) server_->SetTls(tls);
  if (options.Get("accessLog").IsObject()) {
    Napi::Object given_log = options.Get("accessLog").As<Napi::Object>();
    int fd = DuplicateFd(given_log.Get("fd").As<Napi::Number>().Int32Value());
    // JavaScript has just opened it: it is out of descriptors, if anything.
    CHECK(fd >= 0);
    server_->OpenAccessLog(ReadAccessFormat(given_log), fd);
  }
  std::lock_guard<std::mutex> lock(registry_mutex);
  handle_ = next_handle++;
  registry[handle_] = server_;
}

ServerObject::~ServerObject() { CloseServer(); }

void ServerObject::CloseServer() {
  if (events_ == nullptr) return;
  {
    std::lock_guard<std::mutex> lock(registry_mutex);
    registry.erase(handle_);
  }
  server_->Close();
  mailbox_->waker.Detach();
  events_->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&events_->async), [](uv_handle_t* closed) {
    auto* handle = static_cast<EventHandle*>(closed->data);
    napi_remove_async_cleanup_hook(handle->hook);
    delete handle;
  });
  events_ = nullptr;
}

Napi::Value ServerObject::Handle(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), handle_); }

Napi::Value ServerObject::Listen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Object given = info[0].As<Napi::Object>();
  ListenerSpec spec;
  std::string kind = given.Get("kind").As<Napi::String>();
  spec.backlog = given.Get("backlog").As<Napi::Number>().Int32Value();
  if (kind == "tcp") {
    spec.kind = ListenerSpec::Kind::kTcp;
    spec.host = given.Get("host").As<Napi::String>();
    spec.port = static_cast<uint16_t>(GetUint32(given, "port"));
    spec.reuse_port = given.Get("reusePort").As<Napi::Boolean>();
  } else if (kind == "unix") {
    spec.kind = ListenerSpec::Kind::kUnix;
    spec.path = given.Get("path").As<Napi::String>();
    spec.mode = given.Get("mode").As<Napi::Number>().Int32Value();
  } else {
    spec.kind = ListenerSpec::Kind::kFd;
    spec.fd = given.Get("fd").As<Napi::Number>().Int32Value();
    spec.is_lent = given.Get("isLent").ToBoolean();
  }
  ListenerOptions options;
  options.limits = server_->limits().http;
  ReadListenerOptions(info[1], &options);
  SocketAddress bound;
  int result = server_->Listen(spec, options, &bound);
  if (result < 0) {
    SystemError(env, result).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  Napi::Object object = BoundToObject(env, bound).As<Napi::Object>();
  object.Set("index", Napi::Number::New(env, result));
  return object;
}

Napi::Value ServerObject::ConfigureListener(const Napi::CallbackInfo& info) {
  ListenerOptions options;
  options.limits = server_->limits().http;
  ReadListenerOptions(info[1], &options);
  server_->ConfigureListener(info[0].As<Napi::Number>().Uint32Value(), options);
  return info.Env().Undefined();
}

Napi::Value ServerObject::CloseListener(const Napi::CallbackInfo& info) {
  server_->CloseListener(info[0].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

Napi::Value ServerObject::AdoptListener(const Napi::CallbackInfo& info) {
  server_->AdoptListener(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

Napi::Value ServerObject::AbandonListener(const Napi::CallbackInfo& info) {
  server_->AbandonListener(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

Napi::Value ServerObject::Start(const Napi::CallbackInfo& info) {
  int error = server_->Start();
  if (error != 0) SystemError(info.Env(), error).ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

Napi::Value ServerObject::AddWorker(const Napi::CallbackInfo& info) {
  auto slot = std::make_shared<WorkerSlot>();
  slot->id = info[0].As<Napi::Number>().Uint32Value();
  Napi::Array lanes = info[1].As<Napi::Array>();
  slot->request_ring_bytes = info[2].As<Napi::Number>().Uint32Value();
  slot->in_flight_max = info[3].As<Napi::Number>().Uint32Value();
  if (info[5].IsNumber()) slot->requests_max = info[5].As<Napi::Number>().Uint32Value();
  if (info[4].IsBoolean()) slot->serves_all = info[4].As<Napi::Boolean>();
  CHECK(lanes.Length() == server_->io_threads());
  auto& references = lanes_[slot->id];
  for (uint32_t i = 0; i < lanes.Length(); i++) {
    Napi::Uint8Array lane = lanes.Get(i).As<Napi::Uint8Array>();
    slot->lanes.push_back({lane.Data(), lane.ByteLength()});
    references.push_back(Napi::Reference<Napi::Uint8Array>::New(lane, 1));
  }
  server_->AddWorker(slot);
  return info.Env().Undefined();
}

Napi::Value ServerObject::ReadyWorker(const Napi::CallbackInfo& info) {
  server_->ReadyWorker(info[0].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

Napi::Value ServerObject::DrainWorker(const Napi::CallbackInfo& info) {
  server_->DrainWorker(info[0].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

Napi::Value ServerObject::FenceWorker(const Napi::CallbackInfo& info) {
  server_->FenceWorker(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

Napi::Value ServerObject::RemoveWorker(const Napi::CallbackInfo& info) {
  server_->RemoveWorker(info[0].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

Napi::Value ServerObject::ListenerFd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), server_->ListenerFd(info[0].As<Napi::Number>().Uint32Value()));
}

Napi::Value ServerObject::OwnPath(const Napi::CallbackInfo& info) {
  server_->OwnPath(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::String>());
  return info.Env().Undefined();
}

Napi::Value ServerObject::LeavePaths(const Napi::CallbackInfo& info) {
  server_->LeavePaths();
  return info.Env().Undefined();
}

Napi::Value ServerObject::Drain(const Napi::CallbackInfo& info) {
  server_->Drain(info[0].ToBoolean());
  return info.Env().Undefined();
}

Napi::Value ServerObject::Close(const Napi::CallbackInfo& info) {
  CloseServer();
  return info.Env().Undefined();
}

Napi::Value ServerObject::SetReady(const Napi::CallbackInfo& info) {
  server_->SetReady(info[0].As<Napi::Boolean>());
  return info.Env().Undefined();
}

Napi::Value ServerObject::ReopenAccessLog(const Napi::CallbackInfo& info) {
  int fd = DuplicateFd(info[0].As<Napi::Number>().Int32Value());
  if (fd < 0) {
    SystemError(info.Env(), fd).ThrowAsJavaScriptException();
  } else if (!server_->ReopenAccessLog(fd)) {
    close(fd);
  }
  return info.Env().Undefined();
}

Napi::Value ServerObject::ServeFiles(const Napi::CallbackInfo& info) {
  Napi::Object given = info[0].As<Napi::Object>();
  Napi::Array mounts = given.Get("mounts").As<Napi::Array>();
  FileSettings settings;
  for (uint32_t i = 0; i < mounts.Length(); i++) {
    Napi::Object mount = mounts.Get(i).As<Napi::Object>();
    settings.mounts.push_back({mount.Get("prefix").As<Napi::String>(), mount.Get("folder").As<Napi::String>()});
  }
  settings.max_age_seconds = GetUint32(given, "maxAgeSeconds");
  Napi::Value transfers = given.Get("transfersMax");
  if (transfers.IsNumber()) settings.transfers_max = transfers.As<Napi::Number>().Uint32Value();
  if (given.Get("mayLookUp").IsBoolean()) settings.may_look_up = given.Get("mayLookUp").As<Napi::Boolean>();
  server_->ServeFiles(std::move(settings));
  return info.Env().Undefined();
}

Napi::Value ServerObject::SetTls(const Napi::CallbackInfo& info) {
  std::string error;
  std::shared_ptr<const TlsContext> context = TlsContext::Make(ReadTls(info[0].As<Napi::Object>()), &error);
  if (context == nullptr) {
    Napi::Error::New(info.Env(), error).ThrowAsJavaScriptException();
  } else {
    server_->SetTls(context);
  }
  return info.Env().Undefined();
}

Napi::Value ServerObject::Stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  IoSnapshot snapshot = server_->Snapshot();
  Napi::Object object = Napi::Object::New(env);
  auto set = [&](const char* name, uint64_t value) {
    object.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  set("connectionsAccepted", snapshot.http.accepted);
  set("connectionsOpen", snapshot.connections_open);
  set("requests", snapshot.http.requests);
  set("requestsInFlight", snapshot.in_flight);
  set("requestsQueued", server_->queued());
  set("requestsWaiting", server_->queued() + snapshot.in_rings);
  set("oldestWaitingMs", snapshot.oldest_waiting_us / 1000);
  set("requestsShed", snapshot.http.shed_queue_full + snapshot.http.shed_queue_timeout);
  set("requestsAborted", snapshot.http.aborted);
  set("accessLogLines", snapshot.access_lines);
  set("accessLogDropped", snapshot.access_lines_dropped);
  set("requestsFailed", snapshot.http.failed);
  set("requestsReassigned", snapshot.http.reassigned);
  set("requestsRetried", snapshot.http.retried);
  set("requestsForFiles", snapshot.http.files);
  set("bytesRead", snapshot.http.bytes_read);
  set("bytesWritten", snapshot.http.bytes_written);
  set("memoryBytes", snapshot.memory_bytes);
  Napi::Object rejected = Napi::Object::New(env);
  for (uint32_t i = 0; i < kRejectedCount; i++) {
    rejected.Set(std::to_string(kRejectedStatuses[i]), static_cast<double>(snapshot.http.rejected[i]));
  }
  object.Set("rejected", rejected);
  AddDetails(env, snapshot.http, &object);
  object.Set("listeners", BacklogsToArray(env, server_->Backlogs()));
  Napi::Object loads = Napi::Object::New(env);
  for (auto& [id, in_flight] : server_->WorkerLoads()) loads.Set(id, in_flight);
  object.Set("workerLoads", loads);
  return object;
}

Napi::Value ServerObject::ListRequests(const Napi::CallbackInfo& info) {
  const uint32_t worker_id = info[2].IsNumber() ? info[2].As<Napi::Number>().Uint32Value() : 0;
  server_->ListRequests(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Uint32Value(), worker_id);
  return info.Env().Undefined();
}

Napi::Array ServerObject::RequestsToArray(Napi::Env env, const IoEvent& event) {
  static constexpr const char* kStates[] = {"reading", "queued", "handed", "running", "answering"};
  Napi::Array rows = Napi::Array::New(env, event.requests.size());
  for (uint32_t i = 0; i < event.requests.size(); i++) {
    const RequestNote& note = event.requests[i];
    Napi::Object row = Napi::Object::New(env);
    row.Set("id", std::to_string(event.io_thread) + "-" + std::to_string(note.id.index) + "-" +
                      std::to_string(note.id.generation));
    row.Set("workerId", note.worker_id);
    row.Set("method", kMethodNames[static_cast<uint32_t>(note.method)]);
    napi_value target;
    // Octets as received, like the strings of the request itself.
    CHECK(napi_create_string_latin1(env, note.target.data(), note.target.size(), &target) == napi_ok);
    row.Set("url", target);
    row.Set("ageMs", static_cast<double>(note.age_ms));
    row.Set("state", kStates[static_cast<uint32_t>(note.state)]);
    rows.Set(i, row);
  }
  return rows;
}

void ServerObject::HandleEvents() {
  Napi::Env env = Env();
  Napi::HandleScope scope(env);
  for (;;) {
    IoEvent event;
    {
      std::lock_guard<std::mutex> lock(mailbox_->mutex);
      if (mailbox_->events.empty()) return;
      event = std::move(mailbox_->events.front());
      mailbox_->events.pop_front();
    }
    if (event.type == IoEvent::Type::kWorkerRemoved) lanes_.erase(event.worker_id);
    napi_value argument = EventToObject(env, event);
    napi_value result;
    if (napi_make_callback(env, context_, env.Global(), on_event_.Value(), 1, &argument, &result) ==
        napi_pending_exception) {
      napi_value error;
      napi_get_and_clear_last_exception(env, &error);
      napi_fatal_exception(env, error);
    }
  }
}

Napi::Object ServerObject::EventToObject(Napi::Env env, const IoEvent& event) {
  Napi::Object object = Napi::Object::New(env);
  switch (event.type) {
    case IoEvent::Type::kWorkerDrained:
      object.Set("type", "worker-drained");
      object.Set("workerId", event.worker_id);
      break;
    case IoEvent::Type::kWorkerFenced:
    case IoEvent::Type::kWorkerRemoved:
      object.Set("type", event.type == IoEvent::Type::kWorkerFenced ? "worker-fenced" : "worker-removed");
      object.Set("workerId", event.worker_id);
      object.Set("requestsFailed", event.requests_failed);
      object.Set("requestsMoved", event.requests_moved);
      object.Set("requestsRetried", event.requests_retried);
      break;
    case IoEvent::Type::kWorkerSpent:
      object.Set("type", "worker-spent");
      object.Set("workerId", event.worker_id);
      break;
    case IoEvent::Type::kDrained:
      object.Set("type", "drained");
      break;
    case IoEvent::Type::kRequests:
      object.Set("type", "requests");
      object.Set("listing", event.listing);
      object.Set("total", event.requests_total);
      object.Set("requests", RequestsToArray(env, event));
      break;
    case IoEvent::Type::kLog:
      object.Set("type", "log");
      object.Set("level", "warn");
      object.Set("message", event.message);
      break;
  }
  return object;
}

// ---- worker ---------------------------------------------------------------------------------------------------------

Napi::Function WorkerPort::Define(Napi::Env env) {
  return DefineClass(env, "WorkerPort",
                     {
                         InstanceMethod<&WorkerPort::Wake>("wake"),
                         InstanceMethod<&WorkerPort::WakeSelf>("wakeSelf"),
                         InstanceMethod<&WorkerPort::ReportUncaught>("reportUncaught"),
                         InstanceMethod<&WorkerPort::Ref>("ref"),
                         InstanceMethod<&WorkerPort::Unref>("unref"),
                         InstanceMethod<&WorkerPort::TakeBlock>("takeBlock"),
                         InstanceMethod<&WorkerPort::MakeBlock>("makeBlock"),
                         InstanceMethod<&WorkerPort::TlsSession>("tlsSession"),
                         InstanceMethod<&WorkerPort::Close>("close"),
                     });
}

WorkerPort::WorkerPort(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<WorkerPort>(info), context_(info.Env(), "HORNETWORKER") {
  Napi::Env env = info.Env();
  {
    std::lock_guard<std::mutex> lock(registry_mutex);
    auto found = registry.find(info[0].As<Napi::Number>().Uint32Value());
    if (found != registry.end()) server_ = found->second;
  }
  std::shared_ptr<WorkerSlot> slot =
      server_ == nullptr ? nullptr : server_->FindWorker(info[1].As<Napi::Number>().Uint32Value());
  if (slot == nullptr) {
    Napi::Error::New(env, "this worker is not known to the server").ThrowAsJavaScriptException();
    return;
  }
  pump_ = Napi::Persistent(info[2].As<Napi::Function>());
  handle_ = new Handle;
  handle_->port = this;
  handle_->slot = slot;
  handle_->async.data = handle_;
  CHECK(uv_async_init(LoopOf(env), &handle_->async, [](uv_async_t* async) {
          static_cast<Handle*>(async->data)->port->Pump();
        }) == 0);
  napi_add_async_cleanup_hook(
      env, [](napi_async_cleanup_hook_handle, void* data) { static_cast<Handle*>(data)->Close(); }, handle_,
      &handle_->hook);
  slot->waker.Attach(&handle_->async);
}

void WorkerPort::Handle::Close() {
  if (is_closing) return;
  is_closing = true;
  port->handle_ = nullptr;
  // Before the handle: from here on no I/O thread touches it.
  slot->waker.Detach();
  uv_close(reinterpret_cast<uv_handle_t*>(&async), [](uv_handle_t* closed) {
    auto* self = static_cast<Handle*>(closed->data);
    napi_remove_async_cleanup_hook(self->hook);
    delete self;
  });
}

void WorkerPort::Pump() {
  Napi::Env env = Env();
  Napi::HandleScope scope(env);
  // The pump reports what the application throws (ReportUncaught); should anything come out all the same, it is
  // reported, and the pump goes on with the rest.
  // Node-API itself and not its C++ wrapper, which aborts when JavaScript cannot run any more (process.exit()).
  for (;;) {
    napi_value result;
    napi_status status =
        napi_make_callback(env, context_, env.Global(), pump_.Value(), 0, nullptr, &result);
    if (status != napi_pending_exception) return;
    napi_value error;
    if (napi_get_and_clear_last_exception(env, &error) != napi_ok) return;
    if (napi_fatal_exception(env, error) != napi_ok || handle_ == nullptr) return;
  }
}

Napi::Value WorkerPort::Wake(const Napi::CallbackInfo& info) {
  server_->Wake(info[0].As<Napi::Number>().Uint32Value());
  return Napi::Value();
}

Napi::Value WorkerPort::WakeSelf(const Napi::CallbackInfo&) {
  if (handle_ != nullptr) uv_async_send(&handle_->async);
  return Napi::Value();
}

// From within the pump, and not by letting the exception out of it: what a tick throws leaves Node's stack of async
// contexts as it was at that moment, and Node ends a process whose callback returns with such a stack. Reporting it
// clears the stack.
Napi::Value WorkerPort::ReportUncaught(const Napi::CallbackInfo& info) {
  napi_fatal_exception(info.Env(), info[0]);
  return Napi::Value();
}

Napi::Value WorkerPort::Ref(const Napi::CallbackInfo&) {
  if (handle_ != nullptr) uv_ref(reinterpret_cast<uv_handle_t*>(&handle_->async));
  return Napi::Value();
}

Napi::Value WorkerPort::Unref(const Napi::CallbackInfo&) {
  if (handle_ != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(&handle_->async));
  return Napi::Value();
}

namespace {

// A string as UTF-8. Written at once into room for the longest it can be: to count its bytes first takes as long as to
// write them.
Block* TextBlock(napi_env env, napi_value text) {
  size_t units = 0;
  CHECK(napi_get_value_string_utf16(env, text, nullptr, 0, &units) == napi_ok);
  // Three bytes for each UTF-16 unit at most, and one for the NUL that is written behind it.
  Block* block = Block::Make(static_cast<uint32_t>(units * 3 + 1));
  size_t length = 0;
  CHECK(napi_get_value_string_utf8(env, text, block->data(), units * 3 + 1, &length) == napi_ok);
  block->length = static_cast<uint32_t>(length);
  return block;
}

}  // namespace

Napi::Value WorkerPort::TakeBlock(const Napi::CallbackInfo& info) {
  Block* block =
      Block::FromHalves(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Uint32Value());
  Napi::Buffer<char> copy = Napi::Buffer<char>::Copy(info.Env(), block->data(), block->length);
  block->Drop();
  return copy;  // NOLINT(cppcoreguidelines-slicing): a Buffer is a Value that has its address at hand
}

Napi::Value WorkerPort::MakeBlock(const Napi::CallbackInfo& info) {
  Napi::Uint32Array out = info[1].As<Napi::Uint32Array>();
  Block* block = info[0].IsString() ? TextBlock(info.Env(), info[0]) : nullptr;
  if (block == nullptr) {
    Napi::Uint8Array data = info[0].As<Napi::Uint8Array>();
    block = Block::Make(static_cast<uint32_t>(data.ByteLength()));
    block->length = static_cast<uint32_t>(data.ByteLength());
    std::memcpy(block->data(), data.Data(), data.ByteLength());
  }
  out[0] = block->low();
  out[1] = block->high();
  return Napi::Number::New(info.Env(), block->length);
}

Napi::Value WorkerPort::TlsSession(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const SlabId connection{info[1].As<Napi::Number>().Uint32Value(), info[2].As<Napi::Number>().Uint32Value()};
  auto session = server_->FindTlsSession(info[0].As<Napi::Number>().Uint32Value(), connection);
  if (session == nullptr) return env.Null();
  Napi::Object object = Napi::Object::New(env);
  object.Set("protocol", session->protocol);
  object.Set("cipher", session->cipher);
  object.Set("cipherStandardName", session->cipher_standard_name);
  object.Set("cipherVersion", session->cipher_version);
  object.Set("servername", session->servername);
  object.Set("alpnProtocol", session->alpn_protocol);
  object.Set("isResumed", session->is_resumed);
  object.Set("verifyError", session->verify_error);
  Napi::Array certificates = Napi::Array::New(env, session->certificates.size());
  for (uint32_t i = 0; i < session->certificates.size(); i++) {
    const std::string& der = session->certificates[i];
    certificates.Set(i, Napi::Buffer<char>::Copy(env, der.data(), der.size()));
  }
  object.Set("certificates", certificates);
  return object;
}

Napi::Value WorkerPort::Close(const Napi::CallbackInfo&) {
  if (handle_ != nullptr) handle_->Close();
  return Napi::Value();
}

}  // namespace hornet

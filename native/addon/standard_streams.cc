#include "addon/standard_streams.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/check.h"
#include "base/output_stream.h"

namespace hornet {

namespace {

// What descriptors 1 and 2 were before CaptureOutput(); -1 while they are that.
int saved_fds[3] = {-1, -1, -1};

Napi::Error ErrnoError(Napi::Env env, int error) {
  Napi::Error made = Napi::Error::New(env, uv_strerror(-error));
  made.Set("code", Napi::String::New(env, uv_err_name(-error)));
  return made;
}

// writeOutput(fd, bytes, offset, waitMs): bytes written, or a negative errno.
Napi::Value WriteOutput(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>().Int32Value();
  Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
  size_t offset = info[2].As<Napi::Number>().Uint32Value();
  CHECK((fd == 1 || fd == 2) && offset <= bytes.ByteLength());
  const char* data = reinterpret_cast<const char*>(bytes.Data()) + offset;
  long written =
      OutputStream::Of(fd)->Write(data, bytes.ByteLength() - offset, info[3].As<Napi::Number>().Int32Value());
  return Napi::Number::New(info.Env(), static_cast<double>(written));
}

// terminalSize(fd): [columns, rows], or null when it is no terminal.
Napi::Value TerminalSize(const Napi::CallbackInfo& info) {
  struct winsize size;
  if (ioctl(info[0].As<Napi::Number>().Int32Value(), TIOCGWINSZ, &size) != 0) return info.Env().Null();
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, Napi::Number::New(info.Env(), size.ws_col));
  pair.Set(1u, Napi::Number::New(info.Env(), size.ws_row));
  return pair;
}

int MakePipe(int ends[2]) {
  if (pipe(ends) != 0) return -1;
  for (int i = 0; i < 2; i++) fcntl(ends[i], F_SETFD, FD_CLOEXEC);
  return 0;
}

// Puts pipes in the place of descriptors 1 and 2. Returns their ends to read from, and what 2 was.
Napi::Value CaptureOutput(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  CHECK(saved_fds[1] == -1 && saved_fds[2] == -1);
  int read_fds[3];
  for (int fd = 1; fd <= 2; fd++) {
    int ends[2];
    int saved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (saved < 0 || MakePipe(ends) != 0 || dup2(ends[1], fd) < 0) {
      ErrnoError(env, errno).ThrowAsJavaScriptException();
      return env.Undefined();
    }
    close(ends[1]);
    saved_fds[fd] = saved;
    read_fds[fd] = ends[0];
  }
  OutputStream::Of(1)->Reset();
  OutputStream::Of(2)->Reset();
  Napi::Object object = Napi::Object::New(env);
  object.Set("stdout", read_fds[1]);
  object.Set("stderr", read_fds[2]);
  object.Set("savedStderr", saved_fds[2]);
  return object;
}

// Descriptors 1 and 2 are again what they were; whoever reads the pipes comes to their end.
Napi::Value ReleaseOutput(const Napi::CallbackInfo& info) {
  for (int fd = 1; fd <= 2; fd++) {
    if (saved_fds[fd] < 0) continue;
    dup2(saved_fds[fd], fd);
    close(saved_fds[fd]);
    saved_fds[fd] = -1;
    OutputStream::Of(fd)->Reset();
  }
  return info.Env().Undefined();
}

// exitWithin(status, ms): Node waits for every thread before a process ends, and one may be stuck in a system call.
Napi::Value ExitWithin(const Napi::CallbackInfo& info) {
  int status = info[0].As<Napi::Number>().Int32Value();
  std::chrono::milliseconds wait(info[1].As<Napi::Number>().Uint32Value());
  std::thread([status, wait] {
    std::this_thread::sleep_for(wait);
    _exit(status);
  }).detach();
  return info.Env().Undefined();
}

}  // namespace

void DefineStandardStreams(Napi::Env env, Napi::Object exports) {
  exports.Set("writeOutput", Napi::Function::New<WriteOutput>(env, "writeOutput"));
  exports.Set("terminalSize", Napi::Function::New<TerminalSize>(env, "terminalSize"));
  exports.Set("captureOutput", Napi::Function::New<CaptureOutput>(env, "captureOutput"));
  exports.Set("releaseOutput", Napi::Function::New<ReleaseOutput>(env, "releaseOutput"));
  exports.Set("exitWithin", Napi::Function::New<ExitWithin>(env, "exitWithin"));
}

}  // namespace hornet

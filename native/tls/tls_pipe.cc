#include "tls/tls_pipe.h"

#include <algorithm>
#include <cstring>

namespace hornet {

namespace {

// There is one: it calls this.
const OpenSsl& OwnOpenSsl() {
  std::string missing;
  return *FindOpenSsl(&missing);
}

int Read(BIO* bio, char* out, int room) {
  const OpenSsl& openssl = OwnOpenSsl();
  auto* pipe = static_cast<TlsPipe*>(openssl.BIO_get_data(bio));
  openssl.BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
  if (pipe->incoming_length == 0) {
    // What is missing may come yet.
    openssl.BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
    return -1;
  }
  const size_t count = std::min(pipe->incoming_length, static_cast<size_t>(room));
  std::memcpy(out, pipe->incoming, count);
  pipe->incoming += count;
  pipe->incoming_length -= count;
  return static_cast<int>(count);
}

int Write(BIO* bio, const char* data, int length) {
  std::vector<char>* outgoing = static_cast<TlsPipe*>(OwnOpenSsl().BIO_get_data(bio))->outgoing;
  outgoing->insert(outgoing->end(), data, data + length);
  return length;
}

long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

}  // namespace

BIO_METHOD* MakeTlsPipe(const OpenSsl& openssl) {
  BIO_METHOD* method = openssl.BIO_meth_new(BIO_TYPE_SOURCE_SINK | 127, "hornet");
  if (method == nullptr) return nullptr;
  openssl.BIO_meth_set_read(method, Read);
  openssl.BIO_meth_set_write(method, Write);
  openssl.BIO_meth_set_ctrl(method, Control);
  return method;
}

}  // namespace hornet

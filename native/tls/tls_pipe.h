// The two ends of a TLS stream as OpenSSL sees them: bytes that have come, and bytes that are to go. Nothing here knows
// of sockets.
#ifndef HORNET_TLS_TLS_PIPE_H_
#define HORNET_TLS_TLS_PIPE_H_

#include <cstddef>
#include <vector>

#include "tls/openssl.h"

namespace hornet {

// Owner: TlsStream. Life: a call of it; between calls it is empty.
struct TlsPipe {
  const char* incoming = nullptr;
  size_t incoming_length = 0;  // bytes
  std::vector<char>* outgoing = nullptr;
};

// A BIO of this kind has a TlsPipe for its data. Null: there is no memory.
BIO_METHOD* MakeTlsPipe(const OpenSsl& openssl);

}  // namespace hornet

#endif  // HORNET_TLS_TLS_PIPE_H_

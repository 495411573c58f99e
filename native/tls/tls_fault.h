// Why a handshake came to nothing.
#ifndef HORNET_TLS_TLS_FAULT_H_
#define HORNET_TLS_TLS_FAULT_H_

#include <cstdint>

namespace hornet {

enum class TlsFault : uint8_t {
  kProtocol,     // no version, cipher, or application protocol in common
  kCertificate,  // the client's does not do, or it did not like ours
  kPlainHttp,    // a request, without TLS
  kMalformed,    // no handshake at all, or not as it should be
};
constexpr uint32_t kTlsFaults = static_cast<uint32_t>(TlsFault::kMalformed) + 1;
constexpr const char* kTlsFaultNames[kTlsFaults] = {"protocol", "certificate", "plain_http", "malformed"};

}  // namespace hornet

#endif  // HORNET_TLS_TLS_FAULT_H_

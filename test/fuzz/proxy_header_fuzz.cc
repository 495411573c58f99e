// However a header is cut, what was said of its beginning holds for all of it.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "http/proxy_header.h"

using namespace hornet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const ProxyVersions versions : {ProxyVersions::kV1, ProxyVersions::kV2, ProxyVersions::kEither}) {
    ProxyHeader whole;
    const ProxyStatus status = ParseProxyHeader(reinterpret_cast<const char*>(data), size, versions, &whole);
    if (status == ProxyStatus::kDone && (whole.length == 0 || whole.length > size)) abort();
    if (status == ProxyStatus::kMore && size >= kProxyHeaderBytesMax) abort();
    for (size_t length = 0; length < size && length < 256; length++) {
      const std::unique_ptr<char[]> part(new char[length]);
      memcpy(part.get(), data, length);
      ProxyHeader header;
      const ProxyStatus early = ParseProxyHeader(part.get(), length, versions, &header);
      if (early == ProxyStatus::kMore) continue;
      if (early != status) abort();
      if (early == ProxyStatus::kDone && header.length != whole.length) abort();
    }
  }
  return 0;
}

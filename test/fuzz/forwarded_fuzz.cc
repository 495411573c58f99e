// Whatever a client puts into these fields, what a trusted proxy adds at the end decides.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "http/forwarded.h"

using namespace hornet;

namespace {

ForwardedClient Read(const std::string& text, bool* is_head) {
  static RequestHead head;
  static const IpSet trusted = [] {
    IpSet set;
    set.Add("10.0.0.0/8");
    return set;
  }();
  *is_head = ParseHead(text.data(), text.size(), HeadLimits(), &head) == ParseStatus::kDone;
  return *is_head ? ReadForwarded(head, text.data(), trusted) : ForwardedClient();
}

bool IsProxysWord(const ForwardedClient& client) {
  IpAddress wanted;
  IpAddress::Parse("192.0.2.7", 9, &wanted);
  return client.is_known && memcmp(client.address.bytes, wanted.bytes, 16) == 0 &&
         client.scheme == ForwardedScheme::kHttps;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string value(reinterpret_cast<const char*>(data), size);
  const std::string start = "GET / HTTP/1.1\r\nHost: x\r\n";
  bool is_head;
  Read(start + "X-Forwarded-For: " + value + "\r\nX-Forwarded-Proto: " + value + "\r\n\r\n", &is_head);
  // With a line end it would not be one value: its fields would be the client's own, or none.
  if (value.find('\n') != std::string::npos) return 0;
  // A proxy that adds a field of its own behind the client's.
  ForwardedClient client = Read(start + "X-Forwarded-For: " + value +
                                    "\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n",
                                &is_head);
  if (is_head && !IsProxysWord(client)) abort();
  client = Read(start + "Forwarded: " + value + "\r\nForwarded: for=192.0.2.7;proto=https\r\n\r\n", &is_head);
  if (is_head && !IsProxysWord(client)) abort();
  return 0;
}

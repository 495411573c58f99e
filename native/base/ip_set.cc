#include "base/ip_set.h"

#include <arpa/inet.h>

#include <cstring>

namespace hornet {

namespace {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

bool IpAddress::Parse(const char* text, size_t length, IpAddress* out) {
  char copy[kIpTextBytesMax + 1];
  if (length == 0 || length > kIpTextBytesMax || std::memchr(text, '\0', length) != nullptr) return false;
  std::memcpy(copy, text, length);
  copy[length] = '\0';
  if (inet_pton(AF_INET, copy, out->bytes + 12) == 1) {
    std::memcpy(out->bytes, kMappedPrefix, sizeof(kMappedPrefix));
    return true;
  }
  return inet_pton(AF_INET6, copy, out->bytes) == 1;
}

IpAddress IpAddress::FromV4(const void* address) {
  IpAddress made;
  std::memcpy(made.bytes, kMappedPrefix, sizeof(kMappedPrefix));
  std::memcpy(made.bytes + sizeof(kMappedPrefix), address, 4);
  return made;
}

bool IpAddress::is_v4() const { return std::memcmp(bytes, kMappedPrefix, sizeof(kMappedPrefix)) == 0; }

size_t IpAddress::Write(char* out) const {
  char text[INET6_ADDRSTRLEN];
  if (is_v4()) {
    inet_ntop(AF_INET, bytes + 12, text, sizeof(text));
  } else {
    inet_ntop(AF_INET6, bytes, text, sizeof(text));
  }
  size_t length = std::strlen(text);
  std::memcpy(out, text, length);
  return length;
}

bool IpSet::Add(const std::string& text) {
  if (text == "*") {
    holds_all_ = true;
    return true;
  }
  Block block;
  size_t slash = text.find('/');
  size_t length = slash == std::string::npos ? text.size() : slash;
  if (!IpAddress::Parse(text.data(), length, &block.address)) return false;
  // Written as IPv4, not mapped: its prefix counts from there.
  bool is_dotted = std::memchr(text.data(), ':', length) == nullptr;
  uint32_t bits_max = is_dotted ? 32 : 128;
  uint32_t bits = bits_max;
  if (slash != std::string::npos) {
    if (slash + 1 == text.size() || text.size() - slash > 4) return false;
    bits = 0;
    for (size_t i = slash + 1; i < text.size(); i++) {
      if (text[i] < '0' || text[i] > '9') return false;
      bits = bits * 10 + static_cast<uint32_t>(text[i] - '0');
    }
    if (bits > bits_max) return false;
  }
  block.prefix_bits = bits + (128 - bits_max);
  blocks_.push_back(block);
  return true;
}

bool IpSet::Contains(const IpAddress& address) const {
  if (holds_all_) return true;
  for (const Block& block : blocks_) {
    uint32_t whole = block.prefix_bits / 8;
    uint32_t rest = block.prefix_bits % 8;
    if (std::memcmp(address.bytes, block.address.bytes, whole) != 0) continue;
    if (rest == 0) return true;
    uint8_t mask = static_cast<uint8_t>(0xff << (8 - rest));
    if (((address.bytes[whole] ^ block.address.bytes[whole]) & mask) == 0) return true;
  }
  return false;
}

}  // namespace hornet

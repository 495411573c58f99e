#include "http/proxy_header.h"

#include <cstring>

namespace hornet {

namespace {

constexpr char kV1Start[] = "PROXY ";
constexpr size_t kV1StartLength = sizeof(kV1Start) - 1;
constexpr size_t kV1BytesMax = 107;  // section 2.1: the longest line, its CRLF included
constexpr unsigned char kV2Signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr size_t kV2FixedBytes = 16;
constexpr size_t kV2Inet4Bytes = 4 + 4 + 2 + 2;
constexpr size_t kV2Inet6Bytes = 16 + 16 + 2 + 2;
constexpr size_t kV2UnixBytes = 108 + 108;

// The next field of a line, up to a blank or the end. False when it is empty.
bool TakeField(const char** from, const char* end, const char** field, size_t* length) {
  *field = *from;
  while (*from != end && **from != ' ') ++*from;
  *length = static_cast<size_t>(*from - *field);
  return *length > 0;
}

bool TakeBlank(const char** from, const char* end) {
  if (*from == end || **from != ' ') return false;
  ++*from;
  return true;
}

bool TakeAddress(const char** from, const char* end, bool is_v4, IpAddress* out) {
  const char* field;
  size_t length;
  if (!TakeField(from, end, &field, &length) || !IpAddress::Parse(field, length, out)) return false;
  return (std::memchr(field, ':', length) == nullptr) == is_v4;
}

bool TakePort(const char** from, const char* end, uint16_t* out) {
  const char* field;
  size_t length;
  if (!TakeField(from, end, &field, &length) || length > 5) return false;
  // No leading zeros (section 2.1).
  if (length > 1 && *field == '0') return false;
  uint32_t value = 0;
  for (size_t i = 0; i < length; i++) {
    if (field[i] < '0' || field[i] > '9') return false;
    value = value * 10 + static_cast<uint32_t>(field[i] - '0');
  }
  if (value > 65535) return false;
  *out = static_cast<uint16_t>(value);
  return true;
}

ProxyStatus ParseV1(const char* data, size_t length, ProxyHeader* header) {
  const size_t seen = length < kV1BytesMax ? length : kV1BytesMax;
  const void* found = std::memchr(data, '\n', seen);
  if (found == nullptr) return length >= kV1BytesMax ? ProxyStatus::kBad : ProxyStatus::kMore;
  const char* line_end = static_cast<const char*>(found);
  header->length = static_cast<size_t>(line_end - data) + 1;
  if (line_end[-1] != '\r') return ProxyStatus::kBad;
  const char* end = line_end - 1;
  const char* at = data + kV1StartLength;
  const char* field;
  size_t field_length;
  if (!TakeField(&at, end, &field, &field_length)) return ProxyStatus::kBad;
  if (field_length == 7 && std::memcmp(field, "UNKNOWN", 7) == 0) {
    // Whatever follows is to be ignored.
    header->has_addresses = false;
    return ProxyStatus::kDone;
  }
  if (field_length != 4 || std::memcmp(field, "TCP", 3) != 0 || (field[3] != '4' && field[3] != '6')) {
    return ProxyStatus::kBad;
  }
  const bool is_v4 = field[3] == '4';
  const bool is_right = TakeBlank(&at, end) && TakeAddress(&at, end, is_v4, &header->source) && TakeBlank(&at, end) &&
                        TakeAddress(&at, end, is_v4, &header->destination) && TakeBlank(&at, end) &&
                        TakePort(&at, end, &header->source_port) && TakeBlank(&at, end) &&
                        TakePort(&at, end, &header->destination_port) && at == end;
  header->has_addresses = true;
  return is_right ? ProxyStatus::kDone : ProxyStatus::kBad;
}

uint16_t ReadBigEndian(const char* at) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(at);
  return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

void ReadInet4(const char* at, IpAddress* out) {
  *out = IpAddress();
  out->bytes[10] = out->bytes[11] = 0xff;
  std::memcpy(out->bytes + 12, at, 4);
}

ProxyStatus ParseV2(const char* data, size_t length, ProxyHeader* header) {
  if (length < kV2FixedBytes) return ProxyStatus::kMore;
  const auto version = static_cast<unsigned char>(data[12]) >> 4;
  const auto command = data[12] & 15;
  const auto family = static_cast<unsigned char>(data[13]) >> 4;
  const auto transport = data[13] & 15;
  const size_t rest = ReadBigEndian(data + 14);
  if (version != 2 || command > 1 || family > 3 || transport > 2) return ProxyStatus::kBad;
  if (kV2FixedBytes + rest > kProxyHeaderBytesMax) return ProxyStatus::kBad;
  const bool is_local = command == 0 || family == 0 || transport == 0;
  // We have accepted a stream: a datagram did not come this way.
  if (!is_local && transport != 1) return ProxyStatus::kBad;
  const size_t need = is_local ? 0 : family == 1 ? kV2Inet4Bytes : family == 2 ? kV2Inet6Bytes : kV2UnixBytes;
  if (rest < need) return ProxyStatus::kBad;
  if (length < kV2FixedBytes + rest) return ProxyStatus::kMore;
  header->length = kV2FixedBytes + rest;
  header->has_addresses = !is_local && family != 3;
  if (!header->has_addresses) return ProxyStatus::kDone;
  const char* at = data + kV2FixedBytes;
  if (family == 1) {
    ReadInet4(at, &header->source);
    ReadInet4(at + 4, &header->destination);
    at += 8;
  } else {
    std::memcpy(header->source.bytes, at, 16);
    std::memcpy(header->destination.bytes, at + 16, 16);
    at += 32;
  }
  header->source_port = ReadBigEndian(at);
  header->destination_port = ReadBigEndian(at + 2);
  return ProxyStatus::kDone;
}

bool Begins(const char* data, size_t length, const void* wanted, size_t wanted_length) {
  return std::memcmp(data, wanted, length < wanted_length ? length : wanted_length) == 0;
}

}  // namespace

ProxyStatus ParseProxyHeader(const char* data, size_t length, ProxyVersions versions, ProxyHeader* header) {
  *header = ProxyHeader();
  if (length == 0) return ProxyStatus::kMore;
  if (versions != ProxyVersions::kV2 && Begins(data, length, kV1Start, kV1StartLength)) {
    return length < kV1StartLength ? ProxyStatus::kMore : ParseV1(data, length, header);
  }
  if (versions != ProxyVersions::kV1 && Begins(data, length, kV2Signature, sizeof(kV2Signature))) {
    return ParseV2(data, length, header);
  }
  return ProxyStatus::kBad;
}

}  // namespace hornet

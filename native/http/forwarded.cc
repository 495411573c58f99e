#include "http/forwarded.h"

#include <cstring>

#include "base/bytes.h"

namespace hornet {

namespace {

struct Text {
  const char* data = nullptr;
  size_t length = 0;
};

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

Text Trim(Text text) {
  while (text.length > 0 && IsSpace(*text.data)) {
    text.data++;
    text.length--;
  }
  while (text.length > 0 && IsSpace(text.data[text.length - 1])) text.length--;
  return text;
}

bool Is(Text text, const char* lower) {
  size_t length = std::strlen(lower);
  if (text.length != length) return false;
  for (size_t i = 0; i < length; i++) {
    if ((text.data[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

// The elements of a list that may come in several fields, from the last to the first.
class ElementsFromRight {
 public:
  ElementsFromRight(const RequestHead& head, const char* head_bytes, FieldName id)
      : head_(head), head_bytes_(head_bytes), id_(id), field_(head.field_count) {}

  bool Next(Text* element) {
    while (rest_.data == nullptr) {
      if (field_ == 0) return false;
      const HeadField& field = head_.fields[--field_];
      if (field.id == id_) rest_ = {head_bytes_ + field.value_offset, field.value_length};
    }
    // A comma within quotes separates nothing; a quote that is not closed makes its whole field one element.
    size_t comma = rest_.length;
    bool is_quoted = false;
    for (size_t i = 0; i < rest_.length; i++) {
      char c = rest_.data[i];
      if (is_quoted && c == '\\') {
        i++;
      } else if (c == '"') {
        is_quoted = !is_quoted;
      } else if (c == ',' && !is_quoted) {
        comma = i;
      }
    }
    if (is_quoted) comma = rest_.length;
    if (comma == rest_.length) {
      *element = Trim(rest_);
      rest_ = {};
    } else {
      *element = Trim({rest_.data + comma + 1, rest_.length - comma - 1});
      rest_.length = comma;
    }
    return true;
  }

 private:
  const RequestHead& head_;
  const char* head_bytes_;
  FieldName id_;
  uint32_t field_;
  Text rest_;
};

bool ReadPort(Text text, uint16_t* port) {
  if (text.length == 0 || text.length > 5) return false;
  uint32_t value = 0;
  for (size_t i = 0; i < text.length; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return false;
    value = value * 10 + static_cast<uint32_t>(text.data[i] - '0');
  }
  if (value > 65535) return false;
  *port = static_cast<uint16_t>(value);
  return true;
}

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]" or "[2001:db8::1]:80".
bool ReadNode(Text text, IpAddress* address, uint16_t* port) {
  *port = 0;
  if (text.length > 0 && text.data[0] == '[') {
    const void* found = std::memchr(text.data, ']', text.length);
    if (found == nullptr) return false;
    size_t inside = static_cast<size_t>(static_cast<const char*>(found) - text.data) - 1;
    if (std::memchr(text.data + 1, ':', inside) == nullptr) return false;
    if (!IpAddress::Parse(text.data + 1, inside, address)) return false;
    Text rest = {text.data + inside + 2, text.length - inside - 2};
    if (rest.length == 0) return true;
    return rest.data[0] == ':' && ReadPort({rest.data + 1, rest.length - 1}, port);
  }
  if (IpAddress::Parse(text.data, text.length, address)) return true;
  const void* colon = std::memchr(text.data, ':', text.length);
  if (colon == nullptr) return false;
  size_t host = static_cast<size_t>(static_cast<const char*>(colon) - text.data);
  return IpAddress::Parse(text.data, host, address) && ReadPort({text.data + host + 1, text.length - host - 1}, port);
}

ForwardedScheme ReadScheme(Text text) {
  return Is(text, "https") ? ForwardedScheme::kHttps
         : Is(text, "http") ? ForwardedScheme::kHttp
                            : ForwardedScheme::kUnsaid;
}

// Longest node that can be read: an address in brackets with a port.
constexpr size_t kNodeBytesMax = kIpTextBytesMax + 2 + 6;

// One element of Forwarded.
struct ForwardedElement {
  bool has_node = false;
  size_t node_length = 0;
  char node[kNodeBytesMax];
  ForwardedScheme scheme = ForwardedScheme::kUnsaid;
};

// Takes a token or a quoted string; what is longer than `value` is cut. False when there is neither.
bool TakeValue(const char** from, const char* end, char (&value)[kNodeBytesMax], size_t* length) {
  const char* at = *from;
  size_t count = 0;
  auto put = [&](char c) {
    if (count < sizeof(value)) value[count] = c;
    count++;
  };
  if (at != end && *at == '"') {
    for (at++; at != end && *at != '"'; at++) {
      if (*at == '\\' && ++at == end) return false;
      put(*at);
    }
    if (at == end) return false;
    at++;
  } else {
    for (; at != end && IsByte(kTokenByte, *at); at++) put(*at);
    if (count == 0) return false;
  }
  // Too long to mean anything to us: as if it were empty.
  *length = count <= sizeof(value) ? count : 0;
  *from = at;
  return true;
}

// Pairs of a token, "=" and a value, separated by semicolons; no name comes twice (RFC 7239 section 4).
bool ReadElement(Text text, ForwardedElement* element) {
  const char* at = text.data;
  const char* end = text.data + text.length;
  bool has_scheme = false;
  while (at != end) {
    Text name = {at, 0};
    while (at != end && IsByte(kTokenByte, *at)) at++;
    name.length = static_cast<size_t>(at - name.data);
    if (name.length == 0 || at == end || *at++ != '=') return false;
    char value[kNodeBytesMax];
    size_t length;
    if (!TakeValue(&at, end, value, &length)) return false;
    if (Is(name, "for")) {
      if (element->has_node) return false;
      element->has_node = true;
      element->node_length = length;
      std::memcpy(element->node, value, length);
    } else if (Is(name, "proto")) {
      if (has_scheme) return false;
      has_scheme = true;
      element->scheme = ReadScheme({value, length});
    }
    while (at != end && IsSpace(*at)) at++;
    if (at == end) return true;
    if (*at++ != ';') return false;
    while (at != end && IsSpace(*at)) at++;
  }
  return true;
}

bool HasField(const RequestHead& head, FieldName id) {
  for (uint32_t i = 0; i < head.field_count; i++) {
    if (head.fields[i].id == id) return true;
  }
  return false;
}

ForwardedClient ReadXForwarded(const RequestHead& head, const char* head_bytes, const IpSet& trusted) {
  ForwardedClient client;
  Text text;
  size_t hops = 0;  // from the right, up to the client's
  ElementsFromRight nodes(head, head_bytes, FieldName::kXForwardedFor);
  while (nodes.Next(&text)) {
    IpAddress address;
    uint16_t port;
    if (!ReadNode(text, &address, &port)) break;
    client.is_known = true;
    client.address = address;
    client.port = port;
    hops++;
    if (!trusted.Contains(address)) break;
  }
  // Its place in the list is the client's, or the leftmost when proxies set one value and do not add to it.
  ElementsFromRight schemes(head, head_bytes, FieldName::kXForwardedProto);
  for (size_t i = 0; (i == 0 || i < hops) && schemes.Next(&text); i++) client.scheme = ReadScheme(text);
  return client;
}

}  // namespace

ForwardedClient ReadForwarded(const RequestHead& head, const char* head_bytes, const IpSet& trusted) {
  if (HasField(head, FieldName::kXForwardedFor) || HasField(head, FieldName::kXForwardedProto)) {
    return ReadXForwarded(head, head_bytes, trusted);
  }
  ForwardedClient client;
  Text text;
  ElementsFromRight elements(head, head_bytes, FieldName::kForwarded);
  while (elements.Next(&text)) {
    ForwardedElement element;
    if (!ReadElement(text, &element)) break;
    client.scheme = element.scheme;
    IpAddress address;
    uint16_t port;
    // "unknown" and names made up to hide it end the list too.
    if (!element.has_node || !ReadNode({element.node, element.node_length}, &address, &port)) break;
    client.is_known = true;
    client.address = address;
    client.port = port;
    if (!trusted.Contains(address)) break;
  }
  return client;
}

}  // namespace hornet

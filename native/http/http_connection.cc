#include "http/http_connection.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "http/forwarded.h"
#include "http/response_framing.h"
#include "net/untaken_bytes.h"
#include "ring/records.h"

namespace hornet {

namespace {

// One read; the shared buffer has room for it behind the longest input that is kept.
constexpr size_t kReadBytes = 64 * 1024;
// Bodies from this size on are lent to the socket and not copied into a chunk.
constexpr uint32_t kBorrowBytesMin = 8 * 1024;
// A body is read so many times in a turn, which fills the worker's window: the fewer turns it takes, the less often the
// worker is woken for it.
constexpr int kBodyReadsMax = 4;
// While connections hold more than kInputBytesMax of input, each reads so little at once.
constexpr size_t kSmallReadBytes = 4096;
// A partial head is parsed again when a line feed has come, or so many bytes without one.
constexpr size_t kReparseBytes = 512;
// A body that came whole with its head goes to the worker with it, up to this size.
constexpr uint32_t kWholeBodyBytesMax = 64 * 1024;
// First allocation for a buffered body; it grows with what really arrives, not with what was announced.
constexpr uint32_t kBodyFirstBytes = 4096;

// Bytes of a message's head at the start of `data`, its empty line included; all of it when it does not end there.
size_t HeadBytes(const char* data, size_t length) {
  static constexpr char kEnd[] = "\r\n\r\n";
  const void* end = memmem(data, length, kEnd, 4);
  return end == nullptr ? length : static_cast<size_t>(static_cast<const char*>(end) - data) + 4;
}

}  // namespace

char* HttpHost::BodyBuffer() {
  if (body_block == nullptr) body_block = Block::Make(kReadBytes);
  return body_block->data();
}

Block* HttpHost::TakeBodyBlock(const char* data, uint32_t length) {
  if (body_block == nullptr || data != body_block->data() || length != body_block_length || length < kReadBytes / 2) {
    return nullptr;
  }
  Block* taken = body_block;
  body_block = nullptr;
  taken->length = length;
  return taken;
}

uint32_t HttpHost::MeasureText(const RequestHead& head, uint32_t address_length) {
  uint32_t length = head.target_length + 1 + address_length;
  for (uint32_t i = 0; i < head.field_count; i++) {
    length += head.fields[i].name_length + head.fields[i].value_length + 2;
  }
  return length;
}

void HttpHost::WriteText(const RequestHead& head, const char* head_bytes, const char* address,
                         uint32_t address_length, char* out) {
  std::memcpy(out, head_bytes + head.target_offset, head.target_length);
  out += head.target_length;
  *out++ = '\0';
  for (uint32_t i = 0; i < head.field_count; i++) {
    const HeadField& field = head.fields[i];
    std::memcpy(out, head_bytes + field.name_offset, field.name_length);
    out += field.name_length;
    *out++ = '\0';
    std::memcpy(out, head_bytes + field.value_offset, field.value_length);
    out += field.value_length;
    *out++ = '\0';
  }
  std::memcpy(out, address, address_length);
}

void HttpConnection::Start(const SocketAddress* peer, const SocketAddress* local) {
  timer.owner = static_cast<SecureConnection*>(this);
  IpAddress peer_ip;
  bool has_ip = false;
  if (peer != nullptr) {
    size_t length = peer->WriteEndpoint(address_text_);
    address_text_[length++] = ' ';
    length += local->WriteEndpoint(address_text_ + length);
    address_length_ = static_cast<uint8_t>(length);
    has_ip = peer->ToIp(&peer_ip);
  }
  SetPeer(has_ip ? &peer_ip : nullptr);
  const EdgeOptions& edge = host_->edge;
  if (edge.proxy_versions != ProxyVersions::kNone) {
    needs_proxy_header_ = true;
    if (has_ip && !edge.proxy_from.Contains(peer_ip)) {
      host_->stats.proxy_forbidden++;
      CloseNow();
      return;
    }
  } else if (has_ip && !EnterClient(peer_ip)) {
    return;
  }
  if (host_->tls != nullptr && !needs_proxy_header_) Secure(host_->tls.get());
  BeginInput();
}

void HttpConnection::StartStream(StreamWire* wire, const ConnectionOrigin& origin) {
  timer.owner = static_cast<SecureConnection*>(this);
  OpenStream(&host_->loop, wire);
  std::memcpy(address_text_, origin.address_text, origin.address_length);
  address_length_ = origin.address_length;
  peer_length_ = origin.peer_length;
  is_peer_trusted_ = origin.is_peer_trusted;
  host_->tls_sessions.Put(id, origin.session);
  BeginInput();
}

void HttpConnection::BeginInput() {
  if (options_->offers_connections) {
    BeginTunnel(kTunnelOffer, 0);
  } else {
    WatchReadable(true);
  }
  if (state_ == State::kOpen) UpdateDeadline();
}

ConnectionOrigin HttpConnection::TakeOrigin() {
  ConnectionOrigin origin;
  std::memcpy(origin.address_text, address_text_, address_length_);
  origin.address_length = address_length_;
  origin.peer_length = peer_length_;
  origin.is_peer_trusted = is_peer_trusted_;
  origin.is_client_counted = is_client_counted_;
  origin.session = host_->tls_sessions.Find(id);
  host_->tls_sessions.Drop(id);
  is_client_counted_ = false;
  CloseNow();
  return origin;
}

void HttpHost::LeaveClient(const char* address_text, uint8_t peer_length) {
  IpAddress client;
  CHECK(IpAddress::Parse(address_text, peer_length, &client));
  client_connections->Leave(client);
}

void HttpHost::CountPhase(ConnectionPhase before, ConnectionPhase now) {
  if (before != ConnectionPhase::kNone) stats.connections[static_cast<uint32_t>(before)]--;
  if (now != ConnectionPhase::kNone) stats.connections[static_cast<uint32_t>(now)]++;
}

void HttpHost::CountRejected(int status) {
  for (uint32_t i = 0; i < kRejectedCount; i++) {
    if (kRejectedStatuses[i] == status) stats.rejected[i]++;
  }
}

// `peer` is null when the peer has no address: it came over a unix socket.
void HttpConnection::SetPeer(const IpAddress* peer) {
  const void* blank = std::memchr(address_text_, ' ', address_length_);
  peer_length_ = blank == nullptr ? 0 : static_cast<uint8_t>(static_cast<const char*>(blank) - address_text_);
  const IpSet& trusted = host_->edge.forwarded_from;
  is_peer_trusted_ = !trusted.empty() && (peer == nullptr || trusted.Contains(*peer));
}

bool HttpConnection::EnterClient(const IpAddress& peer) {
  // A proxy speaks for all of its clients.
  if (host_->client_connections == nullptr || is_peer_trusted_) return true;
  if (host_->client_connections->Enter(peer)) {
    is_client_counted_ = true;
    return true;
  }
  // Without a word: an answer would have to wait for a request, and that is what it is not to keep waiting for.
  host_->stats.closed_per_client++;
  CloseNow();
  return false;
}

bool HttpConnection::IsOverRate() {
  HttpHost* host = host_;
  if (host->client_rate == nullptr) return false;
  // What a trusted proxy sends without naming a client is its own: health checks, most likely.
  if (is_peer_trusted_ && host->request_peer == address_text_) return false;
  IpAddress client;
  // Over a unix socket there is no address.
  if (!IpAddress::Parse(host->request_peer, host->request_peer_length, &client)) return false;
  return !host->client_rate->Take(client, host->now_us);
}

void HttpConnection::ChooseAddress(const char* head_bytes) {
  HttpHost* host = host_;
  host->request_address = address_text_;
  host->request_address_length = address_length_;
  host->request_peer = address_text_;
  host->request_peer_length = peer_length_;
  host->request_address_flags = OwnFlags();
  const bool is_shown = host->edge.shows_forwarded;
  const bool is_wanted = is_shown || host->access != nullptr || host->sticky.kind == StickyRule::Kind::kIp ||
                         host->client_rate != nullptr;
  if (!is_peer_trusted_ || !is_wanted) return;
  // Also without such a field: the next request of the connection may have one, and be another client's.
  ForwardedClient client = ReadForwarded(host->head, head_bytes, host->edge.forwarded_from);
  if (is_shown) {
    const bool is_encrypted = client.scheme == ForwardedScheme::kUnsaid ? OwnFlags() != 0
                                                                        : client.scheme == ForwardedScheme::kHttps;
    host->request_address_flags = kRequestForwarded | (is_encrypted ? kRequestEncrypted : 0u);
  }
  if (!client.is_known) return;
  char* text = host->forwarded_text;
  size_t length = client.address.Write(text);
  host->request_peer = text;
  host->request_peer_length = static_cast<uint32_t>(length);
  if (is_shown) {
    size_t room = sizeof(host->forwarded_text) - length;
    length += static_cast<size_t>(std::snprintf(text + length, room, " %u", client.port));
    // The local half stays as it is.
    const void* local = peer_length_ == 0 ? nullptr
                                          : std::memchr(address_text_ + peer_length_ + 1, ' ',
                                                        address_length_ - peer_length_ - 1u);
    if (local != nullptr) {
      const char* from = static_cast<const char*>(local);
      size_t rest = static_cast<size_t>(address_text_ + address_length_ - from);
      std::memcpy(text + length, from, rest);
      length += rest;
    }
    host->request_address = text;
    host->request_address_length = static_cast<uint32_t>(length);
  }
}

// ---- input ----------------------------------------------------------------------------------------------------------

void HttpConnection::HandleReadable() {
  host_->BeginEvent();
  for (int reads = 1; ReadOnce() && reads < kBodyReadsMax; reads++) continue;
}

// True: there is more of a body, most likely, and it is wanted.
bool HttpConnection::ReadOnce() {
  size_t kept = ignores_input_ ? 0 : input_length_;
  // What a TLS record holds comes all at once, and has taken its memory by then.
  const size_t wanted = host_->input_bytes < kInputBytesMax || is_secure() ? kReadBytes : kSmallReadBytes;
  const bool is_streaming = is_receiving_body_ && body_exchange_ != nullptr && body_exchange_->is_streaming;
  char* buffer = is_streaming && kept == 0 && wanted == kReadBytes ? host_->BodyBuffer() : host_->read_buffer;
  if (kept > 0) std::memcpy(buffer, input_, kept);
  size_t count = 0;
  const IoStatus status = Receive(buffer + kept, wanted, &count);
  if (TakeEstablished() && NoteSession()) {
    if (status == IoStatus::kOk || status == IoStatus::kAgain) {
      host_->BeginHttp2(this, buffer + kept, count);
      return false;
    }
  }
  if (!HandleStatus(status)) return false;
  host_->body_block_length = static_cast<uint32_t>(count);
  host_->stats.bytes_read += count;
  bytes_read_ += count;
  if (ignores_input_) {
    needs_linger_ = true;
    if (count <= discard_left_) {
      discard_left_ -= count;
    } else if (state_ == State::kLingering) {
      // Still sending after all that: it gets its reset.
      CloseNow();
    } else {
      // Not before the answer that it is to get.
      WatchReadable(false);
    }
    return false;
  }
  size_t length = kept + count;
  const bool is_in_head = !is_receiving_body_ && !needs_proxy_header_ && tunnel_ == nullptr;
  if (kept > 0 && is_in_head && length - input_parsed_ < kReparseBytes &&
      std::memchr(buffer + kept, '\n', count) == nullptr) {
    uint32_t parsed = input_parsed_;
    KeepInput(buffer, length);
    input_parsed_ = parsed;
    return false;
  }
  Process(buffer, length);
  if (state_ != State::kOpen) return false;
  UpdateDeadline();
  return was_full() && is_receiving_body_ && is_reading();
}

bool HttpConnection::HandleStatus(IoStatus status) {
  switch (status) {
    case IoStatus::kAgain:
      return false;
    case IoStatus::kFailed:
      if (has_failed_handshake()) {
        host_->stats.tls_faults[static_cast<uint32_t>(fault())]++;
        // It has yet to read why.
        DropFrom(first_);
        FinishClosing();
        return false;
      }
      abort_reason_ = kAbortReset;
      Abort();
      return false;
    case IoStatus::kEnd:
      HandleEnd();
      return false;
    case IoStatus::kOk:
      return true;
  }
  return false;
}

bool HttpConnection::NoteSession() {
  auto made = std::make_shared<const TlsSession>(session());
  host_->stats.tls_handshakes++;
  if (made->is_resumed) host_->stats.tls_resumed++;
  host_->tls_sessions.Put(id, made);
  return made->alpn_protocol == "h2";
}

void HttpConnection::BeginTls(const char* data, size_t length) {
  DropInput();
  Secure(host_->tls.get());
  WatchReadable(true);
  if (length == 0) return;
  if (length > kTlsWireBytesMax) {
    // Before it has heard a word of ours a client has one to three KiB to say.
    host_->stats.tls_faults[static_cast<uint32_t>(TlsFault::kMalformed)]++;
    CloseNow();
    return;
  }
  char* wire = host_->tls->buffers.wire;
  std::memcpy(wire, data, length);
  size_t count = 0;
  if (HandleStatus(Decrypt(wire, length, host_->read_buffer, &count))) Process(host_->read_buffer, count);
}

void HttpConnection::Process(const char* data, size_t length) {
  size_t used = 0;
  bool stop = false;
  is_blocked_ = false;
  while (!stop && used < length && state_ == State::kOpen && !ignores_input_) {
    if (is_plain_http()) {
      host_->stats.tls_faults[static_cast<uint32_t>(TlsFault::kPlainHttp)]++;
      if (tunnel_ != nullptr) {
        Abort();
        return;
      }
      RefuseHead(400, data, length);
      used = length;
    } else if (needs_proxy_header_) {
      used += TakeProxyHeader(data + used, length - used, &stop);
      if (!needs_proxy_header_ && state_ == State::kOpen && host_->tls != nullptr) {
        BeginTls(data + used, length - used);
        return;
      }
    } else if (tunnel_ != nullptr) {
      used += TakeTunnel(data + used, length - used, &stop);
    } else if (is_receiving_body_) {
      used += TakeBody(data + used, length - used, &stop);
    } else if (CanTakeRequest()) {
      used += TakeHead(data + used, length - used, &stop);
    } else {
      is_blocked_ = stop = true;
    }
  }
  if (state_ != State::kOpen) return;
  if (ignores_input_) {
    if (used < length) needs_linger_ = true;
    DropInput();
    return;
  }
  KeepInput(data + used, length - used);
  WatchReadable((!is_blocked_ || ReadsAhead()) && !peer_ended_);
}

// A request that waits for the one before it would hide the end of a peer that has left: whether it has is to be seen,
// or what the application does for it goes on without end.
bool HttpConnection::ReadsAhead() const {
  return !is_receiving_body_ && tunnel_ == nullptr && !options_->tells_ends && input_length_ < kReadAheadBytesMax &&
         host_->input_bytes < kInputBytesMax;
}

bool HttpConnection::CanTakeRequest() const {
  if (exchange_count_ >= kPipelineMax) return false;
  // A peer that does not read its answers gets no more of them made; Flush() goes on once it has read.
  if (out.bytes() >= kOutHighBytes) return false;
  // What comes after the last response would be run for nothing.
  if (last_ != nullptr && last_->close_after) return false;
  // What follows an unsafe method may depend on it (RFC 9112 section 9.3.2).
  return last_ == nullptr || IsSafe(last_->method);
}

size_t HttpConnection::TakeHead(const char* data, size_t length, bool* stop) {
  RequestHead& head = host_->head;
  ParseStatus status = ParseHead(data, length, options_->limits.head, &head);
  if (status == ParseStatus::kDone) {
    ChooseAddress(data);
    // As the access log shows it.
    if (is_stream()) std::memcpy(const_cast<char*>(data) + head.target_offset + head.target_length + 1, "HTTP/2.0", 8);
  }
  uint32_t reason = ReasonToHandOver(status, head);
  if (reason != kTunnelNone) {
    // Earlier responses first: from then on the worker alone writes to the connection.
    if (first_ != nullptr) {
      is_blocked_ = *stop = true;
      is_fault_waiting_ = reason == kTunnelFault;
    } else if (status == ParseStatus::kDone && IsOverRate()) {
      RefuseHead(429, data, length);
      return length;
    } else {
      is_fault_waiting_ = false;
      head_started_ms_ = 0;
      bool is_bad = status == ParseStatus::kBad;
      BeginTunnel(reason, is_bad ? static_cast<uint32_t>(FaultStatus(head.fault)) : 0,
                  is_bad ? 0 : StickyKey(host_->sticky, head, data, host_->request_peer, host_->request_peer_length));
      // An upgrade is a request like others to whoever reads the log. What Node's parser is to judge is not.
      if (tunnel_ != nullptr && status == ParseStatus::kDone) NoteRequest(tunnel_, data);
    }
    return 0;
  }
  switch (status) {
    case ParseStatus::kMore:
      if (head_started_ms_ == 0) {
        head_started_ms_ = host_->now_ms;
        head_started_us_ = host_->now_us;
      }
      if (length > kSmallHeadBytes && host_->input_bytes + length > kInputBytesMax) {
        RefuseHead(431, data, length);
        return length;
      }
      *stop = true;
      return 0;
    case ParseStatus::kBad:
      host_->stats.head_faults[static_cast<uint32_t>(head.fault)]++;
      RefuseHead(FaultStatus(head.fault), data, length);
      return length;
    case ParseStatus::kDone:
      break;
  }
  if (first_ != nullptr && !IsSafe(head.method)) {
    is_blocked_ = *stop = true;
    return 0;
  }
  head_started_ms_ = 0;
  if (head.method == Method::kConnect) {
    RefuseHead(501, data, length);
    return length;
  }
  if (head.framing == BodyFraming::kLength && options_->limits.body_bytes_max != 0 &&
      head.content_length > options_->limits.body_bytes_max) {
    RefuseHead(413, data, length);
    return length;
  }
  return BeginExchange(data, length);
}

size_t HttpConnection::TakeProxyHeader(const char* data, size_t length, bool* stop) {
  ProxyHeader header;
  switch (ParseProxyHeader(data, length, host_->edge.proxy_versions, &header)) {
    case ProxyStatus::kMore:
      if (head_started_ms_ == 0) {
        head_started_ms_ = host_->now_ms;
        head_started_us_ = host_->now_us;
      }
      *stop = true;
      return 0;
    case ProxyStatus::kBad:
      // Whatever it is, it is not HTTP: there is nobody to answer.
      host_->stats.proxy_malformed++;
      CloseNow();
      return length;
    case ProxyStatus::kDone:
      break;
  }
  needs_proxy_header_ = false;
  head_started_ms_ = head_started_us_ = 0;
  if (header.has_addresses) {
    char source[kIpTextBytesMax];
    char destination[kIpTextBytesMax];
    int source_length = static_cast<int>(header.source.Write(source));
    int destination_length = static_cast<int>(header.destination.Write(destination));
    int text_length =
        std::snprintf(address_text_, sizeof(address_text_), "%.*s %u %.*s %u", source_length, source,
                      header.source_port, destination_length, destination, header.destination_port);
    address_length_ = static_cast<uint8_t>(text_length);
    SetPeer(&header.source);
    if (!EnterClient(header.source)) return length;
  }
  return header.length;
}

uint32_t HttpConnection::ReasonToHandOver(ParseStatus status, const RequestHead& head) const {
  const ListenerOptions& options = *options_;
  if (status == ParseStatus::kBad) {
    if (head.fault == HeadFault::kBadExpectation && options.hands_over_expect) return kTunnelExpect;
    return options.hands_over_faults ? kTunnelFault : kTunnelNone;
  }
  if (status != ParseStatus::kDone) return kTunnelNone;
  if (head.method == Method::kConnect) return options.hands_over_connect ? kTunnelConnect : kTunnelNone;
  if (head.upgrade && options.hands_over_upgrade) return kTunnelUpgrade;
  return head.expect_continue && options.hands_over_expect ? kTunnelExpect : kTunnelNone;
}

// The connection's bytes go to a worker as they are, from the next one on.
void HttpConnection::BeginTunnel(uint32_t reason, uint32_t fault, uint64_t sticky_key) {
  Exchange* exchange = AppendExchange();
  if (exchange == nullptr) return;
  exchange->is_tunnel = exchange->is_streaming = true;
  exchange->body_complete = false;
  // Without a whole head there is nothing to choose by.
  const bool has_head = reason == kTunnelUpgrade || reason == kTunnelConnect;
  const char* address = has_head ? host_->request_address : address_text_;
  const uint32_t address_length = has_head ? host_->request_address_length : address_length_;
  exchange->flags = kRequestTunnel | kRequestBodyStreamed | (has_head ? host_->request_address_flags : OwnFlags());
  exchange->reason = reason;
  exchange->sticky_key = sticky_key;
  exchange->fault = fault;
  exchange->bytes_read = bytes_read_;
  exchange->begun_us = head_started_us_ != 0 ? head_started_us_ : host_->now_us;
  head_started_us_ = 0;
  uint32_t length = 1u + address_length;
  exchange->text = Block::Make(length);
  exchange->text->length = exchange->text_length = length;
  exchange->text->data()[0] = '\0';
  std::memcpy(exchange->text->data() + 1, address, address_length);
  tunnel_ = body_exchange_ = exchange;
  host_->DispatchStored(exchange);
}

void HttpConnection::HandOverBrokenBody(int status, const char* data, size_t length) {
  host_->CountRejected(status);
  abort_reason_ = kAbortFault;
  if (first_->response_started) {
    // Too late for a word about it.
    Destroy();
    return;
  }
  // A request is told of with its head, before what is wrong with its body.
  LetBeSeen();
  DropFrom(first_);
  BeginTunnel(kTunnelBrokenBody, static_cast<uint32_t>(status));
  if (tunnel_ == nullptr || length == 0) return;
  tunnel_->body_unconsumed += static_cast<uint32_t>(length);
  host_->DeliverBody(tunnel_, data, static_cast<uint32_t>(length), 0);
}

size_t HttpConnection::TakeTunnel(const char* data, size_t length, bool* stop) {
  Exchange* exchange = tunnel_;
  // While it is only on offer the bytes stay in the socket: it may come back to be parsed.
  if (exchange->body_unconsumed >= kBodyWindowBytes || exchange->state == ExchangeState::kQueued ||
      exchange->reason == kTunnelOffer) {
    is_blocked_ = *stop = true;
    return 0;
  }
  exchange->body_unconsumed += static_cast<uint32_t>(length);
  host_->DeliverBody(exchange, data, static_cast<uint32_t>(length), 0);
  return length;
}

void HttpConnection::OpenTunnel(Exchange* exchange) {
  if (exchange->reason != kTunnelOffer || state_ != State::kOpen) return;
  exchange->reason = kTunnelNone;
  // Its bytes are the application's, which expects those of HTTP/1.1 if any.
  SpeakNoHttp2();
  WatchReadable(true);
}

void HttpConnection::Admit(Exchange* exchange) {
  if (exchange != tunnel_ || exchange->reason != kTunnelOffer || state_ != State::kOpen) return;
  tunnel_ = body_exchange_ = first_ = last_ = nullptr;
  exchange_count_--;
  // Nobody waits for an answer to it.
  exchange->response_ended = true;
  host_->Withdraw(exchange);
  host_->ReleaseExchange(exchange);
  is_blocked_ = false;
  WatchReadable(true);
  UpdateDeadline();
}

void HttpConnection::Drop(uint32_t mode) {
  if (state_ == State::kClosed) return;
  if (mode == kDropIdle) {
    bool is_idle = state_ == State::kOpen && first_ == nullptr && !is_receiving_body_ && input_length_ == 0;
    if (is_idle && !is_fresh_ && out.empty()) CloseNow();
    return;
  }
  if (mode == kDropReset) SetReset();
  if (options_->hands_over_faults) LetBeSeen();
  Destroy();
}

// As with Node's parser, to which requests that have come are the application's, whatever becomes of the connection.
void HttpConnection::LetBeSeen() {
  for (Exchange* exchange = first_; exchange != nullptr; exchange = exchange->next) exchange->must_be_seen = true;
}

Exchange* HttpConnection::AppendExchange() {
  Exchange* exchange = host_->AcquireExchange(this);
  if (exchange == nullptr) {
    Abort();
    return nullptr;
  }
  if (last_ == nullptr) {
    first_ = exchange;
    first_since_ms_ = 0;
    exchange->out_start = OutPosition();
  } else {
    last_->next = exchange;
  }
  last_ = exchange;
  exchange_count_++;
  exchange->sequence = ++last_sequence_;
  return exchange;
}

size_t HttpConnection::BeginExchange(const char* data, size_t length) {
  const RequestHead& head = host_->head;
  Exchange* exchange = AppendExchange();
  if (exchange == nullptr) return length;
  is_fresh_ = false;
  exchange->has_head = true;
  exchange->bytes_read = bytes_read_;
  host_->stats.requests++;
  exchange->begun_us = head_started_us_ != 0 ? head_started_us_ : host_->now_us;
  head_started_us_ = 0;
  NoteRequest(exchange, data);

  exchange->method = head.method;
  size_t used = head.head_length;
  uint64_t body_length = head.framing == BodyFraming::kLength ? head.content_length : 0;
  // While draining, the last request that is here is the connection's last, as if its client had said so. Not those in
  // front of it: workers may come to them later, and the last one's answer ends the connection for a worker.
  bool has_more = head.framing != BodyFraming::kChunked && body_length < length - used;
  bool keep_alive = head.keep_alive && (!host_->is_draining || has_more);
  exchange->keep_alive = keep_alive;
  sends_no_more_ = !head.keep_alive;
  exchange->header_count = head.field_count;
  exchange->target_length = head.target_length;
  exchange->sticky_key = StickyKey(host_->sticky, head, data, host_->request_peer, host_->request_peer_length);
  exchange->NoteTarget(data + head.target_offset);
  exchange->flags = (head.minor_version == 0 ? kRequestHttp10 : 0u) |
                    (keep_alive ? kRequestKeepAlive : 0u) |
                    (head.framing != BodyFraming::kNone ? kRequestHasBody : 0u) |
                    (head.upgrade ? kRequestUpgrade : 0u) | host_->request_address_flags;
  if (!keep_alive) ignores_input_ = head.framing == BodyFraming::kNone;
  discard_left_ = kLingerBytesMax;

  if (head.framing != BodyFraming::kChunked && body_length <= length - used && body_length <= kWholeBodyBytesMax) {
    ignores_input_ = !keep_alive;
    if (AnswerHealth(exchange, data)) return used + static_cast<size_t>(body_length);
    if (IsOverRate()) {
      host_->CountRejected(429);
      Fail(exchange, 429);
      return used + static_cast<size_t>(body_length);
    }
    if (host_->files != nullptr && body_length == 0 && AnswerFile(exchange, data)) return used;
    host_->Dispatch(exchange, head, data, data + used, static_cast<uint32_t>(body_length));
    return used + static_cast<size_t>(body_length);
  }

  exchange->body_complete = false;
  body_exchange_ = exchange;
  is_receiving_body_ = true;
  body_received_ = body_counted_ = body_held_us_ = 0;
  body_due_us_ = host_->now_us + uint64_t{options_->limits.body_timeout_ms} * 1000;
  decoder_.Start(head.framing, head.content_length);
  if (IsOverRate()) {
    exchange->expect_continue = head.expect_continue;
    host_->CountRejected(429);
    // Its body is thrown away, or not waited for if it is large or yet to be asked for.
    Fail(exchange, 429);
    return used;
  }
  StoreText(exchange, data);
  // With body bytes already here the client did not wait.
  exchange->expect_continue = head.expect_continue && used == length;
  if (exchange->expect_continue) exchange->flags |= kRequestExpectContinue;
  if (body_length > options_->limits.body_buffer_bytes || options_->limits.body_buffer_bytes == 0) {
    BeginStreaming(exchange);
  } else if (exchange->expect_continue) {
    SendContinue(exchange);
  }
  return used;
}

bool HttpConnection::AnswerHealth(Exchange* exchange, const char* head_bytes) {
  const std::string& prefix = host_->edge.health_prefix;
  if (prefix.empty() || (exchange->method != Method::kGet && exchange->method != Method::kHead)) return false;
  const char* target = head_bytes + host_->head.target_offset;
  size_t length = host_->head.target_length;
  if (length < prefix.size() || std::memcmp(target, prefix.data(), prefix.size()) != 0) return false;
  const std::string_view rest(target + prefix.size(), length - prefix.size());
  int status;
  if (rest == "/live") {
    status = 200;
  } else if (rest == "/ready") {
    status = host_->IsReady() ? 200 : 503;
  } else {
    return false;
  }
  AnswerCanned(exchange, status, !exchange->keep_alive || DrainForcesClose(exchange));
  return true;
}

bool HttpConnection::AnswerFile(Exchange* exchange, const char* head_bytes) {
  if (exchange->method != Method::kGet && exchange->method != Method::kHead) return false;
  const bool is_next = exchange == first_;
  switch (host_->files->Take(exchange, host_->head, head_bytes, is_next)) {
    case FileService::Taken::kNo: return false;
    case FileService::Taken::kAnswered: return true;
    case FileService::Taken::kLater: break;
  }
  StoreText(exchange, head_bytes);
  host_->files->Park(exchange, is_next);
  return true;
}

void HttpConnection::StoreText(Exchange* exchange, const char* head_bytes) {
  uint32_t length = HttpHost::MeasureText(host_->head, host_->request_address_length);
  exchange->text = Block::Make(length);
  exchange->text->length = exchange->text_length = length;
  HttpHost::WriteText(host_->head, head_bytes, host_->request_address, host_->request_address_length,
                      exchange->text->data());
}

size_t HttpConnection::TakeBody(const char* data, size_t length, bool* stop) {
  size_t used = 0;
  // What lies in the chunks of one read goes on as one piece: a body in chunks of one byte must not cost the worker an
  // event for each. They are moved together where they are, in the read buffer.
  char* piece = nullptr;
  size_t piece_length = 0;
  auto pass_on = [&] {
    if (piece_length == 0) return;
    TakeBodyBytes(body_exchange_, piece, piece_length);
    piece_length = 0;
  };
  for (;;) {
    Exchange* exchange = body_exchange_;
    // A body that ended with these bytes is not held up: no more of them will come to end it.
    if (exchange != nullptr && exchange->is_streaming && !exchange->response_ended && !decoder_.done() &&
        (exchange->body_unconsumed + piece_length >= kBodyWindowBytes || exchange->state == ExchangeState::kQueued)) {
      pass_on();
      is_blocked_ = *stop = true;
      return used;
    }
    BodyStep step = decoder_.Step(data + used, length - used);
    used += step.consumed;
    switch (step.status) {
      case BodyStatus::kData: {
        body_received_ += step.data_length;
        const bool is_unread = exchange == nullptr || exchange->response_ended;
        const bool is_too_large =
            options_->limits.body_bytes_max != 0 && body_received_ > options_->limits.body_bytes_max;
        if (!is_unread) {
          if (is_too_large) {
            Refuse(413);
            return length;
          }
          // Not const: all that is processed lies in the host's read buffer.
          char* from = const_cast<char*>(step.data);
          if (piece_length == 0) piece = from;
          if (piece + piece_length != from) std::memmove(piece + piece_length, from, step.data_length);
          piece_length += step.data_length;
        } else if (is_too_large || step.data_length > discard_left_) {
          // The answer is out or on its way, and there is no room for another.
          GiveUpBody();
          return length;
        } else {
          discard_left_ -= step.data_length;
        }
        break;
      }
      case BodyStatus::kTrailer:
        TakeTrailer(step);
        break;
      case BodyStatus::kMore:
        pass_on();
        *stop = true;
        return used;
      case BodyStatus::kDone:
        pass_on();
        EndBody();
        return used;
      case BodyStatus::kBad:
        pass_on();
        exchange = body_exchange_;
        host_->stats.body_faults[static_cast<uint32_t>(step.fault)]++;
        if (options_->hands_over_faults && exchange != nullptr) {
          size_t bad = used - step.consumed;
          // Node takes a size that overflows for no size at all; what it, too, finds too large are extensions.
          int status = step.fault == BodyFault::kChunkSizeOverflow ? 400 : FaultStatus(step.fault);
          HandOverBrokenBody(status, data + bad, length - bad);
        } else {
          Refuse(FaultStatus(step.fault));
        }
        return length;
    }
  }
}

void HttpConnection::GiveUpBody() {
  ignores_input_ = needs_linger_ = true;
  discard_left_ = kLingerBytesMax;
  is_receiving_body_ = false;
  if (body_exchange_ != nullptr) {
    // Earlier responses come first.
    body_exchange_->close_after = true;
    body_exchange_ = nullptr;
  } else {
    // No request is taken before the body has ended, so nothing else is left.
    CHECK(first_ == nullptr);
    state_ = State::kClosing;
    host_->MarkDirty(this);
  }
}

void HttpConnection::TakeBodyBytes(Exchange* exchange, const char* data, size_t length) {
  if (!exchange->is_streaming) {
    Block* body = exchange->body;
    uint64_t total = (body == nullptr ? 0 : body->length) + length;
    if (total <= options_->limits.body_buffer_bytes) {
      if (body == nullptr || total > body->capacity) {
        uint64_t capacity = body == nullptr ? kBodyFirstBytes : body->capacity * 2ull;
        // What a sized body will need at most, so that the usual upload is allocated once or twice.
        uint64_t expected = total + decoder_.remaining();
        if (capacity > expected && decoder_.remaining() > 0) capacity = expected;
        if (capacity < total) capacity = total;
        Block* grown = Block::Make(static_cast<uint32_t>(capacity));
        if (body != nullptr) {
          std::memcpy(grown->data(), body->data(), body->length);
          grown->length = body->length;
          body->Drop();
        }
        exchange->body = body = grown;
      }
      std::memcpy(body->data() + body->length, data, length);
      body->length += static_cast<uint32_t>(length);
      return;
    }
    BeginStreaming(exchange);
    if (body_exchange_ != exchange || exchange->response_ended) return;
  }
  exchange->body_unconsumed += static_cast<uint32_t>(length);
  host_->DeliverBody(exchange, data, static_cast<uint32_t>(length), 0);
}

void HttpConnection::TakeTrailer(const BodyStep& step) {
  if (body_exchange_ == nullptr) return;
  uint32_t need = static_cast<uint32_t>(step.data_length + step.value_length + 2);
  uint32_t have = trailers_ == nullptr ? 0 : trailers_->length;
  if (trailers_ == nullptr || have + need > trailers_->capacity) {
    Block* grown = Block::Make((have + need) * 2);
    if (trailers_ != nullptr) {
      std::memcpy(grown->data(), trailers_->data(), have);
      trailers_->Drop();
    }
    grown->length = have;
    trailers_ = grown;
  }
  char* out = trailers_->data() + have;
  std::memcpy(out, step.data, step.data_length);
  out[step.data_length] = '\0';
  std::memcpy(out + step.data_length + 1, step.value, step.value_length);
  out[step.data_length + 1 + step.value_length] = '\0';
  trailers_->length = have + need;
}

void HttpConnection::BeginStreaming(Exchange* exchange) {
  exchange->is_streaming = true;
  exchange->flags |= kRequestBodyStreamed;
  Block* body = exchange->body;
  exchange->body = nullptr;
  host_->DispatchStored(exchange);
  if (body == nullptr) return;
  // Shed meanwhile, it may be gone: body_exchange_ tells.
  if (body_exchange_ == exchange && !exchange->response_ended) {
    exchange->body_unconsumed += body->length;
    host_->DeliverBody(exchange, body->data(), body->length, 0);
  }
  body->Drop();
}

void HttpConnection::EndBody() {
  Exchange* exchange = body_exchange_;
  is_receiving_body_ = false;
  if (exchange == nullptr) {
    // A thrown-away body has ended: the connection is idle again.
    if (first_ == nullptr) host_->MarkDirty(this);
    return;
  }
  exchange->body_complete = true;
  exchange->expect_continue = false;
  if (!exchange->keep_alive) ignores_input_ = true;
  Block* trailers = trailers_;
  trailers_ = nullptr;
  // Trailers follow a body in chunks; without them a buffered body goes in one piece.
  if (trailers != nullptr && !exchange->is_streaming && !exchange->response_ended) BeginStreaming(exchange);
  // Shed meanwhile, it may be gone: body_exchange_ tells.
  if (body_exchange_ == exchange && !exchange->response_ended) {
    if (!exchange->is_streaming) {
      host_->DispatchStored(exchange);
    } else if (trailers != nullptr) {
      host_->DeliverBody(exchange, trailers->data(), trailers->length, kChunkTrailers | kChunkLast);
    } else {
      host_->DeliverBody(exchange, nullptr, 0, kChunkLast);
    }
  }
  body_exchange_ = nullptr;
  if (trailers != nullptr) trailers->Drop();
}

void HttpConnection::KeepInput(const char* data, size_t length) {
  if (length == 0) {
    DropInput();
    return;
  }
  if (data != input_ || length != input_length_) {
    char* copy = static_cast<char*>(std::malloc(length));
    CHECK(copy != nullptr);
    std::memcpy(copy, data, length);
    DropInput();
    input_ = copy;
    input_length_ = static_cast<uint32_t>(length);
    host_->input_bytes += length;
  }
  input_parsed_ = input_length_;
}

void HttpConnection::DropInput() {
  if (input_ == nullptr) return;
  host_->input_bytes -= input_length_;
  std::free(input_);
  input_ = nullptr;
  input_length_ = 0;
}

void HttpConnection::ResumeInput() {
  if (!is_blocked_ || state_ != State::kOpen) return;
  is_blocked_ = false;
  size_t length = input_length_;
  if (length > 0) {
    std::memcpy(host_->read_buffer, input_, length);
    Process(host_->read_buffer, length);
  } else {
    WatchReadable(!peer_ended_);
  }
  if (state_ != State::kOpen) return;
  // What was blocked when the peer finished sending is now whole or never will be.
  if (peer_ended_ && !is_blocked_) HandleEnd();
}

void HttpConnection::HandleEnd() {
  peer_ended_ = true;
  WatchReadable(false);
  if (state_ == State::kLingering) {
    CloseNow();
    return;
  }
  if (state_ == State::kClosing) return;
  if (is_blocked_) {
    // Those before it have as long as any whose peer has finished sending.
    UpdateDeadline();
    return;
  }
  if (needs_proxy_header_) {
    // Whoever connects to see whether somebody listens says nothing; half a header is wrong.
    if (input_length_ > 0) host_->stats.proxy_malformed++;
    CloseNow();
    return;
  }
  if (tunnel_ != nullptr) {
    EndTunnel();
    return;
  }
  if (options_->hands_over_faults && !ignores_input_) {
    // An end in the middle of a message is the worker's to judge like any other fault.
    if (is_receiving_body_ && body_exchange_ != nullptr) {
      HandOverBrokenBody(400, nullptr, 0);
    } else if (first_ == nullptr && input_length_ > 0) {
      BeginTunnel(kTunnelFault, 400);
      if (tunnel_ != nullptr) {
        tunnel_->body_unconsumed += input_length_;
        host_->DeliverBody(tunnel_, input_, input_length_, 0);
        DropInput();
      }
    }
    if (tunnel_ != nullptr) EndTunnel();
    if (tunnel_ != nullptr || state_ != State::kOpen) return;
  }
  if (!ignores_input_ && (is_receiving_body_ ? body_exchange_ != nullptr : input_length_ > 0)) {
    if (is_receiving_body_) {
      Refuse(400);
    } else {
      RefuseHead(400, input_, input_length_);
    }
    return;
  }
  if (first_ == nullptr) {
    // Of a body that is thrown away the rest will not come. What waits to be written goes first: Flush() closes then.
    is_receiving_body_ = false;
    if (out.empty()) CloseNow();
    return;
  }
  // It may still read, but more often than not it has left.
  for (Exchange* exchange = first_; exchange != nullptr; exchange = exchange->next) {
    if (exchange->state == ExchangeState::kQueued || exchange->state == ExchangeState::kDispatched) {
      host_->left_unserved += exchange->is_claimed ? 0 : 1;
    }
  }
  if (options_->tells_ends) {
    for (Exchange* exchange = first_; exchange != nullptr; exchange = exchange->next) host_->TellEnded(exchange);
  }
  UpdateDeadline();
}

void HttpConnection::EndTunnel() {
  if (tunnel_->body_complete) return;
  tunnel_->body_complete = true;
  host_->DeliverBody(tunnel_, nullptr, 0, kChunkLast);
  host_->MarkDirty(this);
}

// ---- output ---------------------------------------------------------------------------------------------------------

void HttpConnection::Respond(Exchange* exchange, uint32_t flags, const char* head_text, uint32_t head_length,
                             const char* body, uint32_t body_length, Block* body_block) {
  if (exchange->response_started || state_ != State::kOpen) {
    if (body_block != nullptr) body_block->Drop();
    return;
  }
  bool close = (flags & kRespondClose) != 0 || !exchange->keep_alive || DrainForcesClose(exchange) ||
               BodyForcesClose(exchange, kDiscardBytesMax);
  HeadTail tail;
  tail.date = (flags & kRespondDate) != 0 ? host_->date : nullptr;
  tail.with_connection = (flags & kRespondConnection) != 0;
  tail.close = close;
  tail.keep_alive_seconds = options_->limits.keep_alive_hint_seconds;
  tail.with_length = (flags & kRespondLength) != 0;
  tail.content_length = body_length;

  tail.chunked = (flags & kRespondChunked) != 0;
  // HTTP/1.0 knows no chunks: the end of the connection ends the body.
  if (tail.chunked && (exchange->flags & kRequestHttp10) != 0) {
    tail.chunked = false;
    tail.close = close = true;
  }

  OutQueue* queue = OutOf(exchange);
  uint64_t queued_before = queue->bytes();
  ChunkPool* pool = &host_->pool;
  bool sends_body = exchange->method != Method::kHead;
  bool is_inline = body_block == nullptr && body_length < kBorrowBytesMin;
  uint32_t inline_length = sends_body && is_inline ? body_length : 0;
  uint64_t room = static_cast<uint64_t>(head_length) + kHeadTailBytesMax + kChunkFrameBytesMax + inline_length +
                  sizeof(kChunkEnd);
  if (room <= ChunkPool::kStorageBytes) {
    // The usual response: one piece.
    char* start = queue->Tail(pool, static_cast<uint32_t>(room));
    std::memcpy(start, head_text, head_length);
    char* end = start + head_length + EncodeHeadTail(tail, start + head_length);
    NoteResponse(exchange, start, static_cast<size_t>(end - start), nullptr, 0);
    if (tail.chunked && sends_body && body_length > 0) end += EncodeChunkStart(body_length, end);
    std::memcpy(end, body, inline_length);
    queue->Advance(static_cast<uint32_t>(end - start) + inline_length);
  } else {
    char text[kHeadTailBytesMax + kChunkFrameBytesMax];
    size_t length = EncodeHeadTail(tail, text);
    if (tail.chunked && sends_body && body_length > 0) length += EncodeChunkStart(body_length, text + length);
    NoteResponse(exchange, head_text, head_length, text, length);
    queue->Append(pool, head_text, head_length);
    queue->Append(pool, text, length);
    queue->Append(pool, body, inline_length);
  }
  if (body_block != nullptr) {
    if (sends_body) {
      queue->AppendBlock(pool, body_block);
    } else {
      body_block->Drop();
    }
  } else if (sends_body && !is_inline) {
    if (queue == &out) {
      queue->AppendBorrowed(pool, body, body_length);
    } else {
      queue->Append(pool, body, body_length);
    }
  }
  if (tail.chunked && sends_body) {
    if (body_length > 0) {
      queue->Append(pool, kChunkEnd, sizeof(kChunkEnd) - 1);
    } else {
      queue->Append(pool, kLastChunk, sizeof(kLastChunk) - 1);
    }
  }
  exchange->response_started = true;
  // Its head may hold a length of the application's own; then this says too much, which does no harm.
  exchange->ends_with_connection = close && !tail.chunked && !tail.with_length && sends_body && body_length > 0;
  exchange->answered_us = host_->now_us;
  exchange->overhead_bytes += queue->bytes() - queued_before - (sends_body ? body_length : 0);
  FinishResponse(exchange, close);
}

void HttpConnection::SendRaw(Exchange* exchange, uint32_t chunk_flags, const char* data, uint32_t length,
                             Block* block) {
  if (exchange->response_ended || state_ != State::kOpen) {
    if (block != nullptr) block->Drop();
    return;
  }
  const char* bytes = block == nullptr ? data : block->data();
  uint32_t passed = length;  // bytes of it that go to the peer
  if (exchange->response_started) {
    passed = TakeFromLength(exchange, length);
  } else if ((chunk_flags & kChunkHead) != 0) {
    size_t head_bytes = HeadBytes(bytes, length);
    // A head of more than one record (64 KiB) goes unwatched.
    const bool is_whole_head = head_bytes >= 4 && std::memcmp(bytes + head_bytes - 4, "\r\n\r\n", 4) == 0;
    if (is_whole_head && !exchange->is_tunnel) {
      const ResponseFraming framing = ReadResponseFraming(bytes, head_bytes, exchange->method == Method::kHead);
      if (!framing.is_sound) {
        // Where its body ends would be anyone's guess.
        if (block != nullptr) block->Drop();
        host_->Withdraw(exchange);
        needs_linger_ = true;
        AnswerCanned(exchange, 500, true);
        return;
      }
      if (framing.is_sized) exchange->length_left = framing.length;
      // Whatever its head says of the connection: only the end of that ends it.
      if (!framing.is_sized && !framing.is_chunked) exchange->close_after = exchange->ends_with_connection = true;
      auto body_bytes = static_cast<uint32_t>(length - head_bytes);
      passed -= body_bytes - TakeFromLength(exchange, body_bytes);
    }
    exchange->response_started = true;
    exchange->answered_us = host_->now_us;
    if (exchange->is_tunnel) NoteTunnelStatus(exchange, bytes, length);
    exchange->overhead_bytes += head_bytes;
    NoteResponse(exchange, bytes, head_bytes, nullptr, 0);
  } else {
    // An interim response of the application's own: 100 (Continue), most likely.
    exchange->expect_continue = false;
    exchange->overhead_bytes += length;
  }
  OutQueue* queue = OutOf(exchange);
  // What is cut off is off the worker's hands as well.
  exchange->response_uncredited += length;
  if (block != nullptr && passed == 0) {
    block->Drop();
  } else if (block != nullptr) {
    // Nobody else looks at it any more.
    block->length = passed;
    queue->AppendBlock(&host_->pool, block);
  } else if (passed >= kBorrowBytesMin && queue == &out) {
    queue->AppendBorrowed(&host_->pool, data, passed);
  } else {
    queue->Append(&host_->pool, data, passed);
  }
  if (exchange->is_tunnel) {
    is_write_ended_ |= (chunk_flags & kChunkLast) != 0;
    host_->MarkDirty(this);
  } else if ((chunk_flags & kChunkLast) != 0) {
    // Less than was announced: only the connection's end can tell the peer.
    const bool is_short = exchange->length_left != Exchange::kNoLength && exchange->length_left > 0;
    FinishResponse(exchange, (chunk_flags & kChunkClose) != 0 || !exchange->keep_alive || is_short ||
                                 BodyForcesClose(exchange, kDiscardBytesMax));
  } else {
    host_->MarkDirty(this);
  }
}

// How many of `length` body bytes fit what the response announced. More than that is never sent, and the connection
// ends with the response: what the application meant to say will never be known.
uint32_t HttpConnection::TakeFromLength(Exchange* exchange, uint32_t length) {
  if (exchange->length_left == Exchange::kNoLength) return length;
  if (length > exchange->length_left) {
    exchange->close_after = true;
    length = static_cast<uint32_t>(exchange->length_left);
  }
  exchange->length_left -= length;
  return length;
}

void HttpConnection::HandleConsumed(Exchange* exchange, uint32_t bytes) {
  exchange->body_unconsumed -= bytes < exchange->body_unconsumed ? bytes : exchange->body_unconsumed;
  if (exchange->expect_continue && !exchange->response_started) SendContinue(exchange);
  if (exchange == body_exchange_ && is_blocked_ && exchange->body_unconsumed <= kBodyWindowBytes / 2) {
    ResumeInput();
    if (state_ == State::kOpen) UpdateDeadline();
  }
}

HeadTail HttpConnection::TailFor(const Exchange* exchange) const {
  HeadTail tail = {};
  tail.date = host_->date;
  tail.with_connection = true;
  tail.close = !exchange->keep_alive || DrainForcesClose(exchange);
  tail.keep_alive_seconds = options_->limits.keep_alive_hint_seconds;
  return tail;
}

void HttpConnection::Fail(Exchange* exchange, int status) {
  if (exchange->response_ended || state_ != State::kOpen) return;
  if (exchange->response_started) {
    // Too late for a status: the peer sees the response end early.
    Destroy();
    return;
  }
  AnswerCanned(exchange, status,
               !exchange->keep_alive || DrainForcesClose(exchange) || BodyForcesClose(exchange, kRefusedBytesMax));
}

void HttpConnection::Destroy() {
  if (state_ == State::kClosed) return;
  // What is already queued is sent first, as far as the socket takes it at once.
  size_t written = 0;
  if (!out.empty()) SecureConnection::Flush(&host_->pool, &written);
  host_->stats.bytes_written += written;
  bytes_written_ += written;
  SettleWritten();
  Abort();
}

void HttpConnection::GiveUp() {
  while (state_ == State::kOpen && first_ != nullptr && !first_->is_tunnel && !first_->response_started) {
    host_->Withdraw(first_);
    Fail(first_, 503);
  }
  Destroy();
}

void HttpConnection::AnswerCanned(Exchange* exchange, int status, bool close) {
  char text[kCannedBytesMax];
  size_t length = EncodeCanned(status, exchange->method == Method::kHead, close, host_->date, text);
  OutOf(exchange)->Append(&host_->pool, text, length);
  exchange->state = ExchangeState::kAnswering;
  exchange->response_started = true;
  exchange->status = static_cast<uint16_t>(status);
  exchange->answered_us = host_->now_us;
  size_t head_bytes = HeadBytes(text, length);
  exchange->overhead_bytes += head_bytes;
  NoteResponse(exchange, text, head_bytes, nullptr, 0);
  FinishResponse(exchange, close);
}

void HttpConnection::SendContinue(Exchange* exchange) {
  static constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";
  exchange->expect_continue = false;
  // A worker that has not heard of the request yet need not hear of it.
  exchange->flags &= ~static_cast<uint32_t>(kRequestExpectContinue);
  OutOf(exchange)->Append(&host_->pool, kContinue, sizeof(kContinue) - 1);
  exchange->overhead_bytes += sizeof(kContinue) - 1;
  host_->MarkDirty(this);
}

bool HttpConnection::BodyForcesClose(const Exchange* exchange, uint64_t bytes_max) const {
  return exchange == body_exchange_ && (exchange->expect_continue || decoder_.remaining() > bytes_max);
}

void HttpConnection::FinishResponse(Exchange* exchange, bool close) {
  exchange->response_ended = true;
  exchange->close_after |= close;
  if (exchange == body_exchange_) discard_left_ = kDiscardBytesMax;
  if (exchange == first_) PopFinished();
  host_->MarkDirty(this);
}

void HttpConnection::PopFinished() {
  while (first_ != nullptr && first_->response_ended) {
    Exchange* exchange = first_;
    bool close = exchange->close_after;
    if (exchange == body_exchange_) {
      // The rest of its body is thrown away, if that is not too much.
      body_exchange_ = nullptr;
      if (close) {
        is_receiving_body_ = false;
        needs_linger_ = ignores_input_ = true;
        discard_left_ = kLingerBytesMax;
      }
      if (is_blocked_) host_->MarkDirty(this);
    }
    if (exchange == tunnel_) tunnel_ = nullptr;
    first_ = exchange->next;
    if (first_ == nullptr) last_ = nullptr;
    host_->Withdraw(exchange);
    exchange->out_end = OutPosition();
    exchange->next = nullptr;
    (unwritten_first_ == nullptr ? unwritten_first_ : unwritten_last_->next) = exchange;
    unwritten_last_ = exchange;
    if (close) {
      DropFrom(first_);
      state_ = State::kClosing;
      return;
    }
    if (first_ != nullptr) {
      first_since_ms_ = host_->now_ms;
      first_->out_start = OutPosition();
      out.Splice(&first_->out);
    }
  }
}

void HttpConnection::SettleWritten() {
  while (unwritten_first_ != nullptr && unwritten_first_->out_end <= bytes_written_) {
    Exchange* exchange = unwritten_first_;
    unwritten_first_ = exchange->next;
    exchange_count_--;
    Settle(exchange, true);
  }
}

void HttpConnection::NoteRequest(Exchange* exchange, const char* head_bytes) {
  if (host_->access == nullptr) return;
  exchange->note = host_->access->TakeRequest(host_->head, head_bytes, host_->request_peer,
                                               host_->request_peer_length);
}

void HttpConnection::NoteResponse(Exchange* exchange, const char* head_text, size_t head_length, const char* tail,
                                  size_t tail_length) {
  if (exchange->note == nullptr || !host_->access->needs_response_head()) return;
  exchange->note = host_->access->TakeResponse(exchange->note, head_text, head_length, tail, tail_length);
}

// The first bytes that go to the peer of a tunnel: a response's head, if they are what they should be.
void HttpConnection::NoteTunnelStatus(Exchange* exchange, const char* bytes, size_t length) {
  static constexpr char kVersion[] = "HTTP/1.1 ";
  if (length < 12 || std::memcmp(bytes, kVersion, 9) != 0) return;
  exchange->status = static_cast<uint16_t>((bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + (bytes[11] - '0'));
}

void HttpConnection::WriteAccessLine(Exchange* exchange, bool is_whole) {
  AccessFacts facts;
  facts.unix_us = static_cast<int64_t>(host_->now_us) + host_->wall_offset_us;
  facts.status = exchange->status;
  // What of it left: it lies behind all that the connection sent before.
  uint64_t end = exchange->out_end < bytes_written_ ? exchange->out_end : bytes_written_;
  uint64_t sent = exchange->out_start < end ? end - exchange->out_start : 0;
  facts.body_bytes = sent > exchange->overhead_bytes ? sent - exchange->overhead_bytes : 0;
  facts.total_us = host_->now_us - exchange->begun_us;
  facts.was_claimed = exchange->claimed_us != 0 && exchange->answered_us != 0;
  facts.queue_us = facts.was_claimed ? exchange->claimed_us - exchange->ready_us : 0;
  facts.handler_us = facts.was_claimed ? exchange->answered_us - exchange->claimed_us : 0;
  facts.is_whole = is_whole;
  // A tunnel's connection ends with it.
  facts.stays_open = !exchange->close_after && !exchange->is_tunnel;
  host_->access->Write(facts, exchange->note);
  exchange->note = nullptr;
}

void HttpConnection::Settle(Exchange* exchange, bool is_whole) {
  // An orderly end would make it look whole. What the kernel still holds for the peer goes as well: it is of this
  // response, or in front of it.
  if (!is_whole && exchange->ends_with_connection && exchange->out_start < bytes_written_) SetReset();
  // A tunnel ends with its connection, however that ends.
  if (exchange->note != nullptr) WriteAccessLine(exchange, is_whole || exchange->is_tunnel);
  if (exchange->is_tunnel) {
    host_->ReleaseExchange(exchange);
    return;
  }
  HttpStats& stats = host_->stats;
  uint32_t method = exchange->has_head ? static_cast<uint32_t>(exchange->method) : kMethodUnknown;
  uint32_t status_class = exchange->status / 100u;
  stats.responses[method][status_class < kStatusClasses ? status_class : 0]++;
  if (!is_whole) stats.aborted++;
  if (exchange->has_head) {
    uint64_t now = host_->now_us;
    stats.total.Add(now - exchange->begun_us);
    if (exchange->ready_us != 0) stats.accept.Add(exchange->ready_us - exchange->begun_us);
    if (exchange->claimed_us != 0) stats.queue.Add(exchange->claimed_us - exchange->ready_us);
    if (exchange->answered_us != 0) {
      if (exchange->claimed_us != 0) stats.handler.Add(exchange->answered_us - exchange->claimed_us);
      if (is_whole) stats.write.Add(now - exchange->answered_us);
    }
  }
  host_->ReleaseExchange(exchange);
}

void HttpConnection::DropFrom(Exchange* exchange) {
  if (exchange == nullptr) return;
  CHECK(exchange == first_);
  first_ = last_ = nullptr;
  body_exchange_ = tunnel_ = nullptr;
  is_receiving_body_ = false;
  while (exchange != nullptr) {
    Exchange* next = exchange->next;
    exchange->out.Clear(&host_->pool);
    exchange->out_end = OutPosition();
    host_->Withdraw(exchange);
    exchange_count_--;
    Settle(exchange, false);
    exchange = next;
  }
}

void HttpConnection::Flush() {
  if (state_ == State::kClosed || state_ == State::kLingering) return;
  size_t written = 0;
  IoStatus status = SecureConnection::Flush(&host_->pool, &written, state_ == State::kClosing);
  host_->stats.bytes_written += written;
  bytes_written_ += written;
  SettleWritten();
  if (status == IoStatus::kFailed) {
    abort_reason_ = kAbortReset;
    Abort();
    return;
  }
  if (is_stream() && is_answered() && first_ == nullptr) {
    CloseNow();
    return;
  }
  if (first_ != nullptr && first_->response_uncredited >= kCreditStepBytes && out.bytes() < kOutLowBytes) {
    uint32_t bytes = first_->response_uncredited;
    first_->response_uncredited = 0;
    host_->GiveCredit(first_, bytes);
  }
  const bool waits = status == IoStatus::kAgain;
  if (waits || write_looked_us_ != 0) NoteTaken(waits, written);
  if (waits) {
    out.Own();
    UpdateDeadline();
    return;
  }
  if (state_ == State::kClosing) {
    FinishClosing();
    return;
  }
  if (tunnel_ != nullptr) {
    FlushTunnel();
    return;
  }
  if (is_blocked_) ResumeInput();
  if (state_ != State::kOpen) return;
  if (first_ == nullptr) {
    const bool is_drained = host_->is_draining && !host_->keeps_idle && !is_fresh_;
    if (is_receiving_body_ ? is_drained : peer_ended_ || (is_drained && input_length_ == 0)) {
      // The next request that a body is thrown away for would not be taken.
      needs_linger_ |= is_receiving_body_;
      FinishClosing();
      return;
    }
  }
  UpdateDeadline();
}

// All that the worker wrote is with the kernel: passes on the end of its side, and closes when both have ended.
void HttpConnection::FlushTunnel() {
  if (is_write_ended_ && !is_write_shut_) {
    is_write_shut_ = true;
    ShutdownWrite();
    // The last of it: the worker waits for this before it takes its side for finished.
    if (tunnel_->response_uncredited > 0) host_->GiveCredit(tunnel_, tunnel_->response_uncredited);
    tunnel_->response_uncredited = 0;
  }
  if (is_write_shut_ && tunnel_->body_complete) {
    CloseNow();
    return;
  }
  if (is_blocked_ && tunnel_->state != ExchangeState::kQueued && tunnel_->body_unconsumed <= kBodyWindowBytes / 2) {
    ResumeInput();
  }
  if (state_ == State::kOpen) UpdateDeadline();
}

void HttpConnection::HandleWritable() {
  host_->BeginEvent();
  Flush();
}

void HttpConnection::HandleFailed() {
  host_->BeginEvent();
  abort_reason_ = kAbortReset;
  Abort();
}

// ---- faults and ends ------------------------------------------------------------------------------------------------

void HttpConnection::RefuseHead(int status, const char* data, size_t length) {
  if (host_->access == nullptr) {
    Refuse(status);
    return;
  }
  // Taken down first: the bytes may be let go of while the request is refused. With a body to come it would be that
  // request's fault, and not this one's.
  CHECK(body_exchange_ == nullptr);
  AccessNote* note = host_->access->TakeRefused(data, length, address_text_, peer_length_);
  refused_note_ = note;
  Refuse(status);
  if (refused_note_ != nullptr) host_->access->Drop(refused_note_);
  refused_note_ = nullptr;
}

void HttpConnection::Refuse(int status) {
  host_->CountRejected(status);
  ignores_input_ = needs_linger_ = true;
  is_receiving_body_ = is_blocked_ = false;
  discard_left_ = kLingerBytesMax;
  head_started_ms_ = 0;
  Exchange* exchange = body_exchange_;
  body_exchange_ = nullptr;
  if (exchange == nullptr) {
    exchange = AppendExchange();
    if (exchange == nullptr) return;
    exchange->begun_us = head_started_us_ != 0 ? head_started_us_ : host_->now_us;
    exchange->note = refused_note_;
    refused_note_ = nullptr;
  } else if (exchange->response_ended) {
    // Answered, and waiting for earlier responses.
    exchange->close_after = true;
    return;
  } else if (exchange->response_started) {
    abort_reason_ = kAbortFault;
    Destroy();
    return;
  } else {
    abort_reason_ = kAbortFault;
    host_->Withdraw(exchange);
  }
  AnswerCanned(exchange, status, true);
}

void HttpConnection::Abort() {
  DropFrom(first_);
  CloseNow();
}

// What comes to a closed socket is answered by a reset, which can cost the peer the answer it has not read yet
// (RFC 9112 section 9.6). So a peer that may be sending is told of the end first, and its input taken in for a while.
void HttpConnection::FinishClosing() {
  // In any case: what Flush() wrote last may wait for it, and closing with input unread would throw it away.
  ShutdownWrite();
  // With TLS it has an end of its own to send; a stream is over.
  if (peer_ended_ || is_stream() || (sends_no_more_ && !needs_linger_ && input_length_ == 0 && !is_secure())) {
    CloseNow();
    return;
  }
  state_ = State::kLingering;
  ignores_input_ = true;
  discard_left_ = kLingerBytesMax;
  DropInput();
  WatchReadable(true);
  host_->wheel.Set(&timer, host_->now_ms + kLingerMs);
  SetPhase(ConnectionPhase::kClosing);
  // To the application it is over with the last answer.
  host_->HandleConnectionClosed(this);
  watchers.clear();
}

void HttpConnection::CloseNow() {
  if (state_ == State::kClosed) return;
  while (Exchange* exchange = unwritten_first_) {
    unwritten_first_ = exchange->next;
    exchange_count_--;
    Settle(exchange, exchange->out_end <= bytes_written_);
  }
  DropFrom(first_);
  const bool is_told = state_ == State::kLingering && options_->offers_connections;
  state_ = State::kClosed;
  SetPhase(ConnectionPhase::kNone);
  if (is_client_counted_) host_->LeaveClient(address_text_, peer_length_);
  if (trailers_ != nullptr) {
    trailers_->Drop();
    trailers_ = nullptr;
  }
  DropInput();
  dirty_link.Unlink();
  host_->wheel.Cancel(&timer);
  if (!is_told) host_->HandleConnectionClosed(this);
  watchers.clear();
  if (is_secure() || is_stream()) host_->tls_sessions.Drop(id);
  SecureConnection::Close(&host_->pool);
}

void HttpConnection::HandleReleased() { host_->ReleaseConnection(this); }

void HttpConnection::StartDraining() {
  if (state_ != State::kOpen || host_->keeps_idle) return;
  if (first_ == nullptr && is_receiving_body_) {
    GiveUpBody();
  } else if (first_ == nullptr && input_length_ == 0 && out.empty()) {
    if (is_fresh_) {
      host_->wheel.Set(&timer, host_->now_ms + kDrainFreshMs);
    } else {
      CloseNow();
    }
  }
}

bool HttpConnection::Yield() {
  if (is_stream()) return false;
  bool carries_nothing = state_ == State::kOpen && first_ == nullptr && unwritten_first_ == nullptr &&
                         !is_receiving_body_ && input_length_ == 0 && out.empty();
  if (!carries_nothing || options_->offers_connections) return false;
  // Without a deadline it may stay for ever, but not at the cost of others: how long it has been silent nobody knows.
  if (timer.deadline_ms != TimerEntry::kNever) {
    uint64_t patience = is_fresh_ ? options_->limits.header_timeout_ms : options_->limits.keep_alive_ms;
    if (timer.deadline_ms + kYieldAfterMs > host_->now_ms + patience) return false;
  }
  CloseNow();
  return true;
}

// As with bodies (BodyRateDeadlineMs), time empties a bucket and bytes fill it: only while some wait that the kernel
// has no room for, so that an application that takes its time costs nobody anything, and never beyond write_timeout_ms.
void HttpConnection::NoteTaken(bool waits, size_t written) {
  const uint64_t now = host_->now_us;
  const uint64_t untaken = UntakenBytes(fd());
  const uint64_t sent = is_secure() ? wire_bytes() : bytes_written_;
  const uint64_t taken = sent > untaken ? sent - untaken : 0;
  if (write_looked_us_ != 0) write_spent_us_ += now - write_looked_us_;
  write_looked_us_ = waits ? now : 0;
  // Over a unix socket the kernel counts its own pieces, too, and so what was taken may seem to shrink.
  const uint64_t bytes = taken > taken_bytes_ ? taken - taken_bytes_ : 0;
  taken_bytes_ += bytes;
  if (bytes > 0 || written > 0) untaken_since_ms_ = static_cast<uint32_t>(host_->now_ms);
  const uint64_t rate = options_->limits.write_rate_min;
  if (rate == 0) return;
  const uint64_t bought = bytes >= rate * 86400 ? write_spent_us_ : bytes * 1000000 / rate;
  write_spent_us_ -= bought < write_spent_us_ ? bought : write_spent_us_;
}

uint64_t HttpConnection::WriteRateDeadlineMs() const {
  const HttpLimits& limits = options_->limits;
  if (limits.write_rate_min == 0 || limits.write_timeout_ms == 0 || write_looked_us_ == 0) return TimerEntry::kNever;
  return (write_looked_us_ + uint64_t{limits.write_timeout_ms} * 1000 - write_spent_us_) / 1000 + 1;
}

void HttpConnection::UpdateDeadline() {
  const HttpLimits& limits = options_->limits;
  uint64_t now = host_->now_ms;
  uint64_t after = 0;  // milliseconds; 0: no deadline
  uint64_t from = now;
  if (!out.empty()) {
    // Neither what the peer sends nor what the worker adds gives it more time to take what waits.
    if (phase_ != ConnectionPhase::kWriting) untaken_since_ms_ = static_cast<uint32_t>(now);
    SetPhase(ConnectionPhase::kWriting);
    after = limits.write_timeout_ms;
    from = now - static_cast<uint32_t>(static_cast<uint32_t>(now) - untaken_since_ms_);
    const uint64_t rate_deadline = WriteRateDeadlineMs();
    is_rate_due_ = rate_deadline < from + after;
    if (is_rate_due_) after = rate_deadline > from ? rate_deadline - from : 1;
  } else if (tunnel_ != nullptr) {
    SetPhase(ConnectionPhase::kHandling);
    // Its peers know best how long to wait.
  } else if (is_receiving_body_) {
    SetPhase(ConnectionPhase::kReading);
    // Only while we are waiting for the peer, and not for the application.
    const uint64_t rate_deadline = BodyRateDeadlineMs();
    if (!IsBodyHeld()) {
      after = limits.body_timeout_ms;
      is_rate_due_ = rate_deadline < from + after;
      if (is_rate_due_) after = rate_deadline > from ? rate_deadline - from : 1;
    }
  } else if (first_ != nullptr) {
    SetPhase(ConnectionPhase::kHandling);
    if (is_fault_waiting_) {
      after = kFaultWaitMs;
    } else if (peer_ended_) {
      after = kHalfCloseMs;
    }
  } else if (head_started_ms_ != 0) {
    SetPhase(ConnectionPhase::kReading);
    after = limits.header_timeout_ms;
    from = head_started_ms_;
  } else if (is_fresh_) {
    SetPhase(ConnectionPhase::kNew);
    after = host_->is_draining && !host_->keeps_idle ? kDrainFreshMs : limits.header_timeout_ms;
  } else {
    SetPhase(ConnectionPhase::kIdle);
    after = limits.keep_alive_ms;
  }
  uint64_t deadline = after == 0 ? TimerEntry::kNever : from + after;
  if (limits.request_timeout_ms != 0 && first_ != nullptr) {
    const uint64_t request_deadline = RequestDeadlineMs();
    if (request_deadline < deadline) deadline = request_deadline;
  }
  if (deadline == TimerEntry::kNever) {
    host_->wheel.Clear(&timer);
  } else {
    host_->wheel.Set(&timer, deadline);
  }
}

// As a bucket that holds body_timeout_ms at most: time empties it, and bytes fill it. So a body that comes at the least
// rate has as long as it takes, and one byte now and then buys next to nothing.
uint64_t HttpConnection::BodyRateDeadlineMs() {
  const uint32_t rate = options_->limits.body_rate_min;
  if (rate == 0) return TimerEntry::kNever;
  const uint64_t now = host_->now_us;
  if (body_held_us_ != 0) {
    body_due_us_ += now - body_held_us_;
    body_held_us_ = 0;
  }
  if (IsBodyHeld()) body_held_us_ = now;
  const uint64_t bytes = body_received_ - body_counted_;
  body_counted_ = body_received_;
  const uint64_t full = now + uint64_t{options_->limits.body_timeout_ms} * 1000;
  const uint64_t bought = bytes >= uint64_t{rate} * 86400 ? full : body_due_us_ + bytes * 1000000 / rate;
  body_due_us_ = bought < full ? bought : full;
  return body_due_us_ / 1000 + 1;
}

uint64_t HttpConnection::RequestDeadlineMs() const {
  const uint32_t limit_ms = options_->limits.request_timeout_ms;
  // The peers of a tunnel know best how long to wait.
  if (limit_ms == 0 || first_ == nullptr || tunnel_ != nullptr || state_ != State::kOpen) return TimerEntry::kNever;
  // A file takes as long as its client needs, and no worker's time; its own waits have an end (file_server.h).
  if (first_->transfer != nullptr) return TimerEntry::kNever;
  const uint64_t deadline = first_->begun_us / 1000 + limit_ms + 1;
  if (first_since_ms_ == 0) return deadline;
  const uint64_t turn_end = first_since_ms_ + kTurnMs;
  return deadline > turn_end ? deadline : turn_end;
}

// Whoever kept it: a worker, which is told that nobody waits any more, the queue, or the client with its body.
void HttpConnection::TimeOutRequest() {
  Exchange* exchange = first_;
  host_->stats.request_timeouts++;
  host_->NoteTimedOut(exchange);
  if (exchange->response_started) {
    // Too late for a status: the peer sees the response end early.
    Destroy();
    return;
  }
  if (exchange == body_exchange_ && !IsBodyHeld()) {
    Refuse(408);
    return;
  }
  abort_reason_ = kAbortTimeout;
  host_->Withdraw(exchange);
  abort_reason_ = kAbortGone;
  AnswerCanned(exchange, 504,
               !exchange->keep_alive || DrainForcesClose(exchange) || BodyForcesClose(exchange, kRefusedBytesMax));
}

void HttpConnection::SetPhase(ConnectionPhase phase) {
  if (phase == phase_) return;
  // The connection of a stream is counted itself, and no stream.
  if (!is_stream()) host_->CountPhase(phase_, phase);
  phase_ = phase;
}

void HttpConnection::HandleTimer() {
  if (RequestDeadlineMs() <= host_->now_ms) {
    TimeOutRequest();
  } else if (state_ == State::kLingering) {
    CloseNow();
  } else if (!out.empty()) {
    NoteTaken(write_looked_us_ != 0, 0);
    UpdateDeadline();
    // It has taken some of what the kernel holds.
    if (timer.deadline_ms > host_->now_ms) return;
    (is_rate_due_ ? host_->stats.write_rate_timeouts : host_->stats.write_timeouts)++;
    // What the kernel holds for the peer goes as well.
    SetReset();
    Abort();
  } else if (state_ != State::kOpen || tunnel_ != nullptr) {
    return;
  } else if (needs_proxy_header_) {
    host_->stats.proxy_timeouts++;
    CloseNow();
  } else if (is_receiving_body_) {
    (is_rate_due_ ? host_->stats.body_rate_timeouts : host_->stats.body_timeouts)++;
    if (body_exchange_ != nullptr) {
      Refuse(408);
    } else {
      GiveUpBody();
    }
  } else if (first_ != nullptr) {
    if (is_fault_waiting_) {
      abort_reason_ = kAbortFault;
      DropFrom(first_);
      ResumeInput();
      if (state_ == State::kOpen) UpdateDeadline();
    } else if (peer_ended_) {
      Abort();
    }
  } else if (head_started_ms_ != 0) {
    host_->stats.header_timeouts++;
    RefuseHead(408, input_, input_length_);
  } else {
    (is_fresh_ ? host_->stats.header_timeouts : host_->stats.keep_alive_timeouts)++;
    CloseNow();
  }
}

}  // namespace hornet

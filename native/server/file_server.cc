#include "server/file_server.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <string>

#include "base/check.h"
#include "http/response_encoder.h"
#include "static/file_head.h"

namespace hornet {

namespace {

int64_t UnixNs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

FileRequest ReadRequest(Method method, const RequestHead& head, const char* head_bytes) {
  FileRequest request;
  request.is_head = method == Method::kHead;
  for (uint32_t i = 0; i < head.field_count; i++) {
    const HeadField& field = head.fields[i];
    if (field.id != FieldName::kOther) continue;
    request.Take({head_bytes + field.name_offset, field.name_length},
                 {head_bytes + field.value_offset, field.value_length});
  }
  return request;
}

// The same of a request whose text is stored (records.h describes it).
FileRequest ReadStored(const Exchange* exchange) {
  FileRequest request;
  request.is_head = exchange->method == Method::kHead;
  const char* at = exchange->text->data() + exchange->target_length + 1;
  auto next = [&at] {
    const std::string_view text(at);
    at += text.size() + 1;
    return text;
  };
  for (uint32_t i = 0; i < exchange->header_count; i++) {
    const std::string_view name = next();
    request.Take(name, next());
  }
  return request;
}

AcceptedCodings CodingsFor(const FileRequest& request) {
  return ReadAcceptEncoding(request.fields[FileRequest::kAcceptEncoding]);
}

}  // namespace

void FileSettings::Complete() {
  SortMounts(&mounts);
  for (StaticMount& mount : mounts) mount.is_quick = may_look_up && IsQuickFolder(mount.folder);
}

// Looks a file up where that may take its time.
class FileServer::OpenTask final : public FileTask {
 public:
  OpenTask(FileServer* server, Exchange* exchange, const FilePath& found, const AcceptedCodings& codings)
      : id(exchange->id),
        server_(server),
        settings_(server->settings_),
        mount_(*found.mount),
        path_(found.path),
        is_folder_(found.is_folder),
        codings_(codings),
        method_(server->method_) {}

  void Run() override {
    result = OpenFileBeneath(mount_, path_, is_folder_, codings_, Wait::kDisk, method_, &file);
  }
  void Finish(std::shared_ptr<FileTask> self) override {
    server_->post_([server = server_, self = std::move(self)] {
      server->HandleOpened(static_cast<OpenTask*>(self.get()));
    });
  }

  const SlabId id;
  OpenResult result = OpenResult::kMissing;
  OpenFile file;

 private:
  FileServer* server_;
  const std::shared_ptr<const FileSettings> settings_;
  const StaticMount& mount_;  // of those
  const std::string path_;
  const bool is_folder_;
  const AcceptedCodings codings_;
  const BeneathMethod method_;
};

// Reads a piece where that may take its time.
class FileServer::ReadTask final : public FileTask {
 public:
  ReadTask(FileServer* server, const FileTransfer* transfer, Block* block_in)
      : id(transfer->exchange),
        block(block_in),
        server_(server),
        fd_(transfer->fd),
        offset_(transfer->offset) {}
  ~ReadTask() override {
    if (block != nullptr) block->Drop();
  }

  void Run() override { count = ReadFileAt(fd_->get(), block->data(), block->capacity, offset_, Wait::kDisk); }
  void Finish(std::shared_ptr<FileTask> self) override {
    server_->post_([server = server_, self = std::move(self)] {
      server->HandleRead(static_cast<ReadTask*>(self.get()));
    });
  }

  const SlabId id;
  Block* block;
  int64_t count = 0;

 private:
  FileServer* server_;
  const std::shared_ptr<Fd> fd_;
  const uint64_t offset_;
};

FileServer::FileServer(HttpHost* host, Slab<Exchange>* exchanges, FileThreads* threads, uint64_t timeout_ms,
                       std::function<void(std::function<void()>)> post)
    : host_(host), exchanges_(exchanges), threads_(threads), timeout_ms_(timeout_ms), post_(std::move(post)) {}

FileService::Taken FileServer::Take(Exchange* exchange, const RequestHead& head, const char* head_bytes,
                                    bool is_next) {
  char buffer[kFilePathBytesMax];
  FilePath found;
  const std::string_view target(head_bytes + head.target_offset, head.target_length);
  if (!FindFilePath(target, settings_->mounts, buffer, &found)) return Taken::kNo;
  if (!found.mount->is_quick) return Taken::kLater;
  const FileRequest request = ReadRequest(exchange->method, head, head_bytes);
  OpenFile file;
  const OpenResult result = OpenFileBeneath(*found.mount, found.path, found.is_folder, CodingsFor(request),
                                            Wait::kNever, method_, &file);
  if (result == OpenResult::kMissing) return Taken::kNo;
  // Nothing of a file is read before its turn: who asks for many at once would have all of them kept here.
  if (result == OpenResult::kNotNow || !is_next) return Taken::kLater;
  if (result == OpenResult::kFile && file.size > kWholeBytesMax && open_ >= settings_->transfers_max) {
    return Taken::kLater;
  }
  if (result == OpenResult::kFolder) {
    Redirect(exchange, target);
  } else {
    Answer(exchange, request, result, &file);
  }
  return Taken::kAnswered;
}

void FileServer::Park(Exchange* exchange, bool is_next) {
  exchange->state = ExchangeState::kAnswering;
  TransferOf(exchange);
  if (is_next) {
    Begin(exchange);
  } else {
    // Continue() follows, as for a worker's stream, when its turn has come.
    exchange->response_uncredited = kCreditStepBytes;
  }
}

void FileServer::Continue(Exchange* exchange) {
  FileTransfer* transfer = exchange->transfer;
  if (transfer == nullptr || transfer->is_ready) return;
  transfer->is_ready = true;
  ready_.push_back(exchange->id);
}

void FileServer::Abandon(Exchange* exchange) {
  FileTransfer* transfer = exchange->transfer;
  exchange->transfer = nullptr;
  exchange->response_uncredited = 0;
  transfer->link.Unlink();
  CloseFile(transfer);
  delete transfer;
}

void FileServer::Run() {
  for (uint32_t pieces = 0; pieces < kPiecesPerTurn && !ready_.empty(); pieces++) {
    const SlabId id = ready_.front();
    ready_.pop_front();
    Exchange* exchange = exchanges_->Find(id.index, id.generation);
    if (exchange == nullptr || exchange->transfer == nullptr) continue;
    FileTransfer* transfer = exchange->transfer;
    transfer->is_ready = false;
    if (transfer->phase == Phase::kSending) {
      SendNext(exchange);
    } else if (transfer->phase == Phase::kParked) {
      Begin(exchange);
    }
  }
}

void FileServer::CheckDeadlines() {
  while (FileTransfer* transfer = waiting_.front()) {
    if (host_->now_ms - transfer->since_ms < timeout_ms_) return;
    transfer->link.Unlink();
    Exchange* exchange = exchanges_->Find(transfer->exchange.index, transfer->exchange.generation);
    // 503, or a response that ends early.
    exchange->connection->Fail(exchange, 503);
  }
}

// Its text is stored, and its turn has come.
void FileServer::Begin(Exchange* exchange) {
  FileTransfer* transfer = exchange->transfer;
  exchange->response_uncredited = 0;
  char buffer[kFilePathBytesMax];
  FilePath found;
  const std::string_view target(exchange->text->data(), exchange->target_length);
  const FileRequest request = ReadStored(exchange);
  // The mounts may be others by now.
  if (!FindFilePath(target, settings_->mounts, buffer, &found)) {
    Answer(exchange, request, OpenResult::kMissing, nullptr);
    return;
  }
  const AcceptedCodings codings = CodingsFor(request);
  OpenFile file;
  OpenResult result = OpenResult::kNotNow;
  if (found.mount->is_quick) {
    result = OpenFileBeneath(*found.mount, found.path, found.is_folder, codings, Wait::kNever, method_, &file);
  }
  if (result != OpenResult::kNotNow) {
    Answer(exchange, request, result, &file);
  } else if (threads_->Post(std::make_shared<OpenTask>(this, exchange, found, codings))) {
    Wait(transfer, Phase::kOpening);
  } else {
    Answer(exchange, request, OpenResult::kBusy, nullptr);
  }
}

void FileServer::Wait(FileTransfer* transfer, Phase phase) {
  transfer->phase = phase;
  transfer->since_ms = host_->now_ms;
  transfer->link.Unlink();
  waiting_.PushBack(transfer);
}

void FileServer::HandleOpened(OpenTask* task) {
  Exchange* exchange = exchanges_->Find(task->id.index, task->id.generation);
  if (exchange == nullptr || exchange->transfer == nullptr || exchange->transfer->phase != Phase::kOpening) return;
  exchange->transfer->link.Unlink();
  Answer(exchange, ReadStored(exchange), task->result, &task->file);
}

void FileServer::Answer(Exchange* exchange, const FileRequest& request, OpenResult result, OpenFile* file) {
  switch (result) {
    case OpenResult::kFile:
      Send(exchange, request, file);
      return;
    case OpenResult::kFolder:
      Redirect(exchange, {exchange->text->data(), exchange->target_length});
      return;
    case OpenResult::kMissing:
      // Only a parked one comes here with nothing: its text is stored. Its deadline is that of other requests again.
      Abandon(exchange);
      host_->MarkDirty(exchange->connection);
      host_->DispatchStored(exchange);
      return;
    case OpenResult::kForbidden:
      exchange->connection->Fail(exchange, 403);
      return;
    case OpenResult::kBusy:
    case OpenResult::kNotNow:
      exchange->connection->Fail(exchange, 503);
      return;
  }
}

void FileServer::Redirect(Exchange* exchange, std::string_view target) {
  std::string text = "HTTP/1.1 301 Moved Permanently\r\nLocation: ";
  text += FolderLocation(target);
  text += "\r\nCache-Control: public, max-age=";
  text += std::to_string(settings_->max_age_seconds);
  text += "\r\n";
  char end[kHeadTailBytesMax];
  HeadTail tail = exchange->connection->TailFor(exchange);
  tail.with_length = true;
  text.append(end, EncodeHeadTail(tail, end));
  exchange->state = ExchangeState::kAnswering;
  exchange->status = 301;
  host_->stats.files++;
  const auto length = static_cast<uint32_t>(text.size());
  Block* block = Block::Make(length);
  std::memcpy(block->data(), text.data(), length);
  block->length = length;
  exchange->connection->SendRaw(exchange, kChunkHead | kChunkLast | (tail.close ? kChunkClose : 0u), nullptr, length,
                                block);
}

void FileServer::Send(Exchange* exchange, const FileRequest& request, OpenFile* file) {
  FileHead head;
  head.version = MakeVersion(file->size, file->modified_ns, file->inode, file->coding, UnixNs());
  head.selection = Select(request, head.version);
  head.type = file->type;
  head.coding = file->coding;
  head.max_age_seconds = settings_->max_age_seconds;
  const uint64_t body = request.is_head ? 0 : head.selection.length;
  const bool is_whole = body == 0 || (body <= kWholeBytesMax && file->is_quick);
  if (!is_whole && open_ >= settings_->transfers_max) {
    // Begins again when another one has ended. Who comes here is parked: Take() has looked before.
    file->fd.Reset(-1);
    Wait(TransferOf(exchange), Phase::kQueued);
    queued_.push_back(exchange->id);
    return;
  }
  HttpConnection* connection = exchange->connection;
  HeadTail tail = connection->TailFor(exchange);
  tail.with_length = head.selection.answer != FileAnswer::kNotModified;
  tail.content_length = head.selection.length;
  const auto capacity =
      static_cast<uint32_t>(kFileHeadBytesMax + kHeadTailBytesMax + (is_whole ? body : 0));
  Block* block = Block::Make(capacity);
  size_t length = WriteFileHead(head, block->data());
  length += EncodeHeadTail(tail, block->data() + length);
  uint64_t left = body;
  if (is_whole && body > 0) {
    const int64_t count = ReadFileAt(file->fd.get(), block->data() + length, body, head.selection.first, Wait::kNever);
    if (count > 0) {
      length += static_cast<size_t>(count);
      left -= static_cast<uint64_t>(count);
    }
  }
  block->length = static_cast<uint32_t>(length);
  exchange->state = ExchangeState::kAnswering;
  exchange->status = static_cast<uint16_t>(FileStatus(head.selection.answer));
  host_->stats.files++;
  if (left > 0) {
    FileTransfer* transfer = TransferOf(exchange);
    transfer->phase = Phase::kSending;
    transfer->fd = std::make_shared<Fd>(std::move(file->fd));
    transfer->is_quick = file->is_quick;
    transfer->offset = head.selection.first + (body - left);
    transfer->left = left;
    open_++;
  }
  const uint32_t flags = kChunkHead | (left == 0 ? kChunkLast : 0u) | (tail.close ? kChunkClose : 0u);
  connection->SendRaw(exchange, flags, nullptr, block->length, block);
  if (left > 0) exchange->response_uncredited = std::max(exchange->response_uncredited, kCreditStepBytes);
}

void FileServer::SendNext(Exchange* exchange) {
  FileTransfer* transfer = exchange->transfer;
  const auto length = static_cast<uint32_t>(std::min<uint64_t>(transfer->left, kPieceBytes));
  Block* block = Block::Make(length);
  const int64_t count =
      transfer->is_quick ? ReadFileAt(transfer->fd->get(), block->data(), length, transfer->offset, Wait::kNever)
                         : -EAGAIN;
  if (count != -EAGAIN) {
    SendPiece(exchange, block, count);
  } else if (threads_->Post(std::make_shared<ReadTask>(this, transfer, block))) {
    Wait(transfer, Phase::kReading);
  } else {
    exchange->connection->Destroy();
  }
}

void FileServer::HandleRead(ReadTask* task) {
  Exchange* exchange = exchanges_->Find(task->id.index, task->id.generation);
  if (exchange == nullptr || exchange->transfer == nullptr || exchange->transfer->phase != Phase::kReading) return;
  exchange->transfer->link.Unlink();
  exchange->transfer->phase = Phase::kSending;
  Block* block = task->block;
  task->block = nullptr;
  SendPiece(exchange, block, task->count);
}

// Takes the block, which holds `count` bytes, or none when the file ended before its time or could not be read.
void FileServer::SendPiece(Exchange* exchange, Block* block, int64_t count) {
  if (count <= 0) {
    block->Drop();
    // The length has been promised: only an end of the connection says that it was wrong.
    exchange->connection->Destroy();
    return;
  }
  FileTransfer* transfer = exchange->transfer;
  block->length = static_cast<uint32_t>(count);
  transfer->offset += static_cast<uint64_t>(count);
  transfer->left -= static_cast<uint64_t>(count);
  const bool is_last = transfer->left == 0;
  exchange->connection->SendRaw(exchange, is_last ? kChunkLast : 0u, nullptr, block->length, block);
  if (!is_last) exchange->response_uncredited = std::max(exchange->response_uncredited, kCreditStepBytes);
}

FileTransfer* FileServer::TransferOf(Exchange* exchange) {
  if (exchange->transfer == nullptr) {
    exchange->transfer = new FileTransfer;
    exchange->transfer->exchange = exchange->id;
  }
  return exchange->transfer;
}

void FileServer::CloseFile(FileTransfer* transfer) {
  if (transfer->fd == nullptr) return;
  transfer->fd = nullptr;
  open_--;
  while (!queued_.empty()) {
    const SlabId id = queued_.front();
    queued_.pop_front();
    Exchange* next = exchanges_->Find(id.index, id.generation);
    if (next == nullptr || next->transfer == nullptr || next->transfer->phase != Phase::kQueued) continue;
    next->transfer->link.Unlink();
    next->transfer->phase = Phase::kParked;
    Continue(next);
    return;
  }
}

}  // namespace hornet

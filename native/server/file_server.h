// Serves files for the connections of one I/O thread. What the kernel has in memory is answered at once; whatever might
// wait for a disk is left to FileThreads.
//
// A file that does not fit one piece is sent as a worker's stream would be: a piece, then credit once the peer has
// taken most of it (http_connection.h), then the next. One turn of the loop reads kPiecesPerTurn of them, over all
// connections, so that none waits for the others' downloads.
//
// Thread: the I/O thread. Owner: IoThread.
// Bounds: files open for sending <= settings.transfers_max, further ones wait; each has one piece of kPieceBytes beside
//         what its connection holds (kOutLowBytes). All waiting ends at `timeout_ms`.
#ifndef HORNET_SERVER_FILE_SERVER_H_
#define HORNET_SERVER_FILE_SERVER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "base/list.h"
#include "base/slab.h"
#include "http/exchange.h"
#include "http/file_service.h"
#include "http/http_connection.h"
#include "static/file_path.h"
#include "static/file_threads.h"
#include "static/open_beneath.h"

namespace hornet {

struct FileSettings {
  StaticMounts mounts;
  uint32_t max_age_seconds = 0;
  uint32_t transfers_max = 512;  // of one I/O thread
  bool may_look_up = true;  // at once, where that takes no waiting; otherwise file threads do it all

  // Fills in what follows from the above. Looks at the folders.
  void Complete();
};

// A request for a file that was not answered at once. Owner: its exchange. Life: Park() or Send() to Abandon().
struct FileTransfer {
  enum class Phase : uint8_t {
    kParked,   // earlier responses of its connection come first, or it is about to begin
    kQueued,   // too many files are open
    kOpening,  // a file thread looks it up
    kSending,  // waits for credit
    kReading,  // a file thread reads the next piece
  };
  SlabId exchange;
  ListLink link;          // in FileServer::waiting_
  uint64_t since_ms = 0;  // since when it is there
  Phase phase = Phase::kParked;
  bool is_quick = false;  // the file may be read at once
  bool is_ready = false;  // among those to go on in the next turn
  std::shared_ptr<Fd> fd;
  uint64_t offset = 0;    // of the next piece
  uint64_t left = 0;      // bytes still to be sent
};

class FileServer final : public FileService {
 public:
  // `post` runs a task on the I/O thread, from any.
  FileServer(HttpHost* host, Slab<Exchange>* exchanges, FileThreads* threads, uint64_t timeout_ms,
             std::function<void(std::function<void()>)> post);

  void Configure(std::shared_ptr<const FileSettings> settings) { settings_ = std::move(settings); }

  Taken Take(Exchange* exchange, const RequestHead& head, const char* head_bytes, bool is_next) override;
  void Park(Exchange* exchange, bool is_next) override;
  // The exchange may send more, or its turn has come: in Run().
  void Continue(Exchange* exchange);
  // The exchange ends, or becomes an application's.
  void Abandon(Exchange* exchange);

  // Once a turn. Afterwards has_ready() tells whether another turn must follow at once.
  void Run();
  bool has_ready() const { return !ready_.empty(); }
  // CheckDeadlines() is to be called again.
  bool has_waiting() const { return !waiting_.empty(); }
  // Ends what has waited too long.
  void CheckDeadlines();

 private:
  class OpenTask;
  class ReadTask;
  using Phase = FileTransfer::Phase;

  static constexpr uint32_t kPieceBytes = 64 * 1024;
  static constexpr uint32_t kPiecesPerTurn = 16;
  // A file up to this size is read at once, behind its head. With the head and the piece's own it fits the allocator's
  // bins.
  static constexpr uint64_t kWholeBytesMax = 32 * 1024;

  void Begin(Exchange* exchange);
  void Wait(FileTransfer* transfer, Phase phase);
  void HandleOpened(OpenTask* task);
  void HandleRead(ReadTask* task);
  void Answer(Exchange* exchange, const FileRequest& request, OpenResult result, OpenFile* file);
  void Send(Exchange* exchange, const FileRequest& request, OpenFile* file);
  void Redirect(Exchange* exchange, std::string_view target);
  void SendNext(Exchange* exchange);
  void SendPiece(Exchange* exchange, Block* block, int64_t count);
  FileTransfer* TransferOf(Exchange* exchange);
  void CloseFile(FileTransfer* transfer);

  HttpHost* host_;
  Slab<Exchange>* exchanges_;
  FileThreads* threads_;
  const uint64_t timeout_ms_;
  const std::function<void(std::function<void()>)> post_;
  const BeneathMethod method_ = BestBeneathMethod();
  std::shared_ptr<const FileSettings> settings_;
  uint32_t open_ = 0;  // files open for sending
  // Of kQueued, kOpening and kReading, the longest waiting first.
  List<FileTransfer, &FileTransfer::link> waiting_;
  std::deque<SlabId> queued_;  // kQueued; some may be gone
  std::deque<SlabId> ready_;
};

}  // namespace hornet

#endif  // HORNET_SERVER_FILE_SERVER_H_

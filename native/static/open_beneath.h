// Opens files for reading below a folder, and nowhere else, whatever symbolic links lie there. System calls, no libuv.
// Thread: any.
#ifndef HORNET_STATIC_OPEN_BENEATH_H_
#define HORNET_STATIC_OPEN_BENEATH_H_

#include <unistd.h>

#include <cstdint>
#include <string>

#include "static/conditions.h"
#include "static/content_type.h"
#include "static/file_path.h"

namespace hornet {

// A descriptor, closed with its owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  ~Fd() { Reset(-1); }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int Release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void Reset(int fd) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// How far this system helps. kStrict: openat2() keeps the look-up inside (Linux 5.6); kVerified: the file is opened,
// and kept only if the system says that it lies inside (elsewhere, and where a sandbox forbids openat2).
enum class BeneathMethod : uint8_t { kStrict, kVerified };
BeneathMethod BestBeneathMethod();

// Whether Wait::kNever works for this folder: on Linux 5.12 and newer, when it lies on a disk of this machine. File
// systems of a network, and those that a process serves, are asked by each open() and read(), however much the kernel
// holds. Waits for the disk itself.
bool IsQuickFolder(const std::string& folder);

enum class Wait : uint8_t {
  kNever,  // only what the kernel has in memory
  kDisk,   // as long as it takes
};

enum class OpenResult : uint8_t {
  kFile,
  kFolder,     // a folder that was named without its slash, and has an index
  kMissing,    // nothing that is served
  kForbidden,  // it is there, and this process may not read it
  kBusy,       // no descriptor, or no memory, is left
  kNotNow,     // with Wait::kNever: that cannot be told without waiting, or it lies on another file system
};

struct OpenFile {
  Fd fd;
  uint64_t size = 0;        // bytes
  int64_t modified_ns = 0;  // Unix nanoseconds
  uint64_t inode = 0;
  bool is_quick = false;    // Wait::kNever may be used to read it
  Coding coding = Coding::kIdentity;
  const ContentType* type = nullptr;  // of the file without the ending of its coding
};

// The file at a place that FindFilePath() gave, its index.html for a folder with its slash; or, of the codings given,
// the first that lies beside it. The mount's folder is looked up each time: deployments replace it.
OpenResult OpenFileBeneath(const StaticMount& mount, std::string_view path, bool is_folder,
                           const AcceptedCodings& codings, Wait wait, BeneathMethod method, OpenFile* file);

// Reads into `data` at `offset`; bytes, 0 at the end of the file, -EAGAIN (with Wait::kNever: they are not in memory)
// or another negative errno.
int64_t ReadFileAt(int fd, char* data, size_t length, uint64_t offset, Wait wait);

}  // namespace hornet

#endif  // HORNET_STATIC_OPEN_BENEATH_H_

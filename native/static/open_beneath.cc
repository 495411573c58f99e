#include "static/open_beneath.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#ifdef __linux__
#include <sys/syscall.h>
#include <sys/vfs.h>
#endif

namespace hornet {

namespace {

constexpr char kIndex[] = "index.html";
// A look-up is cut off when something is renamed meanwhile; who renames without end gets no file.
constexpr int kRenameTries = 8;

#if defined(__linux__) && defined(SYS_openat2)
constexpr bool kHasStrict = true;

// As in <linux/openat2.h>, which older systems have not.
struct OpenHow {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};
constexpr uint64_t kNoMounts = 0x01;
constexpr uint64_t kNoMagicLinks = 0x02;
constexpr uint64_t kBeneath = 0x08;
constexpr uint64_t kCached = 0x20;

int OpenAt2(int folder, const char* path, int flags, uint64_t resolve) {
  OpenHow how = {};
  how.flags = static_cast<uint64_t>(static_cast<unsigned>(flags));
  how.resolve = resolve;
  for (;;) {
    const int fd = static_cast<int>(syscall(SYS_openat2, folder, path, &how, sizeof(how)));
    if (fd >= 0 || errno != EINTR) return fd;
  }
}
#else
constexpr bool kHasStrict = false;
constexpr uint64_t kNoMounts = 0;
constexpr uint64_t kNoMagicLinks = 0;
constexpr uint64_t kBeneath = 0;
constexpr uint64_t kCached = 0;

int OpenAt2(int, const char*, int, uint64_t) {
  errno = ENOSYS;
  return -1;
}
#endif

#ifdef O_PATH
constexpr int kFolderFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;
#else
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
#endif
// Not blocking: a pipe must not keep anybody waiting for its writer.
constexpr int kFileFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// Where an open file lies, as the system says.
bool PathOfFd(int fd, char* out) {
#if defined(__APPLE__)
  return fcntl(fd, F_GETPATH, out) == 0;
#else
  char link[32];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, out, PATH_MAX - 1);
  if (length <= 0) return false;
  out[length] = '\0';
  return true;
#endif
}

bool LiesIn(int fd, int folder) {
  char path[PATH_MAX];
  char base[PATH_MAX];
  if (!PathOfFd(fd, path) || !PathOfFd(folder, base)) return false;
  const size_t length = std::strcmp(base, "/") == 0 ? 0 : std::strlen(base);
  return std::strncmp(path, base, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

Fd OpenRoot(const std::string& folder, Wait wait) {
  if (wait == Wait::kNever) return Fd(OpenAt2(AT_FDCWD, folder.c_str(), kFolderFlags, kCached));
  return Fd(open(folder.c_str(), kFolderFlags));
}

// -1 with errno, which is EXDEV for what lies outside.
Fd OpenIn(int root, const char* path, Wait wait, BeneathMethod method) {
  if (method == BeneathMethod::kStrict || wait == Wait::kNever) {
    // What is mounted further down may be of another kind than the folder itself.
    const uint64_t resolve = kBeneath | kNoMagicLinks | (wait == Wait::kNever ? kCached | kNoMounts : 0);
    for (int i = 0;; i++) {
      const int fd = OpenAt2(root, path, kFileFlags, resolve);
      if (fd >= 0 || errno != EAGAIN || wait == Wait::kNever || i == kRenameTries) return Fd(fd);
    }
  }
  Fd file(openat(root, path, kFileFlags));
  if (file.is_open() && !LiesIn(file.get(), root)) {
    file.Reset(-1);
    errno = EXDEV;
  }
  return file;
}

OpenResult ResultOf(int error, Wait wait) {
  switch (error) {
    case EACCES:
    case EPERM:
      return OpenResult::kForbidden;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return OpenResult::kBusy;
    case EAGAIN:
    case EXDEV:
      return wait == Wait::kNever ? OpenResult::kNotNow : OpenResult::kMissing;
    default:
      return OpenResult::kMissing;
  }
}

int64_t ModifiedNs(const struct stat& info) {
#ifdef __APPLE__
  const timespec& time = info.st_mtimespec;
#else
  const timespec& time = info.st_mtim;
#endif
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

struct Folder {
  int fd;
  Wait wait;
  BeneathMethod method;
};

// kFolder stands for any folder here.
OpenResult OpenOne(const Folder& in, const std::string& path, Fd* fd, struct stat* info) {
  *fd = OpenIn(in.fd, path.empty() ? "." : path.c_str(), in.wait, in.method);
  if (!fd->is_open()) return ResultOf(errno, in.wait);
  if (fstat(fd->get(), info) != 0) return OpenResult::kMissing;
  if (S_ISREG(info->st_mode)) return OpenResult::kFile;
  return S_ISDIR(info->st_mode) ? OpenResult::kFolder : OpenResult::kMissing;
}

bool LiesOnOwnDisk(int fd) {
#ifdef __linux__
  // <linux/magic.h> has not all of them.
  constexpr uint32_t kLocal[] = {
      0xef53,      // ext2 to ext4
      0x58465342,  // XFS
      0x9123683e,  // btrfs
      0xca451a4e,  // bcachefs
      0xf2f52010,  // F2FS
      0x2fc12fc1,  // ZFS
      0x01021994,  // tmpfs
      0x858458f6,  // ramfs
      0x794c7630,  // overlayfs: containers
      0x73717368,  // SquashFS
      0xe0f5e1e2,  // EROFS
  };
  struct statfs info;
  if (fstatfs(fd, &info) != 0) return false;
  for (uint32_t type : kLocal) {
    if (static_cast<uint32_t>(info.f_type) == type) return true;
  }
#else
  static_cast<void>(fd);
#endif
  return false;
}

// Wait::kNever needs openat2() and its flag for that.
bool CanLookUpWithoutWaiting() {
  static const bool can = [] {
    if (!kHasStrict || BestBeneathMethod() != BeneathMethod::kStrict) return false;
    const Fd probe(OpenAt2(AT_FDCWD, ".", kFolderFlags, kCached));
    return probe.is_open() || errno == EAGAIN;
  }();
  return can;
}

void Describe(const struct stat& info, OpenFile* file) {
  file->size = static_cast<uint64_t>(info.st_size);
  file->modified_ns = ModifiedNs(info);
  file->inode = static_cast<uint64_t>(info.st_ino);
}

}  // namespace

BeneathMethod BestBeneathMethod() {
  static const BeneathMethod best = [] {
    if (!kHasStrict) return BeneathMethod::kVerified;
    const Fd probe(OpenAt2(AT_FDCWD, ".", kFolderFlags, kBeneath | kNoMagicLinks));
    return probe.is_open() || (errno != ENOSYS && errno != EPERM) ? BeneathMethod::kStrict : BeneathMethod::kVerified;
  }();
  return best;
}

bool IsQuickFolder(const std::string& folder) {
  if (!CanLookUpWithoutWaiting()) return false;
  const Fd fd(open(folder.c_str(), kFolderFlags));
  return fd.is_open() && LiesOnOwnDisk(fd.get());
}

OpenResult OpenFileBeneath(const StaticMount& mount, std::string_view path, bool is_folder,
                           const AcceptedCodings& codings, Wait wait, BeneathMethod method, OpenFile* file) {
  const Fd root = OpenRoot(mount.folder, wait);
  if (!root.is_open()) return ResultOf(errno, wait);
  const Folder in = {root.get(), wait, method};
  std::string name(path);
  if (is_folder) name += name.empty() ? kIndex : std::string("/") + kIndex;
  Fd fd;
  struct stat info = {};
  OpenResult result = OpenOne(in, name, &fd, &info);
  if (result == OpenResult::kFolder) {
    // A folder for the slash's sake alone: without an index there is nothing to lead to.
    if (is_folder) return OpenResult::kMissing;
    result = OpenOne(in, name.empty() ? kIndex : name + "/" + kIndex, &fd, &info);
    return result == OpenResult::kFile ? OpenResult::kFolder
                                       : result == OpenResult::kFolder ? OpenResult::kMissing : result;
  }
  if (result != OpenResult::kFile) return result;
  file->type = &ContentTypeOf(name);
  file->coding = Coding::kIdentity;
  for (uint32_t i = 0; file->type->is_compressible && i < codings.count; i++) {
    Fd other;
    struct stat its;
    result = OpenOne(in, name + CodingEnding(codings.order[i]), &other, &its);
    if (result == OpenResult::kNotNow || result == OpenResult::kBusy) return result;
    if (result != OpenResult::kFile) continue;
    fd = std::move(other);
    info = its;
    file->coding = codings.order[i];
    break;
  }
  Describe(info, file);
  file->is_quick = wait == Wait::kNever || (CanLookUpWithoutWaiting() && LiesOnOwnDisk(fd.get()));
  file->fd = std::move(fd);
  return OpenResult::kFile;
}

int64_t ReadFileAt(int fd, char* data, size_t length, uint64_t offset, Wait wait) {
  for (;;) {
    ssize_t count;
#if defined(__linux__) && defined(RWF_NOWAIT)
    if (wait == Wait::kNever) {
      iovec vector = {data, length};
      count = preadv2(fd, &vector, 1, static_cast<off_t>(offset), RWF_NOWAIT);
      // Not every file system knows the flag. And an end of the file that was not waited for need not be one.
      if (count == 0 || (count < 0 && errno == EOPNOTSUPP)) return -EAGAIN;
    } else {
      count = pread(fd, data, length, static_cast<off_t>(offset));
    }
#else
    if (wait == Wait::kNever) return -EAGAIN;
    count = pread(fd, data, length, static_cast<off_t>(offset));
#endif
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace hornet

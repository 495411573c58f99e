// From a request target to a file's place below one of the served folders. Pure: what it gives is safe to hand to the
// file system below that folder (symbolic links are open_beneath.h's to judge).
#ifndef HORNET_STATIC_FILE_PATH_H_
#define HORNET_STATIC_FILE_PATH_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hornet {

struct StaticMount {
  std::string prefix;  // of request paths: "/assets"; empty for all
  std::string folder;  // absolute
  bool is_quick = false;  // what the kernel has in memory of it can be had without waiting (open_beneath.h)
};

// The longest prefix first: the first that matches is the one that counts.
using StaticMounts = std::vector<StaticMount>;
void SortMounts(StaticMounts* mounts);

// Longer paths than any file system has are nobody's files.
constexpr size_t kFilePathBytesMax = 4096;

struct FilePath {
  const StaticMount* mount = nullptr;
  std::string_view path;   // below the mount's folder, decoded; no slash at either end, may be empty; in `buffer`
  bool is_folder = false;  // it was named with a slash at its end
};

// False when the target cannot name a file here: outside every mount, or with anything in its path that could mean
// another file than it says. Those are an encoded slash, a backslash, NUL and other controls, an empty or a dot
// segment, a bad escape; and segments that begin with a dot, which are not meant for the public, but .well-known
// (RFC 8615).
// `buffer` has kFilePathBytesMax bytes.
bool FindFilePath(std::string_view target, const StaticMounts& mounts, char* buffer, FilePath* found);

// Where a folder lies that was named without the slash at its end: the target's own path, that slash, and its query.
std::string FolderLocation(std::string_view target);

}  // namespace hornet

#endif  // HORNET_STATIC_FILE_PATH_H_

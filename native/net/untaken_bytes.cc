#include "net/untaken_bytes.h"

#ifdef __linux__
#include <linux/sockios.h>
#include <sys/ioctl.h>
#else
#include <sys/socket.h>
#endif

namespace hornet {

uint64_t UntakenBytes(int fd) {
#if defined(__linux__)
  int bytes = 0;
  if (ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0) return static_cast<uint64_t>(bytes);
#elif defined(SO_NWRITE)
  int bytes = 0;
  socklen_t length = sizeof(bytes);
  if (getsockopt(fd, SOL_SOCKET, SO_NWRITE, &bytes, &length) == 0 && bytes > 0) return static_cast<uint64_t>(bytes);
#endif
  return 0;
}

}  // namespace hornet

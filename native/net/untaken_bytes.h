// What a peer has yet to take of all that was written to its socket.
#ifndef HORNET_NET_UNTAKEN_BYTES_H_
#define HORNET_NET_UNTAKEN_BYTES_H_

#include <cstdint>

namespace hornet {

// Bytes that the kernel holds for the peer of `fd` and has no acknowledgement of; 0 where it does not tell. The socket
// is writable again only when a third of its buffer is free, which may be a megabyte and take a slow client a minute:
// without this it would look as if it took nothing meanwhile.
uint64_t UntakenBytes(int fd);

}  // namespace hornet

#endif  // HORNET_NET_UNTAKEN_BYTES_H_

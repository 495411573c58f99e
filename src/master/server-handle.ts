/**
 * Sockets as Node itself binds them and passes them to other processes: what `net.Server` holds inside. Node's cluster
 * stands on the same.
 */
import net from 'node:net'

export interface Handle {
  readonly fd: number
  getsockname?: (out: object) => number
  /** Closes the descriptor, in the next turn of the event loop. */
  close(): void
}

type CreateHandle = (
  address: string | null,
  port: number | null,
  addressType: number | null,
  fd: number | undefined,
  flags: number | undefined,
) => Handle | number

const { _createServerHandle } = net as unknown as { _createServerHandle: CreateHandle }

/** Binds, or takes `fd` over. A negative errno when it cannot. */
export const createHandle: CreateHandle = _createServerHandle

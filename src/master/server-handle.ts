/**
 * Sockets as Node itself binds them and passes them to other processes: what `net.Server` holds inside. Node's cluster
 * stands on the same.
 */
import { builtins } from '../builtins.js'

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

/** Binds, or takes `fd` over. A negative errno when it cannot. */
export const createHandle: CreateHandle = (...args) => {
  const { _createServerHandle } = builtins.net() as unknown as { _createServerHandle: CreateHandle }
  return _createServerHandle(...args)
}

/**
 * From bind addresses to open listeners.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Settings } from '../config/settings.js'
import { type BindSpec, formatBind } from '../config/values.js'
import { HornetError } from '../errors.js'
import type { BoundAddress, ListenerSpec, NativeServer } from '../seam/addon.js'

/**
 * Opens every listener of the settings; connections queue in the kernel from now on.
 *
 * @throws HornetError `ERR_HORNET_BIND` naming the address and the reason. Those already open close with the server.
 */
export async function openListeners(server: NativeServer, settings: Settings): Promise<BoundAddress[]> {
  const addresses: BoundAddress[] = []
  for (const bind of settings.bind) {
    try {
      addresses.push(server.listen(await listenerSpec(bind, settings)))
    } catch (error) {
      throw new HornetError('ERR_HORNET_BIND', `cannot listen on ${formatBind(bind)}: ${reason(bind, error)}`, {
        cause: error,
      })
    }
  }
  return addresses
}

/** The way an address is shown to people: something to paste into a browser where there is such a thing. */
export function formatAddress(address: BoundAddress): string {
  switch (address.family) {
    case 'IPv4':
      return `http://${address.address}:${address.port}`
    case 'IPv6':
      return `http://[${address.address}]:${address.port}`
    case 'unix':
      return `unix:${address.address}`
    default:
      return address.family satisfies never
  }
}

async function listenerSpec(bind: BindSpec, settings: Settings): Promise<ListenerSpec> {
  const { backlog, reusePort } = settings
  switch (bind.kind) {
    case 'tcp':
      return { kind: 'tcp', host: await numericHost(bind.host), port: bind.port, reusePort, backlog }
    case 'unix':
      // The process has taken --umask by now.
      return { kind: 'unix', path: bind.path, mode: 0o777 & ~process.umask(), backlog }
    case 'fd':
      return { kind: 'fd', fd: bind.fd, backlog }
    default:
      return bind satisfies never
  }
}

/** The core takes addresses, not names. A name with both kinds of address means the IPv4 one, as it mostly does. */
export async function numericHost(host: string): Promise<string> {
  if (isIP(host)) return host
  const found = await lookup(host, { all: true })
  return (found.find(({ family }) => family === 4) ?? found[0]).address
}

function reason(bind: BindSpec, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException // from node:dns or the core, both throw these
  switch (code) {
    case 'EADDRINUSE':
      return bind.kind === 'unix'
        ? 'another process serves this socket, or the file is not a socket (EADDRINUSE)'
        : 'the port is in use by another process (EADDRINUSE)'
    case 'EACCES':
      return bind.kind === 'tcp' && bind.port < 1024
        ? 'permission denied: ports below 1024 need privileges (EACCES)'
        : 'permission denied (EACCES)'
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address (EADDRNOTAVAIL)'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name has no address (${code})`
    case 'ENOENT':
      return 'there is no such folder (ENOENT)'
    case 'EBADF':
      return 'no such descriptor was inherited (EBADF)'
    case 'ENOTSOCK':
      return 'the descriptor is not a socket (ENOTSOCK)'
    default:
      return message
  }
}

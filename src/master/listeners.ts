/**
 * From bind addresses to open listeners, and from one set of them to another.
 */
import { chownSync, closeSync } from 'node:fs'
import { builtins } from '../builtins.js'
import type { Settings } from '../config/settings.js'
import { type BindSpec, formatBind } from '../config/values.js'
import { HornetError } from '../errors.js'
import type { BoundAddress, ListenerSpec, NativeServer } from '../seam/addon.js'
import type { Account } from './account.js'

/** What was open before this process began, by the way its address is written. */
export type InheritedFds = ReadonlyMap<string, number>

export interface ListenerOptions {
  server: NativeServer
  settings: Pick<Settings, 'backlog' | 'reusePort'>
  inherited: InheritedFds
  /** Who gets the unix sockets that are made here. */
  owner: Account | undefined
  /** Some were opened or closed. Resolves when nobody else holds open what is closed here. */
  onChange: () => Promise<void>
}

interface OpenListener {
  bind: BindSpec
  address: BoundAddress
  isInherited: boolean
}

/** The open listeners of the server. */
export class Listeners {
  readonly #options: ListenerOptions
  /** Descriptors that were inherited and not been used yet: each is adopted once. */
  readonly #inherited: Map<string, number>
  readonly #open = new Map<string, OpenListener>()
  /** Changes are made one after another. */
  #last: Promise<unknown> = Promise.resolve()
  #isStopped = false

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#inherited = new Map(options.inherited)
  }

  get addresses(): BoundAddress[] {
    return [...this.#open.values()].map(({ address }) => address)
  }

  /**
   * Opens those that are not open yet; connections queue in the kernel, or are accepted, from now on.
   *
   * @throws HornetError `ERR_HORNET_BIND` naming the address and the reason; what was open before is open then.
   */
  open(binds: readonly BindSpec[]): Promise<void> {
    return this.#inTurn(() => this.#openMissing(binds))
  }

  /** Closes all others, and opens those of `binds` that had to make room. */
  keepOnly(binds: readonly BindSpec[]): Promise<void> {
    return this.#inTurn(async () => {
      const wanted = new Set(binds.map(formatBind))
      for (const key of [...this.#open.keys()]) if (!wanted.has(key)) this.#close(key)
      await this.#openMissing(binds)
    })
  }

  /** From now on nothing more is opened: the server drains. */
  stop(): void {
    this.#isStopped = true
  }

  /** What was inherited and is not listened on any more: an open descriptor would keep clients waiting for nobody. */
  closeUnused(): void {
    for (const fd of this.#inherited.values()) closeSync(fd)
    this.#inherited.clear()
  }

  /** What a successor inherits: descriptors by the way their address is written. */
  descriptors(): [key: string, fd: number][] {
    const found = [...this.#open].map(
      ([key, { address }]) => [key, this.#options.server.listenerFd(address.index)] as const,
    )
    return found.filter(([, fd]) => fd >= 0).map(([key, fd]) => [key, fd])
  }

  /** Paths of inherited unix sockets are this process's to remove: the one that made them has left. */
  ownPaths(): void {
    for (const { bind, address, isInherited } of this.#open.values()) {
      if (isInherited && bind.kind === 'unix') this.#options.server.ownPath(address.index, bind.path)
    }
  }

  async #openMissing(binds: readonly BindSpec[]): Promise<void> {
    const wanted = new Set(binds.map(formatBind))
    const opened: string[] = []
    const closed: BindSpec[] = []
    for (const bind of binds) {
      const key = formatBind(bind)
      if (this.#open.has(key)) continue
      try {
        await this.#listen(bind).catch(async (error) => {
          // The same port at another address may be what stands in the way: it is to go, so it goes first.
          const rivals = this.#rivals(bind, wanted)
          if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || rivals.length === 0) throw error
          for (const [rival, { bind: its }] of rivals) {
            this.#close(rival)
            closed.push(its)
          }
          await this.#options.onChange()
          await this.#listen(bind)
        })
        opened.push(key)
      } catch (cause) {
        for (const other of opened) this.#close(other)
        for (const other of closed) await this.#listen(other)
        throw new HornetError('ERR_HORNET_BIND', `cannot listen on ${key}: ${reason(bind, cause)}`, { cause })
      }
    }
  }

  /** @throws An error with `code`. */
  async #listen(bind: BindSpec): Promise<void> {
    const { server, settings, owner } = this.#options
    const key = formatBind(bind)
    const inherited = this.#inherited.get(key)
    const isInherited = inherited !== undefined
    const spec: ListenerSpec = isInherited
      ? { kind: 'fd', fd: inherited, backlog: settings.backlog }
      : await listenerSpec(bind, settings)
    if (this.#isStopped) throw new Error('the server is stopping')
    const address = server.listen(spec)
    this.#inherited.delete(key)
    this.#open.set(key, { bind, address, isInherited })
    if (owner && bind.kind === 'unix' && !isInherited) chownSync(bind.path, owner.uid, owner.gid)
  }

  #close(key: string): void {
    const listener = this.#open.get(key)
    if (!listener) return
    this.#open.delete(key)
    this.#options.server.closeListener(listener.address.index)
  }

  #rivals(bind: BindSpec, wanted: ReadonlySet<string>): [string, OpenListener][] {
    if (bind.kind !== 'tcp') return []
    const isRival = ([key, { bind: other }]: [string, OpenListener]) =>
      other.kind === 'tcp' && other.port === bind.port && !wanted.has(key)
    return [...this.#open].filter(isRival)
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const done = this.#last.then(change).finally(() => void this.#options.onChange())
    this.#last = done.catch(() => {})
    return done
  }
}
/** The way an address is shown to people: something to paste into a browser where there is such a thing. */
export function formatAddress(address: BoundAddress, scheme: 'http' | 'https'): string {
  switch (address.family) {
    case 'IPv4':
      return `${scheme}://${address.address}:${address.port}`
    case 'IPv6':
      return `${scheme}://[${address.address}]:${address.port}`
    case 'unix':
      return `unix:${address.address}`
    default:
      return address.family satisfies never
  }
}

/** TLS holds for all addresses, or for none. */
export function schemeOf({ certfile }: Settings): 'http' | 'https' {
  return certfile === undefined ? 'http' : 'https'
}

async function listenerSpec(bind: BindSpec, settings: ListenerOptions['settings']): Promise<ListenerSpec> {
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
  if (builtins.net().isIP(host)) return host
  const found = await builtins.dns().lookup(host, { all: true })
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

/**
 * What people see on standard error once the server serves.
 */
import type { BoundAddress } from '../seam/addon.js'
import { formatAddress } from './listeners.js'

export interface BannerFacts {
  version: string
  nodeVersion: string
  pid: number
  appPath: string
  addresses: readonly BoundAddress[]
  scheme: 'http' | 'https'
  workers: number
  ioThreads: number
}

export function formatBanner(facts: BannerFacts): string {
  const addresses = formatAll(facts).join('\n             ')
  return `hornet ${facts.version} on Node.js ${facts.nodeVersion}
  app        ${facts.appPath}
  listening  ${addresses}
  threads    ${count(facts.workers, 'worker')}, ${count(facts.ioThreads, 'I/O thread')}
  pid        ${facts.pid}; stop with Ctrl-C, or kill -TERM ${facts.pid} to let requests finish
`
}

/** The same facts as one line, for logs that machines read. */
export function summarize(facts: BannerFacts): string {
  const addresses = formatAll(facts).join(' ')
  const threads = `${count(facts.workers, 'worker')}, ${count(facts.ioThreads, 'I/O thread')}`
  return `hornet ${facts.version} on Node.js ${facts.nodeVersion} serves ${facts.appPath} on ${addresses} (${threads})`
}

function formatAll({ addresses, scheme }: BannerFacts): string[] {
  return addresses.map((address) => formatAddress(address, scheme))
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

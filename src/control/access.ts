/**
 * Who may use the control API: pure decisions over a request's fields.
 *
 * A unix socket is guarded by its file mode. A TCP port is open to every process of the machine and, through their
 * users' browsers, to every web page; so it takes a token, and neither kind of socket can be driven by a page of
 * another origin.
 */
import { builtins } from '../builtins.js'
import { Problem } from './problem.js'

export interface AccessRules {
  /** Undefined on a unix socket. */
  token: string | undefined
  /** Host names, besides `localhost` and addresses, by which this server is meant. */
  hosts: readonly string[]
}

export interface AccessFields {
  host: string | undefined
  authorization: string | undefined
  origin: string | undefined
  secFetchSite: string | undefined
}

/** @throws Problem `misdirected` or `forbidden`. */
export function checkOrigin(rules: AccessRules, fields: AccessFields): void {
  const { host, origin, secFetchSite } = fields
  const isBrowser = origin !== undefined || secFetchSite !== undefined
  // A page may have its own name resolve to our address (DNS rebinding): to the browser we are then of its origin. An
  // address or `localhost` in the Host field cannot come about like that. curl on a unix socket may name any host.
  if ((rules.token !== undefined || isBrowser) && !isOurHost(host, rules.hosts)) {
    throw new Problem(
      'misdirected',
      `the Host field names '${host ?? ''}': use an address, localhost or the bound name`,
    )
  }
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    throw new Problem('forbidden', `pages of ${origin} may not use this API`)
  }
  if (secFetchSite !== undefined && secFetchSite !== 'same-origin' && secFetchSite !== 'none') {
    throw new Problem('forbidden', `requests that come from other pages (${secFetchSite}) may not use this API`)
  }
}

/** @throws Problem `unauthorized`. */
export function checkToken(rules: AccessRules, authorization: string | undefined): void {
  if (rules.token === undefined) return
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (given === undefined) throw new Problem('unauthorized', 'send the token: Authorization: Bearer TOKEN')
  // Digests are of one length, which timingSafeEqual demands, and say nothing about where the texts differ.
  const { timingSafeEqual } = builtins.crypto()
  if (!timingSafeEqual(digest(given), digest(rules.token))) throw new Problem('unauthorized', 'the token is wrong')
}

function isOurHost(field: string | undefined, hosts: readonly string[]): boolean {
  const name = hostName(field)
  if (name === undefined) return false
  return name === 'localhost' || name.endsWith('.localhost') || builtins.net().isIP(name) !== 0 || hosts.includes(name)
}

/** The name of a Host field, without port and brackets. */
function hostName(field: string | undefined): string | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d+)?$/.exec(field ?? '')
  return (match?.[1] ?? match?.[2])?.toLowerCase()
}

function digest(text: string): Buffer {
  return builtins.crypto().createHash('sha256').update(text).digest()
}

// What TLS is for every peer and every load: one certificate, one version, one cipher, one key exchange. Each program left
// to itself would choose among what both ends know, and some know more than others.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const file = (name) => join(here, '../../test/tls/certs', name)

/** An ECDSA certificate (P-256) for 127.0.0.1 with the one that signed it, its key, and the authority. */
export const certificate = { cert: file('server.pem'), key: file('server.key'), ca: file('ca.pem') }

/** What the load offers, and nothing else: openssl.cnf says the same to wrk. */
export const session = { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', group: 'X25519' }

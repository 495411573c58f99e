/**
 * A request that is in flight for exactly as long as the test wants: its body is too large to be gathered before the
 * application hears of it, the application answers "begun;" at once and "done" when the body is complete.
 */
import { connect, message, type RawConnection, type Target } from '../support/http.js'

export const app = 'test/signals/fixtures/app.mjs'

const bodyBytes = 200_000

export interface HeldRequest {
  connection: RawConnection
  /** Sends the rest of the body. */
  release(): void
}

/** Resolves when the application is in the middle of it. */
export async function holdRequest(target: Target): Promise<HeldRequest> {
  const connection = await connect(target)
  const body = Buffer.alloc(bodyBytes, 'x')
  connection.write(message('POST', '/hold', { 'Content-Length': String(bodyBytes) }))
  connection.write(body.subarray(0, bodyBytes / 2))
  await connection.readUntil('begun;')
  return { connection, release: () => connection.write(body.subarray(bodyBytes / 2)) }
}

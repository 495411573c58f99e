/**
 * A worker's end. By the time the master asks for it no request is left: the I/O threads saw to that.
 */
import type { MasterMessage } from '../protocol.js'
import type { WorkerPort } from '../seam/addon.js'

/**
 * Ends the worker when the master says so. An application that handles SIGTERM is told, once, as it would be in a
 * process of its own, and may take its time up to `gracefulTimeoutMs`; the signal itself never reaches a thread.
 */
export function stopWhenAsked(
  port: WorkerPort,
  gracefulTimeoutMs: number,
  onMessage: (handler: (message: MasterMessage) => void) => void,
): void {
  onMessage((message) => {
    switch (message.type) {
      case 'stop':
        port.close()
        if (process.listenerCount('SIGTERM') === 0) process.exit(0)
        setTimeout(() => process.exit(0), gracefulTimeoutMs)
        process.emit('SIGTERM', 'SIGTERM')
        return
      default:
        message.type satisfies never
    }
  })
}

/**
 * Signals to commands. A handler only enqueues; what the signal means at that moment is the arbiter's to decide.
 */
import type { PoolInput } from './pool.js'

export type SignalCommand =
  | Extract<PoolInput, { type: 'reload' | 'resize' }>
  /** `signal` is what the application is told. */
  | (Extract<PoolInput, { type: 'shutdown' }> & { signal: NodeJS.Signals })
  /** Open the log files again: they were moved away. */
  | { type: 'reopen-logs' }

/** What each signal asks for. Signals that are not here keep the system's meaning. */
export const signalCommands = {
  SIGTERM: { type: 'shutdown', mode: 'graceful', signal: 'SIGTERM' },
  SIGINT: { type: 'shutdown', mode: 'quick', signal: 'SIGINT' },
  SIGQUIT: { type: 'shutdown', mode: 'quick', signal: 'SIGQUIT' },
  SIGHUP: { type: 'reload' },
  SIGTTIN: { type: 'resize', delta: 1 },
  SIGTTOU: { type: 'resize', delta: -1 },
  // Taken from Node's debugger, which would open an inspector port on it.
  SIGUSR1: { type: 'reopen-logs' },
} as const satisfies Partial<Record<NodeJS.Signals, SignalCommand>>

/** Installs the handlers; call before anything slow, since a signal without a handler ends the process. */
export function installSignals(push: (command: SignalCommand) => void): void {
  for (const [signal, command] of Object.entries(signalCommands)) {
    process.on(signal, () => push(command))
  }
}

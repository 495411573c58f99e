/**
 * Signals to commands. A handler only enqueues; what the signal means at that moment is the arbiter's to decide.
 */
import { builtins } from '../builtins.js'
import type { AskedCommand } from './commands.js'

/** What each signal asks for. Signals that are not here keep the system's meaning. */
export const signalCommands = {
  SIGTERM: { type: 'shutdown', mode: 'graceful', signal: 'SIGTERM' },
  SIGINT: { type: 'shutdown', mode: 'quick', signal: 'SIGINT' },
  SIGQUIT: { type: 'shutdown', mode: 'quick', signal: 'SIGQUIT' },
  SIGHUP: { type: 'reload' },
  SIGUSR2: { type: 'upgrade' },
  SIGWINCH: { type: 'suspend' },
  SIGTTIN: { type: 'resize', delta: 1 },
  SIGTTOU: { type: 'resize', delta: -1 },
  // Taken from Node's debugger, which would open an inspector port on it.
  SIGUSR1: { type: 'reopen-logs' },
} as const satisfies Partial<Record<NodeJS.Signals, AskedCommand>>

/** Installs the handlers; call before anything slow, since a signal without a handler ends the process. */
export function installSignals(push: (command: AskedCommand) => void): void {
  for (const [signal, command] of Object.entries(signalCommands)) {
    process.on(signal, () => {
      // A terminal sends WINCH when its window changes size, which is not what an operator means by it.
      if (signal !== 'SIGWINCH' || !hasTerminal()) push(command)
    })
  }
}

function hasTerminal(): boolean {
  const { isatty } = builtins.tty()
  return isatty(0) || isatty(1) || isatty(2)
}

/** The signal that such a command was made of; none for what the control API asks. */
export function signalOf(command: AskedCommand): keyof typeof signalCommands | undefined {
  const found = Object.entries(signalCommands).find(([, each]) => each === command)
  return found?.[0] as keyof typeof signalCommands | undefined // a key of that object
}

/**
 * The errors Hornet raises: stable codes, exit statuses, messages. One of the four tables; the error reference in docs
 * is written from it.
 */
export const errorTable = {
  ERR_HORNET_USAGE: { exit: 2, summary: 'The command line is wrong.' },
  ERR_HORNET_CONFIG: { exit: 1, summary: 'A setting has a value that cannot be used.' },
  ERR_HORNET_BIND: { exit: 1, summary: 'An address cannot be listened on.' },
  ERR_HORNET_REFUSED: { exit: 1, summary: 'The server cannot do what was asked at this moment.' },
  ERR_HORNET_ADDON: { exit: 1, summary: 'The native addon is missing or does not fit this package.' },
  ERR_HORNET_APP_NOT_FOUND: { exit: 3, summary: 'The application file does not exist.' },
  ERR_HORNET_APP_EXPORT: { exit: 3, summary: 'The application file exports nothing that can serve requests.' },
  ERR_HORNET_APP_BOOT: { exit: 3, summary: 'The application threw, or did not become ready, while it was loaded.' },
  ERR_HORNET_UNSUPPORTED: {
    exit: 3,
    summary: 'The application asked for what a worker thread cannot do; the message says what to do instead.',
  },
  ERR_HORNET_CONTROL: { exit: 1, summary: 'The control API of a server cannot be reached, or refused what was asked.' },
} as const

export type ErrorCode = keyof typeof errorTable

/** An error with one of the codes of `errorTable`; `exitCode` is what the command ends with when nothing handles it. */
export class HornetError extends Error {
  readonly code: ErrorCode
  readonly exitCode: number

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'HornetError'
    this.code = code
    this.exitCode = errorTable[code].exit
  }
}

/**
 * Errors of the control API, as RFC 9457 has them.
 */

/** Every kind of problem: its status and a title that does not change from one occurrence to the next. */
export const problemTable = {
  'bad-request': { status: 400, title: 'The request cannot be understood' },
  unauthorized: { status: 401, title: 'A token is needed' },
  forbidden: { status: 403, title: 'Not from there' },
  'not-found': { status: 404, title: 'No such thing' },
  'method-not-allowed': { status: 405, title: 'Not with this method' },
  conflict: { status: 409, title: 'Not now' },
  'too-large': { status: 413, title: 'The body is too large' },
  'media-type': { status: 415, title: 'The body must be JSON' },
  misdirected: { status: 421, title: 'Another host is meant' },
  'reload-failed': { status: 422, title: 'The reload failed; the old workers go on' },
  'too-many': { status: 429, title: 'Too many at once' },
  internal: { status: 500, title: 'Something went wrong here' },
  unavailable: { status: 503, title: 'Not available' },
  'no-answer': { status: 504, title: 'The worker does not answer' },
} as const

export type ProblemType = keyof typeof problemTable

/** Thrown by whoever cannot do what was asked; the client gets it as `application/problem+json`. */
export class Problem extends Error {
  readonly type: ProblemType
  /** Members besides those of RFC 9457. */
  readonly extra: Readonly<Record<string, unknown>>

  /** @param detail What is wrong this time, for people. */
  constructor(type: ProblemType, detail: string, extra: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(detail, { cause })
    this.name = 'Problem'
    this.type = type
    this.extra = extra
  }

  get status(): number {
    return problemTable[this.type].status
  }

  toJSON(): Record<string, unknown> {
    const { status, title } = problemTable[this.type]
    return { ...this.extra, type: `urn:hornet:problem:${this.type}`, title, status, detail: this.message }
  }
}

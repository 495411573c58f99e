/**
 * Runs in the thread where older Nodes keep the hooks of ES modules: tells the worker what is loaded.
 */
import type { MessagePort } from 'node:worker_threads'

let port: MessagePort | undefined

export function initialize(data: { port: MessagePort }): void {
  port = data.port
  // It must not keep the thread from ending.
  port.unref()
}

export function load<Context, Result>(
  url: string,
  context: Context,
  next: (url: string, context: Context) => Promise<Result>,
): Promise<Result> {
  port?.postMessage(url)
  return next(url, context)
}

/**
 * What of Node's http the worker builds on. Not imported: from Node 22 on an `import` looks at every export, and two of
 * them make Node load its fetch with all of TLS (Node 22: 15 ms and 9 MiB for every worker).
 */
import type * as nodeHttp from 'node:http'
import { builtins } from '../builtins.js'

const http = builtins.http()

export const { IncomingMessage, OutgoingMessage, Server, ServerResponse, STATUS_CODES } = http
export type IncomingMessage = nodeHttp.IncomingMessage
export type Server = nodeHttp.Server
export type ServerResponse = nodeHttp.ServerResponse

/**
 * Why no worker can load the application, as the error the command ends with.
 */
import { type ErrorCode, errorTable, HornetError } from '../errors.js'
import type { Failure } from './pool.js'

export function bootError(failure: Failure): HornetError {
  const isKnown = Object.hasOwn(errorTable, failure.code)
  const code = isKnown ? (failure.code as ErrorCode) : 'ERR_HORNET_APP_BOOT' // an own key of the table
  return new HornetError(code, failure.message, { cause: failure })
}

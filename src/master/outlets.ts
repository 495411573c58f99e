/**
 * Where a server tells of itself and takes orders besides its log and signals: the control address, and a StatsD server.
 */
import type { Settings } from '../config/settings.js'
import { type ControlAddress, startControl } from '../control/server.js'
import { HornetError } from '../errors.js'
import type { Logger } from '../log/logger.js'
import { startStatsd } from '../metrics/statsd.js'
import type { ControlDesk } from './control-desk.js'
import { numericHost } from './listeners.js'

/**
 * Opens what the settings ask for.
 *
 * @returns Closes it.
 * @throws HornetError `ERR_HORNET_BIND` when the control address cannot be listened on, `ERR_HORNET_CONFIG` when a host
 *   name means nothing.
 */
export async function openOutlets(settings: Settings, desk: ControlDesk, logger: Logger): Promise<() => void> {
  const closers = [await openControl(settings, desk, logger), await openStatsd(settings, desk, logger)]
  return () => {
    for (const close of closers) close()
  }
}

async function openControl(settings: Settings, desk: ControlDesk, logger: Logger): Promise<() => void> {
  const address = await controlAddress(settings)
  if (address === undefined) return () => {}
  const onError = (error: unknown) =>
    logger.error(`control: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  const server = await startControl({ address, facade: desk, onError })
  logger.info(`control API on ${server.address}`)
  return () => server.close()
}

async function controlAddress({ control, controlToken }: Settings): Promise<ControlAddress | undefined> {
  if (control === undefined || control.kind === 'unix') return control
  const { host: name, port } = control
  // load.ts lets no TCP address through without a token.
  return { kind: 'tcp', host: await hostAddress('--control', name), name, port, token: controlToken ?? '' }
}

async function openStatsd({ statsdHost, statsdPrefix: prefix = '' }: Settings, desk: ControlDesk, logger: Logger) {
  if (statsdHost === undefined) return () => {}
  const { host, port } = statsdHost
  const onError = ({ message }: Error) => logger.warn(`cannot send to StatsD at ${host}:${port}: ${message}`)
  return startStatsd({
    host: await hostAddress('--statsd-host', host),
    port,
    prefix,
    look: () => desk.statsdLook(),
    onError,
  })
}

async function hostAddress(flag: string, host: string): Promise<string> {
  try {
    return await numericHost(host)
  } catch (error) {
    throw new HornetError('ERR_HORNET_CONFIG', `${flag}: the host name '${host}' has no address`, { cause: error })
  }
}

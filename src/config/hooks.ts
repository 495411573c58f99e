/**
 * Functions of the config file that Hornet calls as things happen. All may be async. `onStarting` and `workerInit` come
 * before anything is served, so an error of theirs ends the start; any other error is logged and nothing more.
 */

export interface Hooks {
  /** In the master, before addresses are opened. */
  onStarting?(event: { pid: number }): unknown
  /** In the master, when the first worker is ready and connections are accepted. */
  whenReady?(event: { pid: number; addresses: readonly string[] }): unknown
  /** In the master, when a reload begins: the config file has been read again, no new worker has been started. */
  onReload?(event: { generation: number }): unknown
  /** In the master, when another number of workers is wanted: TTIN, TTOU, a reload, the control API, autoscaling. */
  workersChanged?(event: { workers: number; previous: number }): unknown
  /** In the master, when a worker's thread has been started; it does not serve yet. */
  workerSpawned?(event: { workerId: number; generation: number }): unknown
  /** In the master, when a worker has ended. `isExpected`: because it was asked to. */
  workerDied?(event: { workerId: number; generation: number; isExpected: boolean; reason: string }): unknown
  /** In the master, when everything has stopped. Waited for, some seconds at most. */
  onExit?(event: { pid: number }): unknown
  /** In each worker, before the application is loaded. */
  workerInit?(event: { workerId: number; generation: number }): unknown
  /** In each worker that was asked to end, when its requests are done, before the application is told. */
  workerExit?(event: { workerId: number; generation: number }): unknown
}

export const hookNames = [
  'onStarting',
  'whenReady',
  'onReload',
  'workersChanged',
  'workerSpawned',
  'workerDied',
  'onExit',
  'workerInit',
  'workerExit',
] as const satisfies readonly (keyof Hooks)[]

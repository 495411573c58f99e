/**
 * What is done to a server while it serves.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../support/deadline.js'
import type { Hornet } from '../support/hornet.js'
import { get, message, type RawResponse, request } from '../support/http.js'
import type { Facts, Ledger } from './ledger.js'
import type { Random } from './random.js'

export interface Scene {
  hornet: Hornet
  /** Path of the control socket. */
  control: string
  /** Path of the access log, which is a symbolic link. */
  accessLog: string
  ledger: Ledger
  random: Random
  deaths: Facts['deaths'][number][]
  /** Workers at the start. */
  workers: number
  /** How often memory is looked at. */
  measurements: number
  /** The worker that began a request, if one has. */
  begunBy(id: number): string | undefined
  /** Requests that are to end their worker, and what became of them. */
  deadly: Promise<void>[]
}

export interface Status {
  pid: number
  state: string
  isReloading: boolean
  workers: { wanted: number; ready: number; booting: number; draining: number }
}

interface Fault {
  name: string
  weight: number
  /** It puts another process in the server's place. */
  isReplacing?: true
  /** False: this was not the moment. */
  inflict(scene: Scene): Promise<boolean>
}

const settleMsMax = 60_000
/** Some faults take a server at rest, which it is again a few seconds after others. */
const restMsMax = 5000
const workersMax = 6

export const faults: readonly Fault[] = [
  { name: 'exception', weight: 8, inflict: (scene) => kill(scene, 'throw') },
  { name: 'process.exit', weight: 8, inflict: (scene) => kill(scene, 'exit') },
  { name: 'heap exhaustion', weight: 1, inflict: (scene) => kill(scene, 'heap') },
  { name: 'endless loop', weight: 3, inflict: spin },
  { name: 'blocked worker', weight: 20, inflict: block },
  { name: 'reload', weight: 6, inflict: async ({ hornet }) => signal(hornet, 'SIGHUP') },
  { name: 'one worker more', weight: 8, inflict: more },
  { name: 'one worker less', weight: 8, inflict: less },
  { name: 'restart of a worker', weight: 8, inflict: restart },
  { name: 'log rotation', weight: 14, inflict: rotate },
  { name: 'full disk for the log', weight: 8, inflict: fillDisk },
  { name: 'out of descriptors', weight: 10, inflict: exhaustDescriptors },
  { name: 'upgrade', weight: 6, isReplacing: true, inflict: upgrade },
  { name: 'process killed', weight: 6, isReplacing: true, inflict: killProcess },
]

export async function readStatus({ control }: Pick<Scene, 'control'>): Promise<Status> {
  return JSON.parse((await get({ path: control }, '/status')).text)
}

export function ask(scene: Pick<Scene, 'control'>, path: string, body: object): Promise<RawResponse> {
  const bytes = message('POST', path, { 'Content-Type': 'application/json' }, JSON.stringify(body))
  return request({ path: scene.control }, bytes)
}

/** Waits until nothing is under way: as many workers as wanted, none that comes or goes. */
export async function settled(scene: Pick<Scene, 'control'>): Promise<Status> {
  const status = await settledWithin(scene, settleMsMax)
  if (status !== undefined) return status
  throw new Error(`the server does not settle: ${JSON.stringify(await readStatus(scene))}`)
}

async function settledWithin(scene: Pick<Scene, 'control'>, ms: number): Promise<Status | undefined> {
  const deadline = performance.now() + ms
  while (performance.now() < deadline) {
    const status = await readStatus(scene)
    if (isSettled(status)) return status
    await sleep(50)
  }
  return undefined
}

function isSettled({ state, isReloading, workers }: Status): boolean {
  const { wanted, ready, booting, draining } = workers
  return state === 'serving' && !isReloading && ready === wanted && booting + draining === 0
}

async function signal(hornet: Hornet, name: NodeJS.Signals): Promise<true> {
  hornet.signal(name)
  return true
}

/** A worker's own death. There must be one left that serves. */
async function kill(scene: Scene, manner: string): Promise<boolean> {
  const { workers } = await readStatus(scene)
  if (workers.ready < 2) return false
  scene.deadly.push(sendDeadly(scene, manner, scene.ledger.begin()))
  return true
}

/** It fails with its worker: anything else is a failure of the server. */
async function sendDeadly({ hornet, ledger }: Scene, manner: string, id: number): Promise<void> {
  const openedMs = performance.now()
  const fail = (what: 'status' | 'cut' | 'wrong', detail: string, status?: number) =>
    ledger.failures.push({ id, kind: manner, what, status, openedMs, endedMs: performance.now(), detail })
  try {
    const headers = { 'X-Request': String(id) }
    const { status, text } = await get(hornet, `/fault/${manner}`, headers, { ms: settleMsMax })
    if (status === 200) fail('wrong', 'it was answered')
    else fail('status', text, status)
  } catch (error) {
    fail('cut', error instanceof Error ? error.message : String(error))
  }
}

/** A worker that never comes back from a call: it is found blocked (--timeout), or an operator has it replaced. */
async function spin(scene: Scene): Promise<boolean> {
  const { workers } = await readStatus(scene)
  if (workers.ready < 2) return false
  const id = scene.ledger.begin()
  scene.deadly.push(sendDeadly(scene, 'spin', id))
  if (scene.random.next() < 0.5) return true
  const worker = await eventually('worker in an endless loop', () => scene.begunBy(id), undefined, settleMsMax)
  await ask(scene, `/workers/${worker.split(':')[1]}/restart`, {})
  return true
}

async function block({ hornet, ledger, random }: Scene): Promise<boolean> {
  const id = ledger.begin()
  const openedMs = performance.now()
  const fail = (what: 'status' | 'cut', detail: string, status?: number) =>
    ledger.failures.push({ id, kind: 'blocked', what, status, openedMs, endedMs: performance.now(), detail })
  const headers = { 'X-Request': String(id) }
  void get(hornet, `/fault/block?n=${random.integer(20, 400)}`, headers, { ms: settleMsMax }).then(
    ({ status, text }) => (status === 200 ? ledger.noteRight('blocked') : fail('status', text, status)),
    (error: Error) => fail('cut', error.message),
  )
  return true
}

async function more(scene: Scene): Promise<boolean> {
  const { workers } = await readStatus(scene)
  return workers.wanted < workersMax && signal(scene.hornet, 'SIGTTIN')
}

async function less(scene: Scene): Promise<boolean> {
  const { workers } = await readStatus(scene)
  return workers.wanted > 2 && signal(scene.hornet, 'SIGTTOU')
}

async function restart(scene: Scene): Promise<boolean> {
  const listed = JSON.parse((await get({ path: scene.control }, '/workers')).text) as { workers: { id: number }[] }
  const { status } = await ask(scene, `/workers/${scene.random.pick(listed.workers).id}/restart`, {})
  return status === 200
}

async function rotate({ hornet, accessLog }: Scene): Promise<boolean> {
  pointTo(accessLog, `${accessLog}.${process.hrtime.bigint()}`)
  return signal(hornet, 'SIGUSR1')
}

async function fillDisk({ hornet, accessLog, random }: Scene): Promise<boolean> {
  pointTo(accessLog, '/dev/full')
  hornet.signal('SIGUSR1')
  await sleep(random.integer(50, 300))
  pointTo(accessLog, `${accessLog}.${process.hrtime.bigint()}`)
  return signal(hornet, 'SIGUSR1')
}

/** The link names another file from now on, in one step. */
export function pointTo(link: string, file: string): void {
  rmSync(`${link}.next`, { force: true })
  symlinkSync(file, `${link}.next`)
  renameSync(`${link}.next`, link)
}

/** New connections cannot be accepted for a while. A thread cannot be started then either, so no worker is due. */
async function exhaustDescriptors(scene: Scene): Promise<boolean> {
  if (!existsSync('/usr/bin/prlimit')) return false
  const { pid } = (await settledWithin(scene, restMsMax)) ?? {}
  if (pid === undefined) return false
  const shown = execFileSync('prlimit', ['--pid', String(pid), '--nofile', '--noheadings', '--output=SOFT,HARD'])
  const [soft = '', hard = ''] = shown.toString().trim().split(/\s+/)
  const limit = (value: string) => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${value}:${hard}`])
  limit(String(descriptorsOf(pid) + 2))
  await sleep(scene.random.integer(50, 300))
  limit(soft)
  return true
}

export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

async function upgrade(scene: Scene): Promise<boolean> {
  const status = await settledWithin(scene, restMsMax)
  if (status === undefined) return false
  const from = scene.hornet.stderr.length
  scene.hornet.signal('SIGUSR2')
  await scene.hornet.waitForLog(/serves: this one leaves/, { from, ms: settleMsMax })
  await scene.hornet.waitForLog(new RegExp(`\\[${status.pid}\\] \\[info\\] stopped\\n`), { from, ms: settleMsMax })
  await ready(scene, from)
  return true
}

async function killProcess(scene: Scene): Promise<boolean> {
  const { pid } = await readStatus(scene)
  const from = scene.hornet.stderr.length
  const fromMs = performance.now()
  process.kill(pid, 'SIGKILL')
  await scene.hornet.waitForLog(new RegExp(`guard: process ${pid} died`), { from })
  scene.deaths.push({ fromMs, toMs: performance.now() })
  await ready(scene, from)
  return true
}

/** The control address is there again. */
async function ready({ hornet }: Scene, from: number): Promise<void> {
  await hornet.waitForLog(/control API on/, { from, ms: settleMsMax })
}

/**
 * Many such clients at once, against a real server with two workers that are killed and replaced meanwhile.
 */
import { Random } from '../../chaos/random.js'
import { startControlled } from '../../control/fixtures/control.js'
import { asked } from '../../support/deadline.js'
import { connect, message } from '../../support/http.js'
import { type Outcome, runPipeline } from './client.js'
import { planPipeline } from './plan.js'

export interface Campaign {
  seed: number
  /** True once there have been enough pipelines. */
  isEnough(pipelines: number): boolean
  /** Workers are killed, and all replaced. */
  hasFaults: boolean
}

export interface Report {
  pipelines: number
  answered: number
  excused: number
  reasons: Record<string, number>
  kills: number
  reloads: number
}

const clients = 8
/** A worker is killed, or all are replaced, each time so many pipelines have begun. */
const pipelinesPerKill = 120
const pipelinesPerReload = 200

/** Rejects with what was found, and the server's log. */
export async function runCampaign({ seed, isEnough, hasFaults }: Campaign): Promise<Report> {
  await using server = await startControlled({ app: 'test/fuzz/pipeline/app.mjs', workers: 2 })
  const { hornet, ask } = server
  const random = new Random(seed)
  const report: Report = { pipelines: 0, answered: 0, excused: 0, reasons: {}, kills: 0, reloads: 0 }
  let ids = 0
  let killsOver = 0
  const note = ({ answered, excused, reason }: Outcome) => {
    report.answered += answered
    report.excused += excused
    report.reasons[reason] = (report.reasons[reason] ?? 0) + 1
  }
  let isFound = false
  async function client(): Promise<void> {
    while (!isFound && !isEnough(report.pipelines)) {
      report.pipelines += 1
      if (hasFaults && report.pipelines % pipelinesPerKill === 0) await kill()
      if (hasFaults && report.pipelines % pipelinesPerReload === 0) {
        report.reloads += 1
        hornet.signal('SIGHUP')
      }
      const plan = planPipeline(random.fork(), () => ++ids)
      note(await runPipeline(plan, { target: hornet, killsBegun: () => report.kills, killsOver: () => killsOver }))
    }
  }
  async function kill(): Promise<void> {
    report.kills += 1
    const connection = await connect(hornet)
    connection.write(message('GET', '/0/exit/0/0'))
    await connection.readResponse().finally(() => connection.destroy())
    killsOver += 1
  }
  const results = await Promise.allSettled(
    Array.from({ length: clients }, () =>
      client().catch((error) => {
        isFound = true
        throw error
      }),
    ),
  )
  const failed = results.filter((result) => result.status === 'rejected')
  if (failed.length > 0) {
    const found = failed.map(({ reason }) => (reason as Error).message)
    throw new Error(
      `${found.join('\n\n')}\n\nkills: ${report.kills}, reloads: ${report.reloads}\n${hornet.stderr.slice(-4000)}`,
    )
  }
  // Nothing is left of any of them.
  await asked('quiet', async () => {
    const { connectionsOpen, requestsInFlight, requestsQueued } = (await ask('GET', '/status')).json
    return connectionsOpen + requestsInFlight + requestsQueued === 0
  })
  return report
}

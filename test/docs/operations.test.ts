/**
 * Promise: an operator can follow docs/operations.md: every command in it is run here, with the config file it shows, and
 * does what the page says.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { root } from '../support/root.js'
import { readText } from '../support/tree.js'
import { isThere, until } from '../support/until.js'

const page = readText('docs/operations.md')
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text]) => text)

const folder = mkdtempSync(join(tmpdir(), 'hornet-operations-'))
after(() => rmSync(folder, { recursive: true }))
/** Empty when there is no such file, or none any more. */
function read(name: string): string {
  try {
    return readFileSync(join(folder, name), 'utf8')
  } catch {
    return ''
  }
}
const pid = () => Number(read('hornet.pid'))

/** Runs one block as the page has it, but for the port. */
function run(block: string, port: number): { status: number | null; stdout: string; stderr: string } {
  const { PATH = '' } = process.env
  return spawnSync('bash', ['-euc', block.replaceAll(':8000', `:${port}`)], {
    cwd: folder,
    env: { PATH: `${join(folder, 'bin')}:${PATH}`, HOME: folder },
    encoding: 'utf8',
    timeout: 60_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** What each block does, by what it holds; in the order of a server's life. */
const life: { holds: string; does: (result: ReturnType<typeof run>) => Promise<void> }[] = [
  { holds: '--check-config', does: async ({ stderr }) => assert.match(stderr, /the settings are well/) },
  {
    holds: '--print-config',
    does: async ({ stdout }) => assert.match(stdout, /^workers +2 +\/.*hornet\.config\.mjs$/m),
  },
  { holds: 'curl', does: async ({ stdout }) => assert.equal(stdout, 'served') },
  { holds: '-TTIN', does: () => until(() => /workers: 2 -> 3\n/.test(read('hornet.log')), 'a worker more') },
  { holds: '-TTOU', does: () => until(() => /workers: 3 -> 2\n/.test(read('hornet.log')), 'a worker less') },
  { holds: '-HUP', does: () => until(() => /reloaded: generation 2\n/.test(read('hornet.log')), 'a reload') },
  { holds: '-USR1', does: () => until(() => /log reopened/.test(read('hornet.log')), 'a new log file') },
  { holds: '-USR2', does: () => until(() => /serves: this one leaves/.test(read('hornet.log')), 'an upgrade') },
  { holds: '-TERM', does: () => until(() => read('hornet.pid') === '', 'a removed pid file') },
]

test('every command of the page', async () => {
  const commands = blocks('sh')
  assert.equal(commands.length, life.length, 'a block that this test does not know')
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')

  const [config] = blocks('js')
  writeFileSync(join(folder, 'hornet.config.mjs'), config.replace(':8000', `:${port}`))
  writeFileSync(join(folder, 'app.mjs'), `export default (req, res) => res.end('served')`)
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules', 'hornet'))
  mkdirSync(join(folder, 'bin'))
  // Its streams are those of the shell, which ends: they must not keep this test waiting for it.
  const start = `#!/bin/sh\ncase "$*" in *--log-file*) exec </dev/null >/dev/null 2>&1 ;; esac\n`
  writeFileSync(
    join(folder, 'bin', 'hornet'),
    `${start}exec '${process.execPath}' '${join(root, 'dist/cli.js')}' "$@"\n`,
  )
  chmodSync(join(folder, 'bin', 'hornet'), 0o755)

  const started = new Set<number>()
  try {
    for (const { holds, does } of life) {
      const block = commands.find((text) => text.includes(holds))
      assert.ok(block, holds)
      const result = run(block, port)
      assert.equal(result.status, 0, `${block}${result.stderr}`)
      if (pid() > 0) started.add(pid())
      await does(result)
      if (pid() > 0) started.add(pid())
    }
    for (const each of started) await until(() => !isThere(each), 'end of the server')
  } finally {
    for (const each of started) if (isThere(each)) process.kill(each, 'SIGKILL')
  }
})

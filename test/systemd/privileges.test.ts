/**
 * Promise: what needs root (low ports, files) is done first; then the process is the user it was told to become, and its
 * socket and log files are that user's. As PID 1 of a container it serves and stops as anywhere else.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { within } from '../support/deadline.js'
import { runHornet, startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'
import { root } from '../support/root.js'
import { getSecurely } from '../tls/support.js'

const skip = process.getuid?.() === 0 ? false : 'it takes root'
// A worker loads the package and its application as the other user.
const skipUnread = skip || (isOpenToAll(root) ? false : `other users cannot reach ${root}`)
const folder = mkdtempSync(join(tmpdir(), 'hornet-user-'))
after(() => rmSync(folder, { recursive: true }))

/** Every user may go through the folder and all that it lies in. */
function isOpenToAll(path: string): boolean {
  const isOpen = (statSync(path).mode & 0o001) !== 0
  return isOpen && (dirname(path) === path || isOpenToAll(dirname(path)))
}

test('--user: workers, socket file and log file belong to it', { skip: skipUnread }, async () => {
  chmodSync(folder, 0o777)
  const app = join(folder, 'app.mjs')
  writeFileSync(app, 'export default (req, res) => res.end(JSON.stringify([process.getuid(), process.getgid()]))')
  const [path, log] = [join(folder, 'a.sock'), join(folder, 'a.log')]
  const args = ['--workers', '1', '--user', 'nobody', '--bind', `unix:${path}`, '--log-file', log]
  await using hornet = await startHornet({ app, args })
  await get(hornet)
  const [uid, gid] = JSON.parse((await get({ path })).text)
  assert.notEqual(uid, 0)
  assert.notEqual(gid, 0)
  for (const file of [path, log]) assert.deepEqual([statSync(file).uid, statSync(file).gid], [uid, gid], file)
  // The new file is opened by who the process is now.
  renameSync(log, `${log}.1`)
  hornet.signal('SIGUSR1')
  hornet.signal('SIGHUP')
  while (!existsSync(log) || !readFileSync(log, 'utf8').includes('reloaded: generation 2')) await get(hornet)
  assert.equal(statSync(log).uid, uid)
})

test('--user and a key that only root may read: a reload fails, and the certificate of the start goes on', {
  skip: skipUnread,
}, async () => {
  const [certfile, keyfile] = ['pem', 'key'].map((end) => {
    const path = join(folder, `server.${end}`)
    copyFileSync(join(root, `test/tls/certs/server.${end}`), path)
    return path
  })
  chmodSync(keyfile, 0o600)
  const args = ['--workers', '1', '--user', 'nobody', '--certfile', certfile, '--keyfile', keyfile]
  await using hornet = await startHornet({ app: 'test/tls/fixtures/app.mjs', args })
  await hornet.waitForLog(/worker 1 ready/)
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/\[error\] reload failed, the old workers go on: --keyfile: EACCES: permission denied/)
  assert.equal((await getSecurely(hornet)).status, 200)
})

test('--group alone', { skip: skipUnread }, async () => {
  const app = join(folder, 'app.mjs')
  writeFileSync(app, 'export default (req, res) => res.end(JSON.stringify([process.getuid(), process.getgid()]))')
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--group', '12345'] })
  assert.deepEqual(JSON.parse((await get(hornet)).text), [0, 12345])
})

test('an account that does not exist', { skip }, async () => {
  const app = 'test/cli/fixtures/hello.mjs'
  const exit = await runHornet({ app, args: ['-b', '127.0.0.1:0', '--user', 'no-such-user'] })
  assert.match(exit.stderr, /^hornet: --user no-such-user: .*\n$/)
  assert.equal(exit.code, 1)
})

// Where a process id means something else to its children, unshare's leak checker ends with a fatal error of its own.
const skipAsFirst = skip || (process.env.TEST_SANITIZER !== undefined ? 'the leak checker fails in unshare' : false)

test('as PID 1', { skip: skipAsFirst }, async () => {
  const command = ['--pid', '--fork', '--mount-proc', '--kill-child', process.execPath, join(root, 'dist/cli.js')]
  const args = ['-w', '1', '-b', '127.0.0.1:0', join(root, 'test/cli/fixtures/hello.mjs')]
  const child = spawn('unshare', [...command, ...args], { stdio: ['ignore', 'inherit', 'pipe'] })
  const exited = once(child, 'close')
  let log = ''
  const ready = new Promise<number>((settle, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text
      const port = /http:\/\/127\.0\.0\.1:(\d+)\n[\s\S]*pid {8}1;/.exec(log)?.[1]
      if (port !== undefined) settle(Number(port))
    })
    child.once('error', reject)
  })
  try {
    const port = await within(ready, 'port of the server', undefined, () => log)
    assert.equal((await get({ port })).text, 'hello')
    // unshare passes no signal on: the one process below it is ours.
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
    process.kill(Number(children.trim()), 'SIGTERM')
    assert.deepEqual(await within(exited, 'end of the container', undefined, () => log), [0, null])
    assert.match(log, /stopped\n$/)
  } finally {
    child.kill('SIGKILL')
  }
})

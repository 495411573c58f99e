/**
 * Becoming another user, once what needs privileges is done.
 */
import { userInfo } from 'node:os'
import { HornetError } from '../errors.js'

/** Who the process is to be. */
export interface Account {
  uid: number
  gid: number
  /** For its further groups; undefined when only a group was named. */
  user: string | undefined
}

/**
 * Finds the numbers of `--user` and `--group`.
 *
 * @returns Undefined when neither is given.
 * @throws HornetError `ERR_HORNET_CONFIG` when there is no such account, or this process may not become it.
 */
export function findAccount(user: string | undefined, group: string | undefined): Account | undefined {
  if (user === undefined && group === undefined) return undefined
  const { geteuid, getegid, seteuid, setegid } = process
  if (!geteuid || !getegid || !seteuid || !setegid) {
    throw new HornetError('ERR_HORNET_CONFIG', '--user and --group: this system has no users')
  }
  const [ownUid, ownGid] = [geteuid(), getegid()]
  // Node looks names up only while it changes to them; so it does, and changes back.
  const gidOf = (name: string) => {
    attempt('--group', name, () => setegid(numeric(name)))
    const gid = getegid()
    setegid(ownGid)
    return gid
  }
  const gid = group === undefined ? undefined : gidOf(group)
  if (user === undefined) return { uid: ownUid, gid: gid ?? ownGid, user }
  attempt('--user', user, () => seteuid(numeric(user)))
  try {
    return { uid: geteuid(), gid: gid ?? userInfo().gid, user }
  } catch (cause) {
    const message = `--user ${user}: it is not in the list of users, so its --group must be given as well`
    throw new HornetError('ERR_HORNET_CONFIG', message, { cause })
  } finally {
    seteuid(ownUid)
  }
}

/** @throws HornetError `ERR_HORNET_CONFIG`. For all threads of the process, and for good. */
export function becomeAccount({ uid, gid, user }: Account): void {
  const { getuid, getgid, initgroups, setgid, setuid } = process as Process
  // A successor is who its predecessor became, and may not set groups again.
  if (!getuid || !getgid || !initgroups || !setgid || !setuid || (getuid() === uid && getgid() === gid)) return
  attempt('--user', String(user ?? uid), () => {
    if (user !== undefined && getuid() !== uid) initgroups(numeric(user), gid)
    setgid(gid)
    setuid(uid)
  })
}

/** The types of Node leave one out. */
type Process = NodeJS.Process & { initgroups?: (user: string | number, extraGroup: string | number) => void }

function numeric(name: string): string | number {
  return /^\d+$/.test(name) ? Number(name) : name
}

function attempt(flag: string, name: string, action: () => void): void {
  try {
    action()
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException // process.set…() throw nothing else
    const why = code === 'EPERM' ? 'only root may become somebody else' : message
    throw new HornetError('ERR_HORNET_CONFIG', `${flag} ${name}: ${why}`, { cause })
  }
}

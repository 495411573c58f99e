/**
 * Folders of files that the native core serves by itself.
 */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Settings } from '../config/settings.js'
import { type StaticMount, staticMount } from '../config/values.js'
import { HornetError } from '../errors.js'
import type { NativeFiles } from '../seam/addon.js'

/**
 * The process is in the folder of --chdir by now.
 *
 * @throws HornetError `ERR_HORNET_CONFIG` when one of the folders is not there.
 */
export function checkFolders(mounts: readonly StaticMount[]): void {
  for (const mount of mounts) {
    const place = `--static ${staticMount.format(mount)}`
    let isFolder: boolean
    try {
      isFolder = statSync(mount.folder).isDirectory()
    } catch (error) {
      const { message } = error as Error // fs throws nothing else
      throw new HornetError('ERR_HORNET_CONFIG', `${place}: ${message}`, { cause: error })
    }
    if (!isFolder) throw new HornetError('ERR_HORNET_CONFIG', `${place}: ${mount.folder} is not a folder`)
  }
}

export function nativeFiles({ static: mounts, staticMaxAgeMs }: Settings): NativeFiles {
  return {
    mounts: mounts.map(({ prefix, folder }) => ({ prefix, folder: resolve(folder) })),
    maxAgeSeconds: Math.floor(staticMaxAgeMs / 1000),
  }
}

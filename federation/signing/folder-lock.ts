/**
 * One process per folder: a lock file that names its holder. A lock left by a process that died is
 * taken over; a live one is respected. On Linux the holder's start time tells a reused process id from
 * the holder. Two processes with one share leak nothing, but would be two signers where one was counted.
 * Leaves out network file systems shared by several machines.
 */

import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

export class FolderLockedError extends Error {
  override readonly name = 'FolderLockedError'
}

export interface FolderLock {
  release(): Promise<void>
}

/** Folders that this process holds: its own process id in a lock file proves nothing. */
const held = new Set<string>()

/** @throws FolderLockedError while a live process, or this one, holds the folder. */
export async function acquireFolderLock(folder: string): Promise<FolderLock> {
  const path = resolve(folder, 'lock')
  if (held.has(path)) throw new FolderLockedError(`this process already holds ${folder}`)
  held.add(path)
  const claim = join(folder, `lock.${process.pid}`)
  try {
    await writeFile(claim, `${process.pid} ${await startTimeOf(process.pid)}\n`, { mode: 0o600 })
    if (!(await linked(claim, path))) {
      await removeStale(path, folder)
      if (!(await linked(claim, path))) throw locked(folder, 'another process')
    }
  } catch (cause) {
    held.delete(path)
    throw cause
  } finally {
    await rm(claim, { force: true })
  }
  return {
    async release() {
      if (held.delete(path)) await rm(path, { force: true })
    },
  }
}

/** Atomic: false when there is a lock already. */
async function linked(claim: string, path: string): Promise<boolean> {
  try {
    await link(claim, path)
    return true
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return false
    throw cause
  }
}

async function removeStale(path: string, folder: string): Promise<void> {
  const text = await readFile(path, 'utf8')
  const match = /^(\d{1,10}) (\d*)\n$/.exec(text)
  const pid = Number(match?.[1])
  if (match !== null && pid !== process.pid && isAlive(pid)) {
    const startTime = await startTimeOf(pid)
    if (startTime === '' || match[2] === '' || startTime === match[2]) {
      throw locked(folder, `process ${pid}`)
    }
  }
  // Moved first, looked at again, then removed: somebody may have taken the lock over just now.
  const moved = `${path}.stale.${process.pid}`
  await rename(path, moved)
  if ((await readFile(moved, 'utf8')) !== text) {
    await linked(moved, path)
    await rm(moved, { force: true })
    throw locked(folder, 'another process')
  }
  await rm(moved, { force: true })
}

function locked(folder: string, holder: string): FolderLockedError {
  return new FolderLockedError(`${folder} is in use by ${holder}`)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    // EPERM: it lives, and is somebody else's.
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM'
  }
}

/** Linux: the start time in clock ticks since boot (proc(5), field 22); elsewhere empty. */
async function startTimeOf(pid: number): Promise<string> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

/**
 * A node's data directory: made readable by its owner only, and held by one process at a time. The
 * lock is a file that names its holder; one left by a process that died is taken over. LevelDB's own
 * lock inside is the second line.
 *
 * A process is named by its id and, where the system tells, by boot and start time: process ids are
 * used again, after a restart in a container always at once.
 */

import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, StorageError, StorageLockedError } from './storage-error.ts'

const LOCK_NAME = 'lock'
/** Tries to take a lock over before somebody else's luck is accepted. */
const TAKEOVER_TRIES_MAX = 3

export interface DataDirectory {
  readonly path: string
  /** Lets go of the lock. */
  release(): Promise<void>
}

/**
 * Creates the directory (mode 0700) if it is not there, and locks it.
 * @throws StorageLockedError when a live process holds it, StorageError when it cannot be made.
 */
export async function openDataDirectory(path: string): Promise<DataDirectory> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const lock = join(path, LOCK_NAME)
    const mine = `${process.pid} ${await startMark(process.pid)} ${randomUUID()}\n`
    await takeLock(path, lock, mine)
    return { path, release: () => releaseLock(lock, mine) }
  } catch (thrown) {
    if (thrown instanceof StorageError) throw thrown
    throw new StorageError(`cannot open the data directory ${path}`, { cause: thrown })
  }
}

async function takeLock(directory: string, lock: string, mine: string): Promise<void> {
  for (let attempt = 0; attempt < TAKEOVER_TRIES_MAX; attempt++) {
    if (await placeLock(lock, mine)) return
    const found = await readLock(lock)
    if (found === undefined) continue
    const holder = await livingHolder(found)
    if (holder !== undefined) {
      throw new StorageLockedError(`process ${holder} is using the data directory ${directory}`)
    }
    await removeStaleLock(lock, found)
  }
  throw new StorageLockedError(`other processes compete for the data directory ${directory}`)
}

/** Appears with its content or not at all: a link to a finished file. False when one is there. */
async function placeLock(lock: string, content: string): Promise<boolean> {
  const draft = `${lock}.${randomUUID()}`
  await writeFile(draft, content, { flag: 'wx', mode: 0o600 })
  try {
    await link(draft, lock)
    return true
  } catch (thrown) {
    if (errorCode(thrown) === 'EEXIST') return false
    throw thrown
  } finally {
    await rm(draft, { force: true })
  }
}

async function readLock(lock: string): Promise<string | undefined> {
  try {
    return await readFile(lock, 'utf8')
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return undefined
    throw thrown
  }
}

/** Process id of the holder if it lives. */
async function livingHolder(content: string): Promise<number | undefined> {
  const [idText = '', mark = ''] = content.trim().split(' ')
  const processId = Number(idText)
  if (!Number.isSafeInteger(processId) || processId <= 0) return undefined
  if (!isAlive(processId)) return undefined
  const markNow = await startMark(processId)
  // Same number, another process.
  if (mark !== UNKNOWN_START && markNow !== UNKNOWN_START && mark !== markNow) return undefined
  return processId
}

function isAlive(processId: number): boolean {
  try {
    // Signal 0 only asks.
    process.kill(processId, 0)
    return true
  } catch (thrown) {
    // EPERM: it lives, and belongs to somebody else.
    return errorCode(thrown) === 'EPERM'
  }
}

/**
 * Two processes may find the same stale lock. Moving it aside first means that only what was read is
 * ever deleted: a lock that somebody has placed meanwhile goes back.
 */
async function removeStaleLock(lock: string, stale: string): Promise<void> {
  const aside = `${lock}.${randomUUID()}`
  try {
    await rename(lock, aside)
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return
    throw thrown
  }
  const moved = await readFile(aside, 'utf8')
  if (moved !== stale) await placeLock(lock, moved)
  await rm(aside, { force: true })
}

async function releaseLock(lock: string, mine: string): Promise<void> {
  if ((await readLock(lock)) === mine) await rm(lock, { force: true })
}

const UNKNOWN_START = '-'
/** Field 22 of /proc/PID/stat, counted from the field behind the command's closing parenthesis. */
const START_TIME_FIELD = 19

/** Boot id and start time in clock ticks, on Linux; elsewhere "-". */
async function startMark(processId: number): Promise<string> {
  try {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
    const stat = await readFile(`/proc/${processId}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return `${boot}/${fields[START_TIME_FIELD] ?? ''}`
  } catch {
    return UNKNOWN_START
  }
}

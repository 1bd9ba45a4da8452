/**
 * The device under a process's files: how long a sync takes, and whether it fails. Operating systems
 * differ in what a failed sync leaves on the platter, so that is left to the files and to chance.
 */

import { StorageError } from '../../storage/storage-error.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { never, type ProcessLife } from './process-life.ts'
import type { WorldTime } from './world-time.ts'

export type DeviceError = 'ENOSPC' | 'EIO'

export const USUAL_SYNC_MS = [0.5, 4] as const

export class StorageDevice {
  syncMs: readonly [least: number, most: number] = USUAL_SYNC_MS
  /** Every sync fails so, as long as it is set. */
  error: DeviceError | undefined
  /** It has failed since this was last set: files that are open on it may take nothing more. */
  hasFailed = false
  readonly #time: WorldTime
  readonly random: SeededRandom

  constructor(time: WorldTime, random: SeededRandom) {
    this.#time = time
    this.random = random
  }

  /** Resolves when it is on the platter. @throws StorageError; never answers the dead. */
  async sync(life: ProcessLife): Promise<void> {
    if (!life.enter()) return never()
    await this.#time.delay(this.random.between(...this.syncMs))
    if (!life.isAlive) return never()
    if (this.error !== undefined) {
      this.hasFailed = true
      throw new StorageError(`${this.error}: the device fails`)
    }
    // The process may die knowing, or not knowing, that it is written.
    if (!life.enter()) return never()
  }

  /** A read, or a write that nobody waits for. */
  async access(life: ProcessLife): Promise<void> {
    await this.#time.delay(this.random.between(0.01, 0.2))
    if (!life.isAlive) return never()
  }
}

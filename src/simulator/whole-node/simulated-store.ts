/**
 * The key-value port on a simulated device. Batches are atomic and in order, as LevelDB's are. A crash
 * keeps any beginning of what was not synced yet: the batches under way, and those that nobody waited
 * for.
 */

import { bytesToHex } from '../../primitives/bytes.ts'
import type { KeyValueStore, Write } from '../../runtime/runtime.ts'
import { MemoryDisk, openMemoryStore } from '../../storage/memory-store.ts'
import { StorageError } from '../../storage/storage-error.ts'
import { never, type ProcessLife } from './process-life.ts'
import type { StorageDevice } from './storage-device.ts'

/** What outlives the process. */
export class StoreFile {
  readonly #device: StorageDevice
  readonly #disk = new MemoryDisk()
  /** How to take back each batch that is written and not synced, oldest first. */
  #unsynced: (readonly Write[])[] = []
  #underWay: (readonly Write[])[] = []

  constructor(device: StorageDevice) {
    this.#device = device
  }

  crash(): void {
    const { random } = this.#device
    const kept = random.below(this.#unsynced.length + this.#underWay.length + 1)
    const lost = this.#unsynced.slice(Math.min(kept, this.#unsynced.length))
    for (const undo of lost.toReversed()) this.#disk.write(undo, true)
    const more = Math.max(0, kept - this.#unsynced.length)
    for (const batch of this.#underWay.slice(0, more)) this.#disk.write(batch, true)
    this.#unsynced = []
    this.#underWay = []
    this.#disk.crash()
  }

  open(life: ProcessLife): KeyValueStore {
    const store = openMemoryStore(this.#disk)
    let failure: unknown
    let earlier: Promise<void> = Promise.resolve()
    return {
      // Even the dead may read: nobody learns of it, and they would only fall over themselves.
      get: (key) => this.#disk.read(bytesToHex(key))?.slice(),
      range: (from, to, options) => store.range(from, to, options),
      write: (batch, { sync }) => {
        if (!life.isAlive) return never()
        this.#underWay.push(batch)
        const mine = earlier.then(() => {
          if (failure === undefined) return this.#write(batch, sync, life)
          throw new StorageError('the database has failed', { cause: failure })
        })
        earlier = mine.catch((error: unknown) => {
          failure ??= error
        })
        return mine
      },
      close: async () => {
        await earlier
        if (life.isAlive) await store.close()
      },
    }
  }

  async #write(batch: readonly Write[], sync: boolean, life: ProcessLife): Promise<void> {
    await (sync ? this.#device.sync(life) : this.#device.access(life))
    this.#underWay.shift()
    this.#unsynced.push(
      batch.map(({ key }): Write => {
        const value = this.#disk.read(bytesToHex(key))
        return value === undefined ? { kind: 'delete', key } : { kind: 'put', key, value }
      }),
    )
    this.#disk.write(batch, true)
    // The log is synced as a whole: earlier batches are durable with this one.
    if (sync) this.#unsynced = []
  }
}

/**
 * The key-value port in memory, for the simulator and tests. A `MemoryDisk` outlives the stores opened
 * on it, as a disk outlives processes: it can be opened again, by one store at a time, and `crash`
 * takes away what was never synced, as a power failure may.
 */

import { assert } from '../primitives/assert.ts'
import { bytesToHex, hexToBytes } from '../primitives/bytes.ts'
import type { KeyValueStore, Write } from '../runtime/runtime.ts'
import { StorageError, StorageLockedError } from './storage-error.ts'

export class MemoryDisk {
  readonly #entries = new Map<string, Uint8Array>()
  /** What each key held when the last synced batch was written, for the keys changed since. */
  readonly #beforeUnsynced = new Map<string, Uint8Array | undefined>()
  /** Keys in ascending order; keys added since lie in `#fresh`, deleted ones are still in here. */
  #ordered: string[] = []
  #fresh: string[] = []
  #stale = false
  #owner: object | undefined

  /** Power failure: the store open on the disk is dead, unsynced batches are gone. */
  crash(): void {
    for (const [key, value] of this.#beforeUnsynced) this.#set(key, value)
    this.#beforeUnsynced.clear()
    this.#owner = undefined
  }

  acquire(owner: object): void {
    if (this.#owner !== undefined) throw new StorageLockedError('the memory disk is open already')
    this.#owner = owner
  }

  release(owner: object): void {
    if (this.#owner === owner) this.#owner = undefined
  }

  isHeldBy(owner: object): boolean {
    return this.#owner === owner
  }

  read(key: string): Uint8Array | undefined {
    return this.#entries.get(key)
  }

  write(batch: readonly Write[], sync: boolean): void {
    for (const write of batch) {
      const key = bytesToHex(write.key)
      if (!this.#beforeUnsynced.has(key)) this.#beforeUnsynced.set(key, this.#entries.get(key))
      this.#set(key, write.kind === 'put' ? new Uint8Array(write.value) : undefined)
    }
    // LevelDB syncs its log as a whole, so a synced batch makes every earlier one durable too.
    if (sync) this.#beforeUnsynced.clear()
  }

  /** Keys in `[from, to)`, ascending; a copy. */
  keys(from: string, to: string): string[] {
    this.#restoreOrder()
    const start = lowerBound(this.#ordered, from)
    const end = lowerBound(this.#ordered, to)
    return this.#ordered.slice(start, Math.max(start, end))
  }

  #set(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) {
      if (this.#entries.delete(key)) this.#stale = true
    } else {
      if (!this.#entries.has(key)) this.#fresh.push(key)
      this.#entries.set(key, value)
    }
  }

  #restoreOrder(): void {
    if (this.#stale) {
      // A key may have gone and come back, so it could stand in both lists.
      this.#ordered = [...this.#entries.keys()].toSorted()
    } else if (this.#fresh.length > 0) {
      this.#ordered = [...this.#ordered, ...this.#fresh].toSorted()
    }
    this.#fresh = []
    this.#stale = false
  }
}

/** @throws StorageLockedError while another store is open on the same disk. */
export function openMemoryStore(disk: MemoryDisk = new MemoryDisk()): KeyValueStore {
  const store = new MemoryStore(disk)
  disk.acquire(store)
  return store
}

/** Values are copied on the way in and out: nobody shares memory with the store. */
class MemoryStore implements KeyValueStore {
  readonly #disk: MemoryDisk

  constructor(disk: MemoryDisk) {
    this.#disk = disk
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#mustBeOpen()
    return this.#disk.read(bytesToHex(key))?.slice()
  }

  /** A consistent view as of the first step; writes made meanwhile do not show. */
  async *range(
    from: Uint8Array,
    to: Uint8Array,
    options: { readonly limit?: number; readonly reverse?: boolean } = {},
  ): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    const { limit = Number.POSITIVE_INFINITY, reverse = false } = options
    this.#mustBeOpen()
    const keys = this.#disk.keys(bytesToHex(from), bytesToHex(to))
    const chosen = (reverse ? keys.toReversed() : keys).slice(0, limit)
    const snapshot = chosen.map((key) => [key, this.#disk.read(key)] as const)
    for (const [key, value] of snapshot) {
      assert(value !== undefined, 'ordered keys and entries agree')
      // Yields to other work as a real disk would.
      await Promise.resolve()
      this.#mustBeOpen()
      yield [hexToBytes(key), value.slice()]
    }
  }

  async write(batch: readonly Write[], options: { readonly sync: boolean }): Promise<void> {
    this.#mustBeOpen()
    this.#disk.write(batch, options.sync)
    await Promise.resolve()
  }

  async close(): Promise<void> {
    await Promise.resolve()
    this.#disk.release(this)
  }

  #mustBeOpen(): void {
    if (!this.#disk.isHeldBy(this)) throw new StorageError('the memory store is closed')
  }
}

/** Index of the first key that is not below `key`. */
function lowerBound(ordered: readonly string[], key: string): number {
  let low = 0
  let high = ordered.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ordered[middle] ?? '') < key) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * A node's disk and its outbox, together Rule W: records and actions pass through one FIFO, and an
 * action runs only when every record before it is synced. A crash loses what is not synced, but for
 * a prefix that may have reached the platter, and the actions behind it.
 */

import type { Decided } from '../consensus/core.ts'
import { decodeWalRecord, encodeWalRecord, type WalRecord } from '../consensus/wal-record.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { VirtualTime } from './virtual-time.ts'

type OutboxItem =
  | { readonly kind: 'record'; readonly bytes: Uint8Array }
  | { readonly kind: 'commit'; readonly decided: Decided; readonly applied: () => void }
  | { readonly kind: 'action'; readonly run: () => void }

export class SimulatedDisk {
  readonly #log: Uint8Array[] = []
  readonly decided: Decided[] = []
  /** Milliseconds of one sync. */
  syncMs: readonly [least: number, most: number] = [0.5, 4]
  #outbox: OutboxItem[] = []
  #syncing = false
  #incarnation = 0
  readonly #time: VirtualTime
  readonly #random: SeededRandom

  constructor(world: { readonly time: VirtualTime; readonly random: SeededRandom }) {
    this.#time = world.time
    this.#random = world.random
  }

  /** The synced records, oldest first, through the real codec. */
  records(): WalRecord[] {
    return this.#log.map(decodeWalRecord)
  }

  append(record: WalRecord): void {
    this.#outbox.push({ kind: 'record', bytes: encodeWalRecord(record) })
    this.#pump()
  }

  /** `applied` runs when the block is durable. */
  commit(decided: Decided, applied: () => void): void {
    this.#outbox.push({ kind: 'commit', decided, applied })
    this.#pump()
  }

  /** Runs when everything before it is durable. */
  whenDurable(run: () => void): void {
    this.#outbox.push({ kind: 'action', run })
    this.#pump()
  }

  crash(): void {
    this.#incarnation++
    this.#syncing = false
    const survivors = this.#random.below(this.#outbox.length + 1)
    for (const item of this.#outbox.slice(0, survivors)) {
      if (item.kind === 'record') this.#log.push(item.bytes)
      // A database transaction is all or nothing, and nothing after it can be there without it.
      if (item.kind === 'commit') break
    }
    this.#outbox = []
  }

  #pump(): void {
    if (this.#syncing) return
    while (this.#outbox[0]?.kind === 'action') {
      const item = this.#outbox.shift()
      if (item?.kind === 'action') item.run()
    }
    if (this.#outbox.length === 0) return
    // One sync covers every record that has been appended by now.
    this.#syncing = true
    const batch = this.#outbox.length
    const incarnation = this.#incarnation
    this.#time.after(this.#random.between(...this.syncMs), () => {
      if (incarnation !== this.#incarnation) return
      this.#syncing = false
      const synced = this.#outbox.splice(0, batch)
      for (const item of synced) if (item.kind === 'record') this.#log.push(item.bytes)
      for (const item of synced) this.#release(item, incarnation)
      if (incarnation === this.#incarnation) this.#pump()
    })
  }

  #release(item: OutboxItem, incarnation: number): void {
    if (incarnation !== this.#incarnation) return
    if (item.kind === 'action') item.run()
    if (item.kind === 'commit') {
      this.decided.push(item.decided)
      this.#prune(item.decided.block.height)
      item.applied()
    }
  }

  #prune(height: number): void {
    const kept = this.#log.filter((bytes) => decodeWalRecord(bytes).height > height)
    this.#log.splice(0, this.#log.length, ...kept)
  }
}

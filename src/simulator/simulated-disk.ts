/**
 * A node's disk and its outbox, together Rule W: records and actions pass through one FIFO, and an
 * action runs only when every record before it is synced. The log has the frames of the real one. A
 * crash loses what is not synced, but for a prefix that may have reached the platter, its last frame
 * torn anywhere; a full or broken disk fails the sync, and with it the node.
 */

import type { Decided } from '../consensus/core.ts'
import { decodeWalRecord, encodeWalRecord, type WalRecord } from '../consensus/wal-record.ts'
import { concatBytes } from '../primitives/bytes.ts'
import { encodeFrame, LOG_HEADER, scanLog } from '../storage/append-log-format.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { VirtualTime } from './virtual-time.ts'

type OutboxItem =
  | { readonly kind: 'record'; readonly height: number; readonly bytes: Uint8Array }
  | { readonly kind: 'commit'; readonly decided: Decided; readonly applied: () => void }
  | { readonly kind: 'action'; readonly run: () => void }

interface Frame {
  readonly height: number
  readonly bytes: Uint8Array
}

/** What the operating system says of a disk that takes no more. */
export type DiskError = 'ENOSPC' | 'EIO'

export class SimulatedDisk {
  #log: Frame[] = []
  readonly decided: Decided[] = []
  /** Milliseconds of one sync. */
  syncMs: readonly [least: number, most: number] = [0.5, 4]
  /** Every sync fails so, as long as it is set. */
  error: DiskError | undefined
  /** Told of a sync that failed; nothing that waits behind it will run. */
  onError: (error: DiskError) => void = () => undefined
  #outbox: OutboxItem[] = []
  #syncing = false
  #incarnation = 0
  readonly #time: VirtualTime
  readonly #random: SeededRandom

  constructor(world: { readonly time: VirtualTime; readonly random: SeededRandom }) {
    this.#time = world.time
    this.#random = world.random
  }

  /**
   * The records on the platter, oldest first, as the real log finds them; what a crash has torn is
   * cut off. @throws LogDamage where more than the last frame is broken.
   */
  open(): WalRecord[] {
    const records = this.records()
    this.#log = this.#log.slice(0, records.length)
    return records
  }

  records(): WalRecord[] {
    const file = concatBytes(LOG_HEADER, ...this.#log.map((frame) => frame.bytes))
    return scanLog(file).records.map(decodeWalRecord)
  }

  /** What waits for a sync. */
  get waiting(): number {
    return this.#outbox.length
  }

  append(record: WalRecord): void {
    const bytes = encodeWalRecord(record)
    this.#outbox.push({ kind: 'record', height: record.height, bytes })
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
    const synced = this.#log.length
    for (const item of this.#outbox.slice(0, survivors)) {
      if (item.kind === 'record') this.#write(item)
      // A database transaction is all or nothing, and nothing after it can be there without it.
      if (item.kind === 'commit') break
    }
    this.#outbox = []
    const last = this.#log.at(-1)
    if (last === undefined || this.#log.length === synced || this.#random.chance(0.5)) return
    const bytes = last.bytes.slice(0, this.#random.below(last.bytes.length))
    this.#log[this.#log.length - 1] = { ...last, bytes }
  }

  /** One record is one frame: a crash can part any two. */
  #write(item: Extract<OutboxItem, { kind: 'record' }>): void {
    this.#log.push({ height: item.height, bytes: encodeFrame([item.bytes]) })
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
      if (this.error !== undefined) return this.onError(this.error)
      this.#syncing = false
      const synced = this.#outbox.splice(0, batch)
      for (const item of synced) if (item.kind === 'record') this.#write(item)
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
    this.#log = this.#log.filter((frame) => frame.height > height)
  }
}

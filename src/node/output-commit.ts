/**
 * Rule W, output commit: nothing leaves the node before every record that it may depend on is on
 * disk. Records and actions go through one queue; records that wait together share one sync, and an
 * action runs when everything before it is done. After a failure nothing is written or run any more:
 * nobody knows what the disk holds, so the owner must stop the node.
 */

import type { AppendLog } from '../runtime/runtime.ts'

export interface JournalRecord {
  readonly height: number
  readonly bytes: Uint8Array
}

export interface OutputQueue {
  persist(record: JournalRecord): void
  /** Runs after all earlier records are durable and all earlier actions are done. */
  act(run: () => Promise<void> | void): void
  /** Forgets the records of decided heights; call it once the block is durable. */
  decided(height: number): void
  /** Resolves when everything that is in the queue now is done, or will never be. */
  flushed(): Promise<void>
}

type Item =
  | { readonly kind: 'record'; readonly record: JournalRecord }
  | { readonly kind: 'action'; readonly run: () => Promise<void> | void }

/**
 * The log is rewritten without its dead records when it has so many, or so many bytes of them: it is
 * read as a whole at the next start. A height leaves about ten records, one of them its block.
 */
const DEAD_RECORDS_MAX = 1_000
const DEAD_BYTES_MAX = 32_000_000
/** Records of one append; the log bounds it at 64 MiB. */
const APPEND_BYTES_MAX = 16_000_000

/** `recovered` is what the log holds: all of it, records of decided heights included. */
export function createOutputQueue(
  log: AppendLog,
  recovered: readonly JournalRecord[],
  onFailure: (error: unknown) => void,
): OutputQueue {
  return new Queue(log, recovered, onFailure)
}

class Queue implements OutputQueue {
  readonly #log: AppendLog
  readonly #onFailure: (error: unknown) => void
  #items: Item[] = []
  /** What the log holds about undecided heights, and how much else it holds. */
  #live: readonly JournalRecord[]
  #deadRecords = 0
  #deadBytes = 0
  #isPumping = false
  #hasFailed = false
  #waiting: (() => void)[] = []

  constructor(
    log: AppendLog,
    recovered: readonly JournalRecord[],
    onFailure: (error: unknown) => void,
  ) {
    this.#log = log
    this.#live = recovered
    this.#onFailure = onFailure
  }

  persist(record: JournalRecord): void {
    this.#push({ kind: 'record', record })
  }

  act(run: () => Promise<void> | void): void {
    this.#push({ kind: 'action', run })
  }

  decided(height: number): void {
    for (const record of this.#live) {
      if (record.height > height) continue
      this.#deadRecords += 1
      this.#deadBytes += record.bytes.length
    }
    this.#live = this.#live.filter((record) => record.height > height)
  }

  flushed(): Promise<void> {
    if (this.#hasFailed) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.act(() => {
        this.#waiting = this.#waiting.filter((other) => other !== resolve)
        resolve()
      })
    })
  }

  #push(item: Item): void {
    if (this.#hasFailed) return
    this.#items.push(item)
    if (!this.#isPumping) void this.#pump()
  }

  async #pump(): Promise<void> {
    this.#isPumping = true
    // After the caller's turn, so that the records of one step share a sync.
    await Promise.resolve()
    try {
      while (this.#items.length > 0) await this.#take(this.#items.splice(0))
    } catch (error) {
      this.#fail(error)
    }
    this.#isPumping = false
  }

  async #take(items: readonly Item[]): Promise<void> {
    const records = items.flatMap((item) => (item.kind === 'record' ? [item.record] : []))
    for (const part of partsOf(records)) {
      await this.#log.append(part.map((record) => record.bytes))
      this.#live = [...this.#live, ...part]
    }
    for (const item of items) if (item.kind === 'action') await item.run()
    // Between two rounds every live record is in the log and no append is under way.
    if (this.#deadRecords < DEAD_RECORDS_MAX && this.#deadBytes < DEAD_BYTES_MAX) return
    this.#deadRecords = 0
    this.#deadBytes = 0
    await this.#log.rewrite(this.#live.map((record) => record.bytes))
  }

  #fail(error: unknown): void {
    this.#hasFailed = true
    this.#items = []
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
    this.#onFailure(error)
  }
}

function* partsOf(records: readonly JournalRecord[]): Iterable<readonly JournalRecord[]> {
  let part: JournalRecord[] = []
  let bytes = 0
  for (const record of records) {
    if (part.length > 0 && bytes + record.bytes.length > APPEND_BYTES_MAX) {
      yield part
      part = []
      bytes = 0
    }
    part.push(record)
    bytes += record.bytes.length
  }
  if (part.length > 0) yield part
}

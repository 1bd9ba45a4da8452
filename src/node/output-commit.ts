/**
 * Rule W, output commit: nothing leaves the node before every record that it may depend on is on
 * disk. Records and actions go through one queue; records that wait together share one sync, and an
 * action runs when everything before it is done.
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
  /** Resolves when the queue has run dry. */
  idle(): Promise<void>
}

type Item =
  | { readonly kind: 'record'; readonly record: JournalRecord }
  | { readonly kind: 'action'; readonly run: () => Promise<void> | void }

/** The log is rewritten without its dead records when it has this many. A height leaves about ten. */
const DEAD_RECORDS_MAX = 1_000

/** `onFailure` must stop the node: after a failed write nobody knows what the disk holds. */
export function createOutputQueue(
  log: AppendLog,
  recovered: readonly JournalRecord[],
  onFailure: (error: unknown) => void,
): OutputQueue {
  const queue: Item[] = []
  let live = [...recovered]
  let dead = 0
  let pumping: Promise<void> | undefined
  let failed = false

  async function pump(): Promise<void> {
    while (queue.length > 0) {
      const taken = queue.splice(0)
      const records = taken.flatMap((item) => (item.kind === 'record' ? [item.record] : []))
      if (records.length > 0) {
        await log.append(records.map((record) => record.bytes))
        live.push(...records)
      }
      for (const item of taken) if (item.kind === 'action') await item.run()
      if (dead >= DEAD_RECORDS_MAX) {
        dead = 0
        await log.rewrite(live.map((record) => record.bytes))
      }
    }
  }

  function start(): void {
    if (failed) return
    pumping ??= pump()
      .catch((error: unknown) => {
        failed = true
        queue.length = 0
        onFailure(error)
      })
      .finally(() => {
        pumping = undefined
        if (queue.length > 0) start()
      })
  }

  return {
    persist(record) {
      queue.push({ kind: 'record', record })
      start()
    },
    act(run) {
      queue.push({ kind: 'action', run })
      start()
    },
    decided(height) {
      const before = live.length
      live = live.filter((record) => record.height > height)
      dead += before - live.length
    },
    idle: async () => {
      while (pumping !== undefined) await pumping
    },
  }
}

/** The journal port in memory: it outlives its node, and a crash takes what was not yet synced. */

import type { AppendLog } from '../../src/runtime/runtime.ts'

/** The disk is full, or gone. */
class JournalBrokenError extends Error {
  override readonly name = 'JournalBrokenError'
}

export class MemoryJournal {
  records: readonly Uint8Array[] = []
  appends = 0
  rewrites = 0
  /** Appends that succeed before the disk fails. */
  appendsLeft = Number.POSITIVE_INFINITY
  #life = 0
  readonly #sync: () => Promise<void>

  /** `sync` resolves when the disk has it. */
  constructor(sync: () => Promise<void> = async () => undefined) {
    this.#sync = sync
  }

  /** Power failure: writes under way are lost and never answered. */
  crash(): void {
    this.#life += 1
  }

  open(): AppendLog {
    this.#life += 1
    const life = this.#life
    const write = async (next: () => readonly Uint8Array[]): Promise<void> => {
      this.appendsLeft -= 1
      if (this.appendsLeft < 0) throw new JournalBrokenError('no space left on device')
      await this.#sync()
      if (this.#life !== life) await new Promise<never>(() => undefined)
      this.records = next()
    }
    return {
      recovered: this.records,
      append: (added) => {
        this.appends += 1
        return write(() => [...this.records, ...added])
      },
      rewrite: (records) => {
        this.rewrites += 1
        return write(() => records)
      },
      close: async () => undefined,
    }
  }
}

/**
 * The append-log port on a simulated device, in the real log's format. A crash keeps any beginning of
 * what was being written, its last frame torn anywhere. After an error every call rejects, as the real
 * log's do, until the process is started again.
 */

import { concatBytes } from '../../primitives/bytes.ts'
import type { AppendLog } from '../../runtime/runtime.ts'
import { encodeFrame, LOG_HEADER, scanLog } from '../../storage/append-log-format.ts'
import { JournalFailedError } from '../../storage/storage-error.ts'
import { never, type ProcessLife } from './process-life.ts'
import type { StorageDevice } from './storage-device.ts'

type Operation =
  | { readonly kind: 'append'; readonly frame: Uint8Array }
  | { readonly kind: 'rewrite'; readonly frames: readonly Uint8Array[] }

/** What outlives the process. */
export class LogFile {
  readonly #device: StorageDevice
  #frames: Uint8Array[] = []
  #underWay: Operation[] = []

  constructor(device: StorageDevice) {
    this.#device = device
  }

  /** Power failure, or kill -9: any beginning of what was under way may be there. */
  crash(): void {
    const { random } = this.#device
    const before = this.#frames.length
    const survivors = this.#underWay.slice(0, random.below(this.#underWay.length + 1))
    for (const operation of survivors) this.#perform(operation)
    this.#underWay = []
    const last = this.#frames.at(-1)
    const isAppended = survivors.at(-1)?.kind === 'append' && this.#frames.length > before
    if (last === undefined || !isAppended || random.chance(0.5)) return
    this.#frames[this.#frames.length - 1] = last.slice(0, random.below(last.length))
  }

  /** What is on the platter. @throws LogDamage where more than the last frame is broken. */
  records(): readonly Uint8Array[] {
    return scanLog(concatBytes(LOG_HEADER, ...this.#frames)).records
  }

  get bytes(): number {
    return this.#frames.reduce((sum, frame) => sum + frame.length, 0)
  }

  open(life: ProcessLife): AppendLog {
    const recovered = this.records()
    // The torn tail is cut off.
    this.#frames = recovered.map((record) => encodeFrame([record]))
    let failure: unknown
    let earlier: Promise<void> = Promise.resolve()
    const write = (operation: Operation): Promise<void> => {
      if (!life.isAlive) return never()
      this.#underWay.push(operation)
      const mine = earlier.then(() => {
        if (failure !== undefined) throw failed(failure)
        return this.#write(operation, life)
      })
      earlier = mine.catch((error: unknown) => {
        failure ??= error
      })
      return mine
    }
    const guarded = (operation: () => Operation): Promise<void> =>
      failure === undefined ? write(operation()) : Promise.reject(failed(failure))
    return {
      recovered,
      append: (records) => guarded(() => ({ kind: 'append', frame: encodeFrame(records) })),
      rewrite: (records) =>
        guarded(() => ({ kind: 'rewrite', frames: records.map((one) => encodeFrame([one])) })),
      close: () => earlier,
    }
  }

  async #write(operation: Operation, life: ProcessLife): Promise<void> {
    try {
      await this.#device.sync(life)
    } catch (cause) {
      throw new JournalFailedError('the log cannot be written', { cause })
    }
    this.#underWay.shift()
    this.#perform(operation)
  }

  #perform(operation: Operation): void {
    if (operation.kind === 'append') this.#frames.push(operation.frame)
    else this.#frames = [...operation.frames]
  }
}

function failed(cause: unknown): JournalFailedError {
  return new JournalFailedError('the log has failed', { cause })
}

/**
 * Elliptic-curve checks spread over worker threads and the calling thread, synchronously: workers take
 * checks while the caller still adds them; `finish` joins in and returns when all are answered. The
 * protocol and why it has no races are in check-board.ts. Workers are help and never needed: without
 * them (none yet, died, hung, closed) the caller makes every check itself.
 *
 * A worker chooses its secp256k1 backend by itself, as the main thread does at start-up; all backends
 * give the same answers.
 */

import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { assert, present } from '../primitives/assert.ts'
import {
  type CheckBatch,
  type CheckBatches,
  type CheckKind,
  type FailedCheck,
  INLINE_CHECKS,
} from '../primitives/check-batch.ts'
import {
  BOARD_CHECKS,
  BOARD_EPOCHS,
  beginEpoch,
  CHUNK_CHECKS,
  type CheckBoard,
  chunkFailure,
  createCheckBoard,
  currentEpoch,
  hasFailure,
  offerChunks,
  workOff,
} from './check-board.ts'
import {
  createRecordCheck,
  RECORD_BYTES,
  type RecordCheck,
  writeEcdsa,
  writeSchnorr,
  writeTweak,
} from './check-records.ts'

export interface CheckPool extends CheckBatches {
  /** Worker threads beside the calling one. */
  readonly threads: number
  /**
   * Ends the workers. A batch that is open, and later ones, are answered by the caller alone.
   * May be called again.
   */
  close(): Promise<void>
}

/** More are of no use for blocks of the size that the chain allows. */
const MAX_THREADS = 15

/** Batches below this are done before a thread has woken up. */
const SHARED_FROM = 32

/** Workers started in place of dead ones: where they keep dying the caller goes on alone. */
const SPARE_WORKERS = 8

/** Generous for a worker's code and backend (about 15 MB); checks allocate next to nothing. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 }

/** One worker for every core but the caller's, at most 15. */
export function defaultCheckThreads(): number {
  return Math.min(availableParallelism() - 1, MAX_THREADS)
}

/**
 * A pool with that many worker threads beside the caller (0 to 15; 0 checks inline). Threads start
 * with the first batch that is large enough for them; they do not keep the process alive.
 * A batch that is never finished does no harm; using it after another was begun is asserted against.
 */
export function createCheckPool({ threads }: { readonly threads: number }): CheckPool {
  assert(
    Number.isInteger(threads) && threads >= 0 && threads <= MAX_THREADS,
    'a pool has 0 to 15 threads',
  )
  if (threads === 0) return { ...INLINE_CHECKS, threads, close: async () => {} }
  return new ThreadedCheckPool(threads)
}

class ThreadedCheckPool implements CheckPool {
  readonly threads: number
  readonly #workers = new Set<Worker>()
  #board = createCheckBoard()
  #check = createRecordCheck(this.#board.records)
  #starts = 0
  #closed = false

  constructor(threads: number) {
    this.threads = threads
  }

  begin(): CheckBatch {
    if (currentEpoch(this.#board) === BOARD_EPOCHS) this.#renew()
    const epoch = currentEpoch(this.#board) + 1
    beginEpoch(this.#board, epoch)
    return new SharedCheckBatch(this.#board, epoch, this.#check, () => this.#startWorkers())
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#terminateWorkers()
  }

  /** The epochs are used up: threads that may be late keep the old memory, to themselves. */
  #renew(): void {
    beginEpoch(this.#board, 0)
    void this.#terminateWorkers()
    this.#starts = 0
    this.#board = createCheckBoard()
    this.#check = createRecordCheck(this.#board.records)
  }

  async #terminateWorkers(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.terminate()))
  }

  #startWorkers(): void {
    while (
      !this.#closed &&
      this.#workers.size < this.threads &&
      this.#starts < this.threads + SPARE_WORKERS
    ) {
      this.#starts += 1
      const worker = startWorker(this.#board)
      if (worker === undefined) return
      this.#workers.add(worker)
      worker.once('exit', () => this.#workers.delete(worker))
    }
  }
}

/** Undefined when the machine has no thread to give. */
function startWorker(board: CheckBoard): Worker | undefined {
  try {
    const worker = new Worker(new URL('./check-worker.ts', import.meta.url), {
      name: 'check',
      workerData: board.memory,
      execArgv: [],
      resourceLimits: WORKER_LIMITS,
    })
    // Its exit follows and makes room for another; its checks the caller makes.
    worker.once('error', () => {})
    worker.unref()
    return worker
  } catch {
    return undefined
  }
}

class SharedCheckBatch implements CheckBatch {
  readonly #board: CheckBoard
  readonly #epoch: number
  readonly #check: RecordCheck
  readonly #startWorkers: () => void
  readonly #kinds: CheckKind[] = []
  /** Records written, from the board's beginning; `#offered` chunks of them belong to everybody. */
  #written = 0
  #offered = 0
  /** The first check that fails, of those answered when they were added; none is written after it. */
  #failed: number | undefined
  /** A worker has found a failure: whatever is added now comes after it. */
  #stopped = false
  #finished = false

  constructor(board: CheckBoard, epoch: number, check: RecordCheck, startWorkers: () => void) {
    this.#board = board
    this.#epoch = epoch
    this.#check = check
    this.#startWorkers = startWorkers
  }

  get size(): number {
    return this.#kinds.length
  }

  addSchnorr(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): void {
    this.#add('schnorr', (records, index) =>
      writeSchnorr(records, index, signature, message, publicKey),
    )
  }

  addEcdsa(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): void {
    this.#add('ecdsa', (records, index) =>
      writeEcdsa(records, index, signature, message, publicKey),
    )
  }

  addTweak(internal: Uint8Array, tweak: Uint8Array, output: Uint8Array, parity: 0 | 1): void {
    this.#add('tweak', (records, index) =>
      writeTweak(records, index, internal, tweak, output, parity),
    )
  }

  finish(): FailedCheck | undefined {
    this.#assertOpen()
    this.#finished = true
    const index = this.#firstFailing()
    if (index === undefined) return undefined
    return { index, kind: present(this.#kinds[index], 'kind of the failed check') }
  }

  #firstFailing(): number | undefined {
    workOff(this.#board, this.#epoch, this.#check)
    // What was never offered, while workers end what they have taken.
    const rest = this.#firstFailingRest()
    for (let chunk = 0; chunk < this.#offered; chunk += 1) {
      const failing = chunkFailure(this.#board, this.#epoch, chunk, this.#check)
      if (failing !== undefined) return failing
    }
    return rest ?? this.#failed
  }

  #add(kind: CheckKind, write: (records: Uint8Array, index: number) => boolean): void {
    this.#assertOpen()
    const index = this.#kinds.length
    this.#kinds.push(kind)
    if (this.#failed !== undefined || this.#stopped) return
    if (index >= BOARD_CHECKS) {
      if (!isHolding(write)) this.#failed = index
    } else if (write(this.#board.records, index)) {
      this.#written += 1
      if (this.#written % CHUNK_CHECKS === 0 && this.#written >= SHARED_FROM) this.#offer()
    } else {
      this.#failed = index
    }
  }

  #offer(): void {
    this.#stopped = hasFailure(this.#board, this.#epoch)
    if (this.#stopped) return
    if (this.#offered === 0) this.#startWorkers()
    const filled = this.#written / CHUNK_CHECKS
    offerChunks(this.#board, this.#epoch, this.#offered, filled)
    this.#offered = filled
  }

  #firstFailingRest(): number | undefined {
    for (let index = this.#offered * CHUNK_CHECKS; index < this.#written; index += 1) {
      if (!this.#check(index)) return index
    }
    return undefined
  }

  #assertOpen(): void {
    assert(!this.#finished, 'a finished batch takes no more checks')
    assert(currentEpoch(this.#board) === this.#epoch, 'one batch at a time')
  }
}

/** Checks a record that has no place on the board, at once. */
function isHolding(write: (records: Uint8Array, index: number) => boolean): boolean {
  const record = new Uint8Array(RECORD_BYTES)
  return write(record, 0) && createRecordCheck(record)(0)
}

/**
 * The memory that the threads of a check pool share, and the rules by which they share it: who may
 * take which checks, and when a verdict counts. No locks; nobody ever waits for another thread's
 * work, so a thread that is slow, hangs or has died costs its help and nothing else.
 *
 * Checks lie in chunks of eight. Every chunk has one word, `epoch · 16 + state`; a batch is an epoch.
 *
 *     (older epoch) --caller--> READY --whoever swaps--> TAKEN --who took it--> PASSED or FAILED+i
 *
 * - Only the caller (the thread that adds checks) moves a word to a new epoch, by a store, after it
 *   has written the chunk's eight records. A thread takes a chunk by compare-exchange from READY, so
 *   exactly one does, and its atomic operation comes after the caller's: it sees whole records.
 * - A verdict is written by compare-exchange from this epoch's TAKEN. A thread that comes late, when
 *   the caller has begun another batch and perhaps overwritten the records that it was reading,
 *   either finds another word and changes nothing, or marks the chunk with its old epoch, which
 *   counts for nobody and which the caller overwrites. Epochs never come twice in one memory.
 * - PASSED is written only by who has made all eight checks. The caller believes PASSED and FAILED;
 *   for every other state it makes the checks itself. So nothing that was not checked passes.
 * - Chunks are taken from the lowest up. When one fails, all below it have been taken: the threads
 *   then take no more (word FAILED_EPOCH), and the first failure is still found exactly.
 *
 * Idle threads sleep on the word SIGNAL, which grows with every chunk made ready; they read it before
 * they look for work, so that none sleeps through a chunk. All atomics are sequentially consistent.
 */

import { assert } from '../primitives/assert.ts'
import { RECORD_BYTES, type RecordCheck } from './check-records.ts'

/**
 * Checks per chunk: a third of a millisecond with the native library. Fewer would cost more atomics,
 * more would leave cores idle at the end of a block.
 */
export const CHUNK_CHECKS = 8

/**
 * Records that fit: the 20,000 signature operations that a block may cost, and 12,768 taproot
 * commitments beside them. A block with more is still checked: by the caller alone.
 */
export const BOARD_CHECKS = 32_768

/**
 * Epochs in one memory. Afterwards the pool takes new memory and new threads, so that no thread,
 * however late, can mistake one batch for another. Small enough for a test to get there.
 */
export const BOARD_EPOCHS = 2 ** 20

const CHUNKS = BOARD_CHECKS / CHUNK_CHECKS

/** The current batch; 0 before the first and after the last. Written by the caller. */
const EPOCH = 0
/** Grows with every chunk made ready. Written by the caller. */
const SIGNAL = 1
/** The newest epoch that is known to contain a failing check. Written by anybody, only upwards. */
const FAILED_EPOCH = 2
/** The chunks' words, in a cache line after those above. */
const FIRST_CHUNK = 16
const WORDS = FIRST_CHUNK + CHUNKS

const READY = 1
const TAKEN = 2
const PASSED = 3
/** Plus the index in its chunk of the first check that fails. */
const FAILED = 4

const wordOf = (epoch: number, state: number): number => epoch * 16 + state

/** The shared memory of one pool, as each of its threads sees it. */
export interface CheckBoard {
  readonly memory: SharedArrayBuffer
  readonly words: Int32Array
  readonly records: Uint8Array
}

export function createCheckBoard(): CheckBoard {
  return openCheckBoard(new SharedArrayBuffer(WORDS * 4 + BOARD_CHECKS * RECORD_BYTES))
}

/** The board in memory that another thread created. */
export function openCheckBoard(memory: SharedArrayBuffer): CheckBoard {
  assert(
    memory.byteLength === WORDS * 4 + BOARD_CHECKS * RECORD_BYTES,
    'the memory is a check board',
  )
  return {
    memory,
    words: new Int32Array(memory, 0, WORDS),
    records: new Uint8Array(memory, WORDS * 4),
  }
}

/** Caller: whatever the board holds is history from here on. 0 leaves it without a batch. */
export function beginEpoch(board: CheckBoard, epoch: number): void {
  assert(epoch >= 0 && epoch <= BOARD_EPOCHS, 'the epoch is one of the board’s')
  Atomics.store(board.words, EPOCH, epoch)
}

export function currentEpoch(board: CheckBoard): number {
  return Atomics.load(board.words, EPOCH)
}

/** Is some check of this batch known to fail? */
export function hasFailure(board: CheckBoard, epoch: number): boolean {
  return Atomics.load(board.words, FAILED_EPOCH) === epoch
}

/** Caller: offers chunks `from` to `to` (exclusive), whose records are written, and wakes threads. */
export function offerChunks(board: CheckBoard, epoch: number, from: number, to: number): void {
  for (let chunk = from; chunk < to; chunk += 1) {
    Atomics.store(board.words, FIRST_CHUNK + chunk, wordOf(epoch, READY))
  }
  Atomics.add(board.words, SIGNAL, 1)
  Atomics.notify(board.words, SIGNAL, to - from)
}

/**
 * The lowest chunk of this batch, not below `from`, that nobody has taken: now taken. Undefined when
 * there is none, or no need, because the batch has a failure or has ended. A taken chunk never becomes
 * free again, so who has taken one goes on from the next.
 */
export function takeChunk(board: CheckBoard, epoch: number, from: number): number | undefined {
  const { words } = board
  if (currentEpoch(board) !== epoch || hasFailure(board, epoch)) return undefined
  const ready = wordOf(epoch, READY)
  for (let chunk = from; chunk < CHUNKS; chunk += 1) {
    const word = Atomics.load(words, FIRST_CHUNK + chunk)
    // Chunks are offered from the lowest up: at the first of an older epoch the offer ends.
    if (word < ready) return undefined
    if (word !== ready) continue
    const found = Atomics.compareExchange(words, FIRST_CHUNK + chunk, ready, wordOf(epoch, TAKEN))
    if (found === ready) return chunk
  }
  return undefined
}

/** Makes a taken chunk's checks and writes the verdict, unless the batch has ended meanwhile. */
export function settleChunk(
  board: CheckBoard,
  epoch: number,
  chunk: number,
  check: RecordCheck,
): void {
  let state = PASSED
  for (let i = 0; i < CHUNK_CHECKS && state === PASSED; i += 1) {
    if (!check(chunk * CHUNK_CHECKS + i)) state = FAILED + i
  }
  const taken = wordOf(epoch, TAKEN)
  const at = FIRST_CHUNK + chunk
  const found = Atomics.compareExchange(board.words, at, taken, wordOf(epoch, state))
  if (found === taken && state !== PASSED) announceFailure(board, epoch)
}

function announceFailure(board: CheckBoard, epoch: number): void {
  let known = Atomics.load(board.words, FAILED_EPOCH)
  // Upwards only: a late thread must not hide the failure of a newer batch.
  while (known < epoch) {
    const found = Atomics.compareExchange(board.words, FAILED_EPOCH, known, epoch)
    if (found === known) return
    known = found
  }
}

/** Any thread: takes and settles chunks until the batch offers no more. */
export function workOff(board: CheckBoard, epoch: number, check: RecordCheck): void {
  for (let from = 0; ; ) {
    const chunk = takeChunk(board, epoch, from)
    if (chunk === undefined) return
    settleChunk(board, epoch, chunk, check)
    from = chunk + 1
  }
}

/**
 * Caller: the index of the first failing check of an offered chunk, undefined when all hold. Takes
 * the verdict of who settled it; until there is one, makes the checks itself.
 */
export function chunkFailure(
  board: CheckBoard,
  epoch: number,
  chunk: number,
  check: RecordCheck,
): number | undefined {
  const first = chunk * CHUNK_CHECKS
  for (let i = 0; i < CHUNK_CHECKS; i += 1) {
    const state = Atomics.load(board.words, FIRST_CHUNK + chunk) - wordOf(epoch, 0)
    if (state === PASSED) return undefined
    if (state >= FAILED) return first + state - FAILED
    if (!check(first + i)) return first + i
  }
  return undefined
}

/** Worker: helps with one batch after the other, for ever; sleeps when there is nothing to do. */
export function serveBoard(board: CheckBoard, check: RecordCheck): never {
  for (;;) {
    const seen = Atomics.load(board.words, SIGNAL)
    workOff(board, currentEpoch(board), check)
    Atomics.wait(board.words, SIGNAL, seen)
  }
}

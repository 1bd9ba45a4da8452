import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { AssertionError } from '../../src/primitives/assert.ts'
import {
  beginEpoch,
  CHUNK_CHECKS,
  type CheckBoard,
  chunkFailure,
  createCheckBoard,
  currentEpoch,
  hasFailure,
  offerChunks,
  openCheckBoard,
  settleChunk,
  takeChunk,
  workOff,
} from '../../src/runtime/check-board.ts'
import { createRecordCheck, writeSchnorr } from '../../src/runtime/check-records.ts'
import { HOLDING } from '../support/signature-checks.ts'

const holds = (): boolean => true
const fails = (): boolean => false
const neverAsked = (index: number): boolean => {
  throw new AssertionError(`check ${String(index)} was made again`)
}

function offered(chunks: number): CheckBoard {
  const board = createCheckBoard()
  beginEpoch(board, 1)
  offerChunks(board, 1, 0, chunks)
  return board
}

/** Records 0 to `count`, all Schnorr; the message of number `bad` is wrong. */
function fill(board: CheckBoard, count: number, bad?: number): void {
  const [signature, message, key] = HOLDING[0]!.parts
  for (let i = 0; i < count; i += 1) {
    writeSchnorr(board.records, i, signature, i === bad ? key : message, key)
  }
}

/** The verdict that somebody else gives, once it is there. */
async function verdict(board: CheckBoard, chunk: number): Promise<number | undefined> {
  for (;;) {
    const made: number[] = []
    const failing = chunkFailure(board, currentEpoch(board), chunk, (index) => made.push(index) > 0)
    if (made.length === 0) return failing
    await setImmediate()
  }
}

describe('the chunks of a check board', () => {
  it('are taken once each, from the lowest up', () => {
    const board = offered(3)
    const other = openCheckBoard(board.memory)
    expect(takeChunk(board, 1, 0)).toBe(0)
    expect(takeChunk(other, 1, 0)).toBe(1)
    expect(takeChunk(board, 1, 1)).toBe(2)
    expect(takeChunk(other, 1, 2)).toBeUndefined()
    offerChunks(board, 1, 3, 4)
    expect(takeChunk(other, 1, 0)).toBe(3)
  })

  it('carry the verdict of who settled them', () => {
    const board = offered(2)
    workOff(board, 1, (index) => index !== 11)
    expect(hasFailure(board, 1)).toBe(true)
    expect(chunkFailure(board, 1, 0, neverAsked)).toBeUndefined()
    expect(chunkFailure(board, 1, 1, neverAsked)).toBe(11)
  })

  it('are taken no more when one has failed', () => {
    const board = offered(5)
    workOff(board, 1, (index) => index < 2 * CHUNK_CHECKS)
    expect(takeChunk(board, 1, 0)).toBeUndefined()
    expect(chunkFailure(board, 1, 2, neverAsked)).toBe(16)
  })

  it('are checked by the caller when who took them gave no verdict', () => {
    const board = offered(1)
    expect(takeChunk(board, 1, 0)).toBe(0)
    expect(chunkFailure(board, 1, 0, (index) => index !== 5)).toBe(5)
    const made: number[] = []
    // The verdict comes while the caller is at it: it need not go on.
    const settled = chunkFailure(board, 1, 0, (index) => {
      made.push(index)
      if (index === 2) settleChunk(board, 1, 0, holds)
      return true
    })
    expect([settled, made]).toEqual([undefined, [0, 1, 2]])
  })

  it('are not touched by a verdict of an older batch', () => {
    const board = offered(2)
    expect(takeChunk(board, 1, 0)).toBe(0)
    expect(takeChunk(board, 1, 1)).toBe(1)
    beginEpoch(board, 2)
    expect(takeChunk(board, 1, 0)).toBeUndefined()
    offerChunks(board, 2, 0, 1)
    settleChunk(board, 1, 0, fails)
    expect(takeChunk(board, 2, 0)).toBe(0)
    settleChunk(board, 1, 0, holds)
    expect(chunkFailure(board, 2, 0, fails)).toBe(0)
    // The second chunk is settled late and before this batch offers it.
    settleChunk(board, 1, 1, fails)
    expect(hasFailure(board, 2)).toBe(false)
    offerChunks(board, 2, 1, 2)
    expect(takeChunk(board, 2, 0)).toBe(1)
    settleChunk(board, 2, 1, holds)
    expect(chunkFailure(board, 2, 1, neverAsked)).toBeUndefined()
  })

  it('keep a failure known when that of an older batch is announced after it', () => {
    const board = offered(2)
    expect(takeChunk(board, 1, 0)).toBe(0)
    expect(takeChunk(board, 1, 1)).toBe(1)
    settleChunk(board, 1, 1, () => {
      beginEpoch(board, 2)
      offerChunks(board, 2, 0, 1)
      workOff(board, 2, fails)
      return false
    })
    expect(hasFailure(board, 2)).toBe(true)
    expect(hasFailure(board, 1)).toBe(false)
  })

  it('lie in memory of one size', () => {
    expect(() => openCheckBoard(new SharedArrayBuffer(64))).toThrow(AssertionError)
  })
})

describe('a worker at a check board', () => {
  let worker: Worker | undefined
  afterEach(async () => {
    await worker?.terminate()
  })

  const start = (workerData: unknown): Worker => {
    const url = new URL('../../src/runtime/check-worker.ts', import.meta.url)
    worker = new Worker(url, { workerData, execArgv: [] })
    return worker
  }

  it('settles what is offered, batch after batch, and sleeps between', async () => {
    const board = createCheckBoard()
    start(board.memory)
    for (let epoch = 1; epoch <= 20; epoch += 1) {
      fill(board, 3 * CHUNK_CHECKS, epoch % 2 === 0 ? 20 : undefined)
      beginEpoch(board, epoch)
      offerChunks(board, epoch, 0, 1)
      expect(await verdict(board, 0)).toBeUndefined()
      offerChunks(board, epoch, 1, 3)
      expect(await verdict(board, 2)).toBe(epoch % 2 === 0 ? 20 : undefined)
    }
  })

  it('may be killed at work: what it left is found and checked', async () => {
    const board = createCheckBoard()
    const killed = start(board.memory)
    const chunks = 120
    fill(board, chunks * CHUNK_CHECKS, chunks * CHUNK_CHECKS - 1)
    beginEpoch(board, 1)
    offerChunks(board, 1, 0, chunks)
    expect(await verdict(board, 0)).toBeUndefined()
    await killed.terminate()
    const check = createRecordCheck(board.records)
    const failures = Array.from({ length: chunks }, (_, chunk) =>
      chunkFailure(board, 1, chunk, check),
    )
    expect(failures.slice(0, -1).every((failing) => failing === undefined)).toBe(true)
    expect(failures.at(-1)).toBe(chunks * CHUNK_CHECKS - 1)
  })

  it('dies at once when it is given something else', async () => {
    const [error] = await once(start('no board'), 'error')
    expect(error).toMatchObject({ name: 'AssertionError' })
  })
})

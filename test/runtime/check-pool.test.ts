import { execFile } from 'node:child_process'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import * as fc from 'fast-check'
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { AssertionError } from '../../src/primitives/assert.ts'
import { type CheckBatches, INLINE_CHECKS } from '../../src/primitives/check-batch.ts'
import { BOARD_CHECKS, BOARD_EPOCHS } from '../../src/runtime/check-board.ts'
import { createCheckPool, defaultCheckThreads } from '../../src/runtime/check-pool.ts'
import {
  addTo,
  HOLDING,
  type SampleCheck,
  withFlippedBit,
  withLength,
} from '../support/signature-checks.ts'

const pools = [0, 1, 3].map((threads) => createCheckPool({ threads }))
const [, , pool] = pools
if (pool === undefined) throw new AssertionError('three pools')
afterAll(async () => {
  for (const each of pools) await each.close()
})

const holding = (index: number): SampleCheck => HOLDING[index % HOLDING.length]!

/** `size` checks, of which those at `bad` do not hold. */
function mixed(size: number, bad: readonly number[] = []): SampleCheck[] {
  return Array.from({ length: size }, (_, i) =>
    bad.includes(i) ? withFlippedBit(holding(i), i % 3, i) : holding(i),
  )
}

function answer(batches: CheckBatches, checks: readonly SampleCheck[]): number | undefined {
  const batch = batches.begin()
  for (const check of checks) addTo(batch, check)
  expect(batch.size).toBe(checks.length)
  return batch.finish()?.index
}

describe.each(pools)('a check pool with $threads threads', (each) => {
  it.each([0, 1, 31, 32, 39, 1_000])('passes a batch of %i checks that hold', (size) => {
    expect(answer(each, mixed(size))).toBeUndefined()
  })

  it.each([
    [1, [0]],
    [31, [30]],
    [32, [31]],
    [33, [32]],
    [64, [0, 63]],
    [500, [499]],
    [500, [250, 251, 499]],
    [500, [7, 8, 400]],
  ])('finds the lowest failure of %i checks with failures at %j', (size, bad) => {
    expect(answer(each, mixed(size, bad))).toBe(bad[0])
  })

  it('copies what it is given', () => {
    const batch = each.begin()
    const parts = HOLDING[0]!.parts.map((part) => part.slice())
    for (let i = 0; i < 40; i += 1) batch.addSchnorr(parts[0]!, parts[1]!, parts[2]!)
    for (const part of parts) part.fill(0)
    expect(batch.finish()).toBeUndefined()
  })

  it('fails a check of a wrong length at its place', () => {
    for (const [kind, parts] of Object.entries({ schnorr: 0, ecdsa: 1, tweak: 2 })) {
      const good = holding(parts)
      expect(good.kind).toBe(kind)
      for (const part of [0, 1, 2]) {
        for (const length of [0, good.parts[part]!.length - 1, good.parts[part]!.length + 1]) {
          const wrong = withLength(good, part, length)
          expect(answer(each, [...mixed(3), wrong, ...mixed(40)])).toBe(3)
        }
      }
    }
    const late = [...mixed(70, [50]), withLength(holding(0), 0, 63), ...mixed(5)]
    expect(answer(each, late)).toBe(50)
  })

  it('is not disturbed by batches that nobody finished', () => {
    for (let round = 0; round < 20; round += 1) {
      const abandoned = each.begin()
      for (const check of mixed(round * 9, [0, 33, 100])) addTo(abandoned, check)
      expect(answer(each, mixed(50))).toBeUndefined()
      const again = each.begin()
      for (const check of mixed(40)) addTo(again, check)
      expect(answer(each, mixed(50, [45]))).toBe(45)
    }
  })
})

describe('a check pool', () => {
  it('answers as checks made inline do', () => {
    const one = fc.record({
      of: fc.nat(HOLDING.length - 1),
      // Mostly good, so that failures are found at every depth.
      change: fc.option(fc.record({ part: fc.nat(2), bit: fc.nat(511), cut: fc.boolean() }), {
        freq: 60,
      }),
    })
    fc.assert(
      fc.property(fc.array(one, { maxLength: 150, size: 'max' }), (specs) => {
        const checks = specs.map(({ of, change }) => {
          const check = holding(of)
          if (change === null) return check
          if (change.cut) return withLength(check, change.part, change.bit % 32)
          return withFlippedBit(check, change.part, change.bit)
        })
        const expected = answer(INLINE_CHECKS, checks)
        for (const each of pools) expect(answer(each, checks)).toBe(expected)
      }),
      { numRuns: 200 },
    )
  })

  it('checks what does not fit on its board, too', () => {
    const batch = pool.begin()
    const check = holding(0)
    for (let i = 0; i <= BOARD_CHECKS; i += 1) addTo(batch, check)
    addTo(batch, withFlippedBit(check, 1, 0))
    addTo(batch, withLength(check, 1, 0))
    addTo(batch, check)
    expect(batch.size).toBe(BOARD_CHECKS + 4)
    expect(batch.finish()?.index).toBe(BOARD_CHECKS + 1)
  })

  it('goes on after its epochs are used up', () => {
    const worn = createCheckPool({ threads: 1 })
    expect(answer(worn, mixed(40))).toBeUndefined()
    const open = worn.begin()
    for (let i = 2; i <= BOARD_EPOCHS; i += 1) worn.begin()
    expect(answer(worn, mixed(60, [40]))).toBe(40)
    expect(() => open.finish()).toThrow(AssertionError)
    for (let i = 0; i < 20; i += 1) expect(answer(worn, mixed(60, [59]))).toBe(59)
    return worn.close()
  })

  it('refuses to mix batches, or to add to a finished one', () => {
    const first = pool.begin()
    const second = pool.begin()
    expect(() => addTo(first, holding(0))).toThrow(AssertionError)
    expect(() => first.finish()).toThrow(AssertionError)
    addTo(second, holding(0))
    expect(second.finish()).toBeUndefined()
    expect(() => addTo(second, holding(0))).toThrow(AssertionError)
    expect(() => second.finish()).toThrow(AssertionError)
  })

  it('has 0 to 15 threads', () => {
    for (const threads of [-1, 0.5, 16, Number.NaN]) {
      expect(() => createCheckPool({ threads })).toThrow(AssertionError)
    }
    expect(defaultCheckThreads()).toBeGreaterThanOrEqual(0)
    expect(defaultCheckThreads()).toBeLessThanOrEqual(15)
  })
})

/** The worker threads that this process starts, from now to the end of the test. */
function startedWorkers(): Worker[] {
  const started: Worker[] = []
  const listen = (worker: Worker): void => {
    started.push(worker)
  }
  process.on('worker', listen)
  onTestFinished(() => {
    process.off('worker', listen)
  })
  return started
}

/** Resolves when the thread has ended, for whatever reason. */
async function exited(worker: Worker): Promise<void> {
  // The number of a thread that has ended.
  if (worker.threadId === -1) return
  const { promise, resolve } = Promise.withResolvers<void>()
  worker.once('exit', () => resolve())
  await promise
}

describe('a check pool that loses its workers', () => {
  it('answers all that they had taken and not done', async () => {
    for (let round = 0; round < 8; round += 1) {
      const dying = createCheckPool({ threads: 3 })
      // Long enough for the threads to be at work, in some rounds, when they are ended.
      for (let i = 0; i < round; i += 1) expect(answer(dying, mixed(100))).toBeUndefined()
      const bad = round % 2 === 0 ? [] : [round * 20, 299]
      const checks = mixed(300, bad)
      const batch = dying.begin()
      for (const check of checks.slice(0, 200)) addTo(batch, check)
      const closed = dying.close()
      for (const check of checks.slice(200)) addTo(batch, check)
      if (round % 3 === 0) await closed
      expect(batch.finish()?.index).toBe(bad[0])
      await closed
    }
  })

  it('replaces a worker that was killed at work', async () => {
    const started = startedWorkers()
    const mourning = createCheckPool({ threads: 1 })
    for (let round = 0; round < 3; round += 1) {
      const batch = mourning.begin()
      for (const check of mixed(400, [399])) addTo(batch, check)
      await setImmediate()
      await started.at(-1)?.terminate()
      expect(batch.finish()?.index).toBe(399)
    }
    expect(started).toHaveLength(3)
    await mourning.close()
  })

  it('answers alone where workers die at once, and tries only so often', async () => {
    const started = startedWorkers()
    const lonely = createCheckPool({ threads: 3 })
    vi.stubEnv('CAUSEWAY_SECP256K1', 'one that does not exist')
    try {
      for (let round = 0; round < 5; round += 1) {
        expect(answer(lonely, mixed(40, [39]))).toBe(39)
        await setImmediate()
        await Promise.all(started.map(exited))
      }
    } finally {
      vi.unstubAllEnvs()
    }
    // Its own three and eight to replace them.
    expect(started).toHaveLength(11)
    await lonely.close()
  })

  it('may be closed twice and still answers', async () => {
    const closed = createCheckPool({ threads: 2 })
    expect(answer(closed, mixed(64))).toBeUndefined()
    await Promise.all([closed.close(), closed.close()])
    await closed.close()
    expect(answer(closed, mixed(64, [33]))).toBe(33)
    expect(answer(closed, mixed(64))).toBeUndefined()
  })

  it('does not keep its process alive', async () => {
    const url = new URL('../../src/runtime/check-pool.ts', import.meta.url)
    const program = `
      import { createCheckPool } from ${JSON.stringify(url.href)}
      const batch = createCheckPool({ threads: 2 }).begin()
      for (let i = 0; i < 100; i += 1) {
        batch.addSchnorr(new Uint8Array(64), new Uint8Array(32), new Uint8Array(32))
      }
      process.stdout.write('first failure ' + batch.finish()?.index)
    `
    const args = ['--input-type=module', '-e', program]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    expect(stdout).toBe('first failure 0')
  })
})

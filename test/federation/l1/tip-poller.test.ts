import { describe, expect, it } from 'vitest'
import type { L1BlockSummary } from '../../../federation/l1/bitcoin-l1.ts'
import { L1UnavailableError } from '../../../federation/l1/l1-error.ts'
import { TipPoller } from '../../../federation/l1/tip-poller.ts'
import { assert } from '../../../src/primitives/assert.ts'
import { toBlockHash } from '../../../src/primitives/hashes.ts'
import type { Logger } from '../../../src/runtime/runtime.ts'

function tipAt(height: number): L1BlockSummary {
  const hash = toBlockHash(height.toString(16).padStart(64, '0'))
  return { hash, height, header: new Uint8Array(80) }
}

/** A poller whose timer and node are in the test's hand. */
function setUp(): {
  poller: TipPoller
  /** Lets the interval pass, and the node answer with this. */
  pass: (answer: L1BlockSummary | Error) => Promise<void>
  isWaiting: () => boolean
  logged: string[]
  delays: number[]
} {
  let due: (() => void) | undefined
  let answered = Promise.withResolvers<L1BlockSummary>()
  const logged: string[] = []
  const delays: number[] = []
  const log: Logger = {
    debug: () => undefined,
    info: (_, message) => void logged.push(`info ${message}`),
    warn: (_, message) => void logged.push(`warn ${message}`),
    error: () => undefined,
    child: () => log,
  }
  const poller = new TipPoller({
    intervalMs: 1_000,
    askTip: () => answered.promise,
    timers: {
      after(delayMs, run) {
        due = run
        delays.push(delayMs)
        return () => {
          if (due === run) due = undefined
        }
      },
    },
    log,
  })
  const pass = async (answer: L1BlockSummary | Error): Promise<void> => {
    const run = due
    assert(run !== undefined, 'a poll is due')
    due = undefined
    run()
    if (answer instanceof Error) answered.reject(answer)
    else answered.resolve(answer)
    await answered.promise.catch(() => undefined)
    answered = Promise.withResolvers()
    // The poller's own continuations of the same answer.
    for (let i = 0; i < 5; i++) await Promise.resolve()
  }
  return { poller, pass, isWaiting: () => due !== undefined, logged, delays }
}

describe('polling for the tip', () => {
  it('reports the present tip at once, then each change', async () => {
    const { poller, pass, delays } = setUp()
    const seen: number[] = []
    poller.subscribe((tip) => seen.push(tip.height))
    for (const height of [5, 5, 6, 6, 5]) await pass(tipAt(height))
    expect(seen).toEqual([5, 6, 5])
    expect(delays).toEqual([0, 1_000, 1_000, 1_000, 1_000, 1_000])
  })

  it('tells a later subscriber of the present tip, and the earlier one nothing new', async () => {
    const { poller, pass } = setUp()
    const seen: string[] = []
    poller.subscribe((tip) => seen.push(`a${tip.height}`))
    await pass(tipAt(5))
    poller.subscribe((tip) => seen.push(`b${tip.height}`))
    await pass(tipAt(5))
    expect(seen).toEqual(['a5', 'b5'])
  })

  it('logs the beginning and the end of an outage, and asks on', async () => {
    const { poller, pass, logged } = setUp()
    const seen: number[] = []
    poller.subscribe((tip) => seen.push(tip.height))
    await pass(tipAt(5))
    for (let i = 0; i < 3; i++) await pass(new L1UnavailableError('down'))
    await pass(tipAt(7))
    expect(seen).toEqual([5, 7])
    expect(logged).toEqual(['warn L1 node does not answer', 'info L1 node answers again'])
  })

  it('asks nobody when nobody listens', async () => {
    const { poller, pass, isWaiting } = setUp()
    const stop = poller.subscribe(() => undefined)
    await pass(tipAt(5))
    expect(isWaiting()).toBe(true)
    stop()
    stop()
    expect(isWaiting()).toBe(false)
    poller.subscribe(() => undefined)
    expect(isWaiting()).toBe(true)
    poller.close()
    expect(isWaiting()).toBe(false)
  })

  it('forgets an answer that comes after the end', async () => {
    const { poller, pass, isWaiting, logged } = setUp()
    const seen: number[] = []
    const stop = poller.subscribe((tip) => seen.push(tip.height))
    const passing = pass(new L1UnavailableError('closed'))
    stop()
    await passing
    expect(seen).toEqual([])
    expect(logged).toEqual([])
    expect(isWaiting()).toBe(false)
  })
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { genesisDelta } from '../../../src/chain/genesis-state.ts'
import type { ChainParams } from '../../../src/chain/params.ts'
import { getPegBooks, putPegBooks } from '../../../src/chain/peg/books.ts'
import {
  chargeOutflow,
  outflowFreeAt,
  outflowWindow,
  savedFor,
} from '../../../src/chain/peg/outflow.ts'
import {
  connectReleaseLimits,
  limitedReleases,
  payableReleases,
} from '../../../src/chain/peg/release-limits.ts'
import { putRelease, queuedReleases, type Release } from '../../../src/chain/peg/releases.ts'
import { EMPTY_STATE, NAMESPACE, StateOverlay } from '../../../src/chain/state.ts'
import { sats } from '../../../src/primitives/units.ts'
import { anOutPoint, aUser, testParams } from '../../support/chain-world.ts'

const base = testParams()
const WINDOW = 10
const params: ChainParams = {
  ...base,
  peg: {
    ...base.peg,
    limits: {
      outflowCapBasisPoints: 2_000,
      outflowWindowL1Blocks: WINDOW,
      outflowFloorSats: sats(100),
      largeReleaseSats: sats(1_000),
      largeReleaseDelayL1Blocks: 4,
    },
  },
}

/** The limits alone: releases are paid when they may go, and the reserves follow at once. */
class Peg {
  readonly overlay = new StateOverlay(EMPTY_STATE)
  readonly paid: { readonly id: number; readonly value: bigint; readonly l1Height: number }[] = []
  /** The cap in force at each L1 height. */
  readonly caps = new Map<number, bigint>()
  #nextId = 0

  constructor(reserves: bigint) {
    for (const [key, value] of genesisDelta(params).puts) this.overlay.put(key, value)
    this.#set({ reserves })
  }

  #set(change: { readonly l1Height?: number; readonly reserves?: bigint }): void {
    const books = getPegBooks(this.overlay)
    const reserves = sats(change.reserves ?? books.totals.reserves)
    putPegBooks(this.overlay, {
      ...books,
      l1Height: change.l1Height ?? books.l1Height,
      // More than there is room for, so that nothing is skipped.
      totals: { ...books.totals, reserves, pendingReleases: sats(10n ** 12n) },
    })
  }

  get reserves(): bigint {
    return getPegBooks(this.overlay).totals.reserves
  }

  get l1Height(): number {
    return getPegBooks(this.overlay).l1Height
  }

  get window() {
    return outflowWindow(this.overlay, params)
  }

  burn(value: number | bigint): number {
    const id = this.#nextId
    this.#nextId += 1
    const release: Release = {
      id,
      txid: anOutPoint('burn').txid,
      vout: id,
      value: sats(value),
      fee: sats(0),
      l1Script: aUser('bob on l1').script,
      height: 1,
      l1Height: this.l1Height,
      timeMs: 0,
      stage: { kind: 'queued' },
    }
    putRelease(this.overlay, release)
    return id
  }

  /** A block: L1 goes on by so many, deposits come, and what may go is paid. */
  block(l1Blocks = 0, deposit = 0n): readonly number[] {
    const before = this.reserves
    this.#set({ l1Height: this.l1Height + l1Blocks, reserves: before + deposit })
    connectReleaseLimits(this.overlay, params, before)
    const releases = [...payableReleases(this.overlay, params)]
    if (releases.length > 0) chargeOutflow(this.overlay, releases)
    let value = 0n
    for (const release of releases) {
      value += release.value
      putRelease(this.overlay, { ...release, stage: { kind: 'batched', batchId: 0 } })
      this.paid.push({ id: release.id, value: release.value, l1Height: this.l1Height })
    }
    const { cap } = this.window
    const known = this.caps.get(this.l1Height) ?? 0n
    this.caps.set(this.l1Height, cap > known ? cap : known)
    this.#set({ reserves: this.reserves - value })
    return releases.map(({ id }) => id)
  }

  hold(id: number) {
    return [...limitedReleases(this.overlay, params)].find(({ release }) => release.id === id)?.hold
  }
}

/** With reserves that have been there for a whole window. */
function settled(reserves: bigint): Peg {
  const peg = new Peg(reserves)
  peg.block()
  peg.block(WINDOW)
  return peg
}

describe('the outflow cap', () => {
  it('is the floor at first: what has just come in must not raise what may leave', () => {
    const peg = new Peg(0n)
    peg.block()
    peg.block(1, 1_000_000n)
    expect(peg.window.cap).toBe(100n)
    peg.burn(600)
    expect(peg.block()).toEqual([])
    peg.block(WINDOW - 1)
    expect(peg.window.cap).toBe(100n)
    peg.block(1)
    expect(peg.window.cap).toBe(200_000n)
    expect(peg.paid.map(({ id }) => id)).toEqual([0])
  })

  it('holds back what is more, until what has left is a window ago', () => {
    const peg = settled(1_000n)
    expect(peg.window.cap).toBe(200n)
    for (const value of [150, 40, 60]) peg.burn(value)
    expect(peg.block(1)).toEqual([0, 1])
    // The rest of the room is saved for it.
    expect(savedFor(peg.overlay, 2)).toBe(10n)
    expect(peg.window.free).toBe(0n)
    expect(peg.block(WINDOW - 1)).toEqual([])
    expect(peg.block(1)).toEqual([2])
    expect(savedFor(peg.overlay, 2)).toBe(0n)
  })

  it('lets small ones go while the oldest saves, and never forgets it', () => {
    const peg = settled(1_000n)
    const large = peg.burn(500)
    for (let blocks = 0; blocks < 11 * WINDOW; blocks++) {
      peg.burn(15)
      peg.block(1)
      if (peg.paid.some(({ id }) => id === large)) break
    }
    const others = peg.paid.filter(({ id }) => id !== large)
    expect(peg.paid.map(({ id }) => id)).toContain(large)
    expect(others.length).toBeGreaterThan(20)
  })

  it('does not let younger ones take the room of one that waits for other reasons', () => {
    const peg = settled(1_000n)
    peg.burn(150)
    peg.burn(100)
    peg.burn(40)
    // As when no reserves cover the first: it is not taken, and keeps its room.
    connectReleaseLimits(peg.overlay, params, peg.reserves)
    expect([...payableReleases(peg.overlay, params)].map(({ id }) => id)).toEqual([0])
    expect(peg.hold(1)).toMatchObject({ kind: 'outflow-cap' })
    expect(savedFor(peg.overlay, 1)).toBe(50n)
  })

  it('falls with the reserves at once', () => {
    const peg = settled(1_000n)
    peg.burn(150)
    peg.block(1)
    peg.block(1)
    expect(peg.window.cap).toBe(170n)
    expect(peg.window.free).toBe(20n)
  })

  it('keeps one record for each L1 height in the window and nothing else', () => {
    const peg = settled(10_000n)
    for (let blocks = 0; blocks < 50; blocks++) {
      peg.burn(30)
      peg.block(blocks % 3)
    }
    const kept = [...peg.overlay.range(NAMESPACE.outflow)]
    expect(kept.length).toBeLessThanOrEqual(WINDOW)
    peg.block(3 * WINDOW)
    expect([...peg.overlay.range(NAMESPACE.outflow)]).toHaveLength(1)
  })

  it('says about when there is room', () => {
    const peg = settled(1_000n)
    peg.burn(200)
    peg.block(1)
    const { l1Height } = peg
    peg.block(3)
    expect(outflowFreeAt(params, peg.window, 100n)).toBe(l1Height + WINDOW)
    expect(outflowFreeAt(params, peg.window, 10_000n)).toBeGreaterThan(l1Height + 50 * WINDOW)
    expect(outflowFreeAt(params, peg.window, 10n ** 15n)).toBeLessThan(2_000_000)
  })
})

describe('a large release', () => {
  it('waits for its L1 blocks; smaller ones go before it', () => {
    const peg = settled(100_000n)
    const large = peg.burn(1_000)
    const small = peg.burn(999)
    expect(peg.block()).toEqual([small])
    expect(peg.hold(large)).toEqual({ kind: 'large-release', untilL1Height: peg.l1Height + 4 })
    expect(peg.block(3)).toEqual([])
    expect(peg.block(1)).toEqual([large])
  })
})

interface Step {
  readonly l1Blocks: number
  readonly deposit: number
  readonly burns: readonly number[]
}

describe('with any burns and deposits', () => {
  const steps: fc.Arbitrary<readonly Step[]> = fc.array(
    fc.record({
      l1Blocks: fc.integer({ min: 0, max: 4 }),
      deposit: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 5_000 })),
      burns: fc.array(fc.integer({ min: 10, max: 1_500 }), { maxLength: 4 }),
    }),
    { maxLength: 25 },
  )

  /** Never more than was there: burns are backed. */
  function run(peg: Peg, all: readonly Step[]): void {
    let supply = peg.reserves
    for (const { l1Blocks, deposit, burns } of all) {
      peg.block(l1Blocks, BigInt(deposit))
      supply += BigInt(deposit)
      for (const value of burns) {
        if (BigInt(value) > supply) continue
        supply -= BigInt(value)
        peg.burn(value)
      }
      const { used, cap, saved, heights } = peg.window
      const charged = heights.reduce((sum, height) => sum + height.paid + height.saved, 0n)
      expect(charged).toBe(used)
      // A cap that falls takes nothing back.
      const highest = [...peg.caps]
        .filter(([height]) => height > peg.l1Height - WINDOW)
        .reduce((most, [, one]) => (one > most ? one : most), cap)
      expect(used <= highest).toBe(true)
      expect(saved <= highest / 2n).toBe(true)
    }
  }

  it('charges keep to the cap, and over time no more leaves than was charged', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const peg = settled(3_000n)
        run(peg, all)
        const paid = peg.paid.reduce((sum, { value }) => sum + value, 0n)
        const highest = [...peg.caps.values()].reduce((a, b) => (a > b ? a : b), 0n)
        const windows = BigInt(Math.ceil(peg.l1Height / WINDOW))
        expect(paid <= windows * highest).toBe(true)
      }),
      { numRuns: 40 },
    )
  })

  it('every release is paid once, and in the end', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const peg = settled(3_000n)
        run(peg, all)
        const waiting = [...queuedReleases(peg.overlay)]
        const owed = waiting.reduce((sum, { value }) => sum + value, 0n)
        // At the floor, half of it saved: two windows for each cap's worth, some for the delay.
        const windows = 2 * Math.ceil(Number(owed) / 100) + 2 * waiting.length + 4
        for (let window = 0; window < windows; window++) peg.block(WINDOW)
        expect([...queuedReleases(peg.overlay)]).toEqual([])
        const ids = peg.paid.map(({ id }) => id)
        expect(new Set(ids).size).toBe(ids.length)
        expect(peg.reserves >= 0n).toBe(true)
        for (const { id } of peg.paid) expect(savedFor(peg.overlay, id)).toBe(0n)
      }),
      { numRuns: 15 },
    )
  })
})

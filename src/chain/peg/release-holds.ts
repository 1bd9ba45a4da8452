/**
 * Why a queued release is not on its way to L1 yet: for people, computed from the state alone, by the
 * rules that plan the batches. The first reason that applies is given; what it says about time is an
 * estimate.
 */

import type { ChainParams } from '../params.ts'
import type { StateView } from '../state.ts'
import { BATCH_INPUTS_MAX } from './batch-transaction.ts'
import { choosePayments } from './choose-payments.ts'
import { freeFeeReserve } from './fee-reserve.ts'
import { FreeCoins } from './free-coins.ts'
import { findFreeze } from './freeze.ts'
import { activeKeyEpoch } from './key-epochs.ts'
import { outflowFreeAt, outflowWindow } from './outflow.ts'
import { batchDueMs } from './plan-batches.ts'
import { type LimitHold, limitedReleases } from './release-limits.ts'
import { netValue, type Release } from './releases.ts'

export type ReleaseHold =
  /** A quorum of validators has stopped all payments. */
  | { readonly kind: 'frozen'; readonly sinceHeight: number }
  /** The peg has no key yet. */
  | { readonly kind: 'no-key' }
  /** Large ones wait until the chain's last L1 header has this height. */
  | { readonly kind: 'large-release'; readonly untilL1Height: number }
  /** No room under the outflow cap, before about this L1 height. */
  | { readonly kind: 'outflow-cap'; readonly aboutL1Height: number }
  /** The next batch waits for company until this block time, milliseconds. */
  | { readonly kind: 'interval'; readonly untilMs: number }
  /** The free reserves do not cover it before other batches are confirmed. */
  | { readonly kind: 'reserves-in-flight' }
  /** The free reserves cover it, but not with as many coins as one batch can spend. */
  | { readonly kind: 'reserves-scattered' }
  /** Neither its fee nor the fee reserve pays the lowest L1 fee that the coins ask for. */
  | { readonly kind: 'fee-reserve' }
  /** Others are before it. */
  | { readonly kind: 'queue' }

/** Asked for many releases of one state; `timeMs` is the time of a block now. */
export class ReleaseHolds {
  readonly #view: StateView
  readonly #params: ChainParams
  readonly #timeMs: number
  #limits: ReadonlyMap<number, LimitHold | undefined> | undefined
  #coins: FreeCoins | undefined

  constructor(view: StateView, params: ChainParams, timeMs: number) {
    this.#view = view
    this.#params = params
    this.#timeMs = timeMs
  }

  /** Of a release that is queued in this state. */
  holdOf(release: Release): ReleaseHold {
    const freeze = findFreeze(this.#view)
    if (freeze !== undefined) return { kind: 'frozen', sinceHeight: freeze.height }
    if (activeKeyEpoch(this.#view) === undefined) return { kind: 'no-key' }
    this.#limits ??= new Map(
      [...limitedReleases(this.#view, this.#params)].map(({ release: { id }, hold }) => [id, hold]),
    )
    // Further back than the rules look.
    if (!this.#limits.has(release.id)) return { kind: 'queue' }
    const limit = this.#limits.get(release.id)
    if (limit?.kind === 'outflow-cap') {
      return { kind: limit.kind, aboutL1Height: this.#roomAt(limit.missing + limit.room) }
    }
    return limit ?? this.#coinHold(release) ?? this.#turnHold()
  }

  #roomAt(missing: bigint): number {
    return outflowFreeAt(this.#params, outflowWindow(this.#view, this.#params), missing)
  }

  #coinHold(release: Release): ReleaseHold | undefined {
    this.#coins ??= new FreeCoins(this.#view)
    let isCovered = false
    let isThere = false
    for (const epoch of this.#coins.epochs()) {
      let sum = 0n
      for (const [place, { value }] of this.#coins.of(epoch).entries()) {
        sum += value
        if (sum <= netValue(release)) continue
        isThere = true
        if (place < BATCH_INPUTS_MAX) isCovered = true
        break
      }
    }
    if (!isThere) return { kind: 'reserves-in-flight' }
    if (!isCovered) return { kind: 'reserves-scattered' }
    return this.#isAffordable(release, this.#coins) ? undefined : { kind: 'fee-reserve' }
  }

  /** At the lowest rate, alone, and with the simplest change. */
  #isAffordable(release: Release, coins: FreeCoins): boolean {
    const { feeRateFloor, splitCoinMinSats } = this.#params.peg
    const feeReserve = freeFeeReserve(this.#view, this.#params)
    const terms = {
      feeRate: feeRateFloor,
      feeRateLeast: feeRateFloor,
      changeParts: 1,
      changePartMin: splitCoinMinSats,
      feeReserve,
    }
    return coins
      .epochs()
      .some((epoch) => choosePayments([release], coins.of(epoch), 1, terms) !== undefined)
  }

  #turnHold(): ReleaseHold {
    const due = batchDueMs(this.#view, this.#params)
    return due !== undefined && due > this.#timeMs
      ? { kind: 'interval', untilMs: due }
      : { kind: 'queue' }
  }
}

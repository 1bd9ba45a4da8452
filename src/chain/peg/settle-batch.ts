/**
 * The arithmetic of a batch whose inputs are chosen: how much of what they hold beyond the payments
 * is fee and how much is change. What the fee may be is bounded from both sides: by the least that L1
 * would relay, and by a budget, what the releases paid for it and what the fee reserve can add.
 */

import { dustLimit, feeAtRate, outputBytes, plannedVsize } from './batch-transaction.ts'

/** What a batch pays out, summed up. */
export interface Owed {
  /** Payments. */
  readonly count: number
  /** Of their outputs on the wire. */
  readonly bytes: number
  /** Satoshis that they are worth together. */
  readonly net: bigint
}

export interface FeeTerms {
  /** What is wanted and the least that is accepted, satoshis per 1,000 virtual bytes. */
  readonly feeRate: number
  readonly feeRateLeast: number
  /** The most that the fee may be, satoshis. */
  readonly budget: bigint
  /** A replacement's fee is at least this much and that of its own size at the rate of relaying. */
  readonly replacedFee?: bigint
  /** Change may be split into so many parts, each of at least so much. */
  readonly changeParts: number
  readonly changePartMin: bigint
}

export interface Settlement {
  readonly fee: bigint
  readonly vsize: number
  /** Amounts of the change outputs; none when there is no change. */
  readonly change: readonly bigint[]
}

/** P2TR, as every output of the federation. */
const CHANGE_SCRIPT = new Uint8Array(34)
const CHANGE_BYTES = outputBytes(CHANGE_SCRIPT)
const CHANGE_DUST = dustLimit(CHANGE_SCRIPT)
/** Bitcoin Core's default `incrementalrelayfee`, satoshis per 1,000 virtual bytes (BIP125 rule 4). */
const RELAY_INCREMENT = 1_000

/** Undefined when the inputs do not cover the payments and a fee at the wanted rate. */
export function settle(
  inputs: number,
  total: bigint,
  owed: Owed,
  terms: FeeTerms,
): Settlement | undefined {
  const rest = total - owed.net
  if (rest <= 0n) return undefined
  const wanted = (vsize: number): bigint => wantedFee(vsize, terms.feeRate, terms)
  for (let parts = Math.max(1, terms.changeParts); parts >= 1; parts--) {
    const vsize = sizeWith(inputs, owed, parts)
    const fee = wanted(vsize)
    if (fee > terms.budget) continue
    const change = splitChange(rest - fee, parts, terms.changePartMin)
    if (change !== undefined) return { fee, vsize, change }
  }
  const vsize = sizeWith(inputs, owed, 0)
  return settleWithoutChange(rest, owed, vsize, wanted(vsize), terms.budget)
}

/** As `settle`, at whatever rate can be paid that is not below the least. */
export function settleLowered(
  inputs: number,
  total: bigint,
  owed: Owed,
  terms: FeeTerms,
): Settlement | undefined {
  const rest = total - owed.net
  const vsize = sizeWith(inputs, owed, 1)
  const payable = smallest(terms.budget, rest - CHANGE_DUST, wantedFee(vsize, terms.feeRate, terms))
  if (payable >= wantedFee(vsize, terms.feeRateLeast, terms)) {
    return { fee: payable, vsize, change: [rest - payable] }
  }
  const bare = sizeWith(inputs, owed, 0)
  return settleWithoutChange(
    rest,
    owed,
    bare,
    wantedFee(bare, terms.feeRateLeast, terms),
    terms.budget,
  )
}

/** Everything that is left is fee: too little for an output, or just right. */
function settleWithoutChange(
  rest: bigint,
  owed: Owed,
  vsize: number,
  least: bigint,
  budget: bigint,
): Settlement | undefined {
  if (owed.count === 0 || rest < least || rest > budget) return undefined
  // A change that could exist is never given away.
  if (rest - least > CHANGE_DUST + feeAtRate(CHANGE_BYTES, rateAbove(least, vsize)))
    return undefined
  return { fee: rest, vsize, change: [] }
}

function rateAbove(fee: bigint, vsize: number): number {
  return Number((fee * 1000n) / BigInt(vsize)) + 1
}

function wantedFee(vsize: number, feeRate: number, { replacedFee }: FeeTerms): bigint {
  const fee = feeAtRate(vsize, feeRate)
  if (replacedFee === undefined) return fee
  const replacing = replacedFee + feeAtRate(vsize, RELAY_INCREMENT)
  return fee > replacing ? fee : replacing
}

function sizeWith(inputs: number, owed: Owed, parts: number): number {
  return plannedVsize(inputs, owed.bytes + parts * CHANGE_BYTES, owed.count + parts)
}

/** Equal parts, what is left over in the first; undefined when they would be too small. */
function splitChange(total: bigint, parts: number, partMin: bigint): bigint[] | undefined {
  const part = total / BigInt(parts)
  if (parts === 1 ? total < CHANGE_DUST : part < partMin) return undefined
  const amounts = Array.from({ length: parts }, () => part)
  amounts[0] = total - part * BigInt(parts - 1)
  return amounts
}

function smallest(...values: readonly bigint[]): bigint {
  return values.reduce((least, value) => (value < least ? value : least))
}

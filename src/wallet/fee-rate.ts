/**
 * Fee rates and the weights they are multiplied with. A rate is satoshis per 1000 virtual bytes
 * (as Bitcoin Core counts), so that fractions of a satoshi per vB stay exact.
 */

import type { Brand } from '../primitives/brand.ts'
import { type Sats, sats } from '../primitives/units.ts'
import type { ScriptKind } from './account.ts'

/** Satoshis per 1000 vB. */
export type FeeRate = Brand<bigint, 'FeeRate'>

/** Above 10,000 sat/vB a rate is a slip of the keyboard. */
const MAX_SATS_PER_KVB = 10_000_000n
/** The node's relay minimum: 1 sat/vB. */
export const MIN_FEE_RATE: FeeRate = feeRate(1_000n)

/** The only maker of the brand. @throws RangeError outside 0 … 10,000 sat/vB. */
export function feeRate(satsPerKvb: bigint): FeeRate {
  if (!isFeeRate(satsPerKvb)) throw new RangeError(`fee rate out of range: ${satsPerKvb}`)
  return satsPerKvb
}

function isFeeRate(satsPerKvb: bigint): satsPerKvb is FeeRate {
  return satsPerKvb >= 0n && satsPerKvb <= MAX_SATS_PER_KVB
}

/** "1.5" (sat/vB) to 1500 sat/kvB. @throws RangeError for anything else than a plain decimal. */
export function parseFeeRate(text: string): FeeRate {
  const match = /^(\d{1,6})(?:\.(\d{1,3}))?$/.exec(text)
  if (match === null) throw new RangeError(`not a fee rate in sat/vB: ${text}`)
  return feeRate(BigInt(match[1] ?? '0') * 1_000n + BigInt((match[2] ?? '').padEnd(3, '0')))
}

/** The fee of a transaction of that weight (WU, a quarter of a vB), rounded up. */
export function feeOfWeight(rate: FeeRate, weight: number): Sats {
  // BIP141: the virtual size is the weight divided by four and rounded up.
  const vsize = BigInt(Math.ceil(weight / 4))
  return sats((vsize * rate + 999n) / 1_000n)
}

/**
 * Largest weight of a signed input. Without witness 36 + 1 + 4 bytes at four WU each; witness:
 * P2TR one 64-byte signature, P2WPKH a DER signature of at most 72 bytes and a 33-byte key.
 */
export const INPUT_WEIGHT: Readonly<Record<ScriptKind, number>> = { p2tr: 230, p2wpkh: 272 }

/** Script lengths up to 252 bytes have a one-byte CompactSize. */
export function outputWeight(script: Uint8Array): number {
  return (8 + (script.length < 0xfd ? 1 : 3) + script.length) * 4
}

/**
 * Bitcoin Core's dust threshold at its default 3 sat/vB: an output that costs more to spend than
 * that many satoshis is not relayed. 330 for P2TR, 294 for P2WPKH, 0 for OP_RETURN.
 */
export function dustThreshold(script: Uint8Array): Sats {
  if (script[0] === 0x6a) return sats(0)
  // Spending a witness program takes 67 vB in Core's estimate.
  return sats((outputWeight(script) / 4 + 67) * 3)
}

/** Amounts, fee rates, numbers and outpoints as the command line writes them. */

import { isHex } from '../primitives/bytes.ts'
import { parseBtc, type Sats, sats } from '../primitives/units.ts'
import { type FeeRate, parseFeeRate } from '../wallet/fee-rate.ts'
import { usageError } from './cli-error.ts'

/** Bitcoin with at most eight decimals; with `--sats` whole satoshis. */
export function parseAmount(text: string, inSats: boolean): Sats {
  try {
    if (!inSats) return parseBtc(text)
    if (/^\d{1,16}$/.test(text)) return sats(BigInt(text))
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
  }
  throw usageError(
    `not an amount in ${inSats ? 'satoshis' : 'bitcoin'}: ${text}`,
    inSats ? 'e.g. 150000' : 'e.g. 0.0015, or 150000 with --sats',
  )
}

export function parseFeeRateOption(text: string): FeeRate {
  try {
    return parseFeeRate(text)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw usageError(`not a fee rate in sat/vB: ${text}`, 'e.g. 2 or 1.5')
  }
}

/** A whole number within bounds; `what` names it in the error. */
export function parseWhole(
  text: string,
  what: string,
  bounds: { readonly min: number; readonly max: number },
): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (value >= bounds.min && value <= bounds.max) return value
  throw usageError(`${what} must be a whole number from ${bounds.min} to ${bounds.max}: ${text}`)
}

export interface OutPointText {
  readonly txid: string
  readonly vout: number
}

/** "txid:vout"; undefined when the text is something else. */
export function findOutPoint(text: string): OutPointText | undefined {
  const [txid = '', vout = '', ...rest] = text.split(':')
  if (rest.length > 0 || !isHex(txid, 32) || !/^\d{1,10}$/.test(vout)) return undefined
  return { txid, vout: Number(vout) }
}

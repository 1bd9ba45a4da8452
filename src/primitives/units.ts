/** Amounts and heights with checked constructors. Amounts are satoshis as `bigint`. */

import type { Brand } from './brand.ts'
import { DecodeError } from './codec.ts'

/** 0 … 21e14 satoshis. */
export type Sats = Brand<bigint, 'Sats'>

/** Consensus-critical: Bitcoin's MAX_MONEY. */
export const MAX_SATS = 21_000_000n * 100_000_000n

export function isSats(value: bigint): value is Sats {
  return value >= 0n && value <= MAX_SATS
}

/** @throws RangeError outside 0 … 21e14. */
export function sats(value: bigint | number): Sats {
  const amount = BigInt(value)
  if (!isSats(amount)) throw new RangeError(`amount out of range: ${amount}`)
  return amount
}

/** The same for bytes from outside. @throws DecodeError outside 0 … 21e14. */
export function decodeSats(value: bigint): Sats {
  if (!isSats(value)) throw new DecodeError(`amount out of range: ${value}`)
  return value
}

/** "1.5" to 150000000. @throws RangeError for anything but a plain decimal with at most 8 places. */
export function parseBtc(text: string): Sats {
  const match = /^(\d{1,8})(?:\.(\d{1,8}))?$/.exec(text)
  if (match === null) throw new RangeError(`not an amount in bitcoin: ${text}`)
  const whole = match[1] ?? '0'
  const fraction = (match[2] ?? '').padEnd(8, '0')
  return sats(BigInt(whole) * 100_000_000n + BigInt(fraction))
}

/** 150000000 to "1.50000000". */
export function formatBtc(amount: bigint): string {
  const sign = amount < 0n ? '-' : ''
  const digits = (amount < 0n ? -amount : amount).toString().padStart(9, '0')
  return `${sign}${digits.slice(0, -8)}.${digits.slice(-8)}`
}

/** A coin: an unspent output of this chain, with what later spends need to know of its origin. */

import type { OutPoint } from '../bitcoin/transaction.ts'
import { DecodeError, decodeAll, encodeWith } from '../primitives/codec.ts'
import { decodeSats, type Sats } from '../primitives/units.ts'

export type CoinOrigin = 'ordinary' | 'coinbase' | 'mint'

export interface Coin {
  readonly value: Sats
  readonly script: Uint8Array
  /** Height of the block that made it. */
  readonly height: number
  /** Median time past of the block before that one: the start of BIP68 time locks. */
  readonly medianTimeBefore: number
  readonly origin: CoinOrigin
}

export interface CoinView {
  findCoin(outPoint: OutPoint): Coin | undefined
}

const ORIGINS: readonly CoinOrigin[] = ['ordinary', 'coinbase', 'mint']
const SCRIPT_BYTES_MAX = 10_000

export function encodeCoin(coin: Coin): Uint8Array {
  return encodeWith((writer) => {
    writer
      .u8(ORIGINS.indexOf(coin.origin))
      .u32(coin.height)
      .u32(coin.medianTimeBefore)
      .u64(coin.value)
      .varBytes(coin.script)
  })
}

/** @throws DecodeError */
export function decodeCoin(bytes: Uint8Array): Coin {
  return decodeAll(bytes, (reader) => {
    const origin = ORIGINS[reader.u8()]
    if (origin === undefined) throw new DecodeError('unknown coin origin')
    return {
      origin,
      height: reader.u32(),
      medianTimeBefore: reader.u32(),
      value: decodeSats(reader.u64()),
      script: reader.varBytes(SCRIPT_BYTES_MAX),
    }
  })
}

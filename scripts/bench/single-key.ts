/**
 * One taproot key, used as output key without a tweak (BIP341 key path), and transactions that spend
 * its coins: the cheapest payer there is, so that a load generator costs the machine little.
 */

import { p2trScript } from '../../src/bitcoin/script.ts'
import { taprootSighash } from '../../src/bitcoin/sighash.ts'
import type { OutPoint, Transaction, TxOutput } from '../../src/bitcoin/transaction.ts'
import { present } from '../../src/primitives/assert.ts'
import { hashToBytes } from '../../src/primitives/hashes.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import type { Sats } from '../../src/primitives/units.ts'
import { signSchnorrFast } from './fast-signer.ts'

export interface SingleKey {
  readonly secret: Uint8Array
  readonly script: Uint8Array
}

export interface SpendableCoin {
  readonly outPoint: OutPoint
  readonly value: Sats
}

/** `secret`: 32 bytes. */
export function singleKey(secret: Uint8Array): SingleKey {
  return { secret, script: p2trScript(hashToBytes(xOnlyPublicKey(secret))) }
}

const SIGHASH_DEFAULT = 0
const SEQUENCE_REPLACEABLE = 0xffff_fffd

/** BIP341 signature hash of the one input, 32 bytes. */
export function spendDigest(
  transaction: Transaction,
  key: SingleKey,
  coin: SpendableCoin,
): Uint8Array {
  const spent = [{ value: coin.value, script: key.script }]
  return present(taprootSighash(transaction, 0, spent, SIGHASH_DEFAULT), 'signature hash')
}

/** A signed transaction with one input; what the outputs leave is its fee. */
export function spendCoin(
  key: SingleKey,
  coin: SpendableCoin,
  outputs: readonly TxOutput[],
): Transaction {
  const input = {
    prevout: coin.outPoint,
    scriptSig: new Uint8Array(),
    sequence: SEQUENCE_REPLACEABLE,
    witness: [],
  }
  const unsigned: Transaction = { version: 2, inputs: [input], outputs, lockTime: 0 }
  const signature = signSchnorrFast(spendDigest(unsigned, key, coin), key.secret)
  return { ...unsigned, inputs: [{ ...input, witness: [signature] }] }
}

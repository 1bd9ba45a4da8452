/** A one-key wallet for tests: P2TR key-path coins, the key untweaked, signed by @noble/curves. */

import { p2trScript } from '../../../src/bitcoin/script.ts'
import { taprootSighash } from '../../../src/bitcoin/sighash.ts'
import {
  encodeTransaction,
  type OutPoint,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../../src/bitcoin/transaction.ts'
import { hexToBytes } from '../../../src/primitives/bytes.ts'
import type { Txid } from '../../../src/primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../../../src/primitives/secp256k1.ts'
import { sha256 } from '../../../src/primitives/sha256.ts'
import { sats } from '../../../src/primitives/units.ts'

const SECRET = sha256(new TextEncoder().encode('causeway test wallet'))

/** Where all of the wallet's coins lie. */
export const WALLET_SCRIPT: Uint8Array = p2trScript(hexToBytes(xOnlyPublicKey(SECRET)))

export interface WalletCoin {
  readonly outPoint: OutPoint
  readonly value: bigint
}

export interface SpendPlan {
  readonly coins: readonly WalletCoin[]
  readonly outputs: readonly { readonly value: bigint; readonly script: Uint8Array }[]
  readonly version?: number
  readonly lockTime?: number
  readonly sequence?: number
  /** Flips a bit of every signature. */
  readonly spoilt?: boolean
}

export interface SignedSpend {
  readonly transaction: Transaction
  readonly raw: Uint8Array
  readonly txid: Txid
}

export function signSpend(plan: SpendPlan): SignedSpend {
  const unsigned: Transaction = {
    version: plan.version ?? 2,
    inputs: plan.coins.map(({ outPoint }) => ({
      prevout: outPoint,
      scriptSig: new Uint8Array(),
      sequence: plan.sequence ?? 0xffff_fffd,
      witness: [],
    })),
    outputs: plan.outputs.map(({ value, script }) => ({ value: sats(value), script })),
    lockTime: plan.lockTime ?? 0,
  }
  const spent: TxOutput[] = plan.coins.map(({ value }) => ({
    value: sats(value),
    script: WALLET_SCRIPT,
  }))
  const inputs = unsigned.inputs.map((input, index) => {
    const message = taprootSighash(unsigned, index, spent, 0)!
    const signature = signSchnorr(message, SECRET, new Uint8Array(32))
    if (plan.spoilt === true) signature[40]! ^= 1
    return { ...input, witness: [signature] }
  })
  const transaction = { ...unsigned, inputs }
  return { transaction, raw: encodeTransaction(transaction), txid: transactionId(transaction) }
}

/** Pays `value - fee` of one coin back to the wallet. */
export function sweep(
  coin: WalletCoin,
  fee: bigint,
  more: Omit<SpendPlan, 'coins' | 'outputs'> = {},
): SignedSpend {
  const outputs = [{ value: coin.value - fee, script: WALLET_SCRIPT }]
  return signSpend({ coins: [coin], outputs, ...more })
}

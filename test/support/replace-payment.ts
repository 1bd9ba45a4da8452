/** Fee bumping as a payer does it: another transaction that spends the same coins (BIP125). */

import { taprootSighash } from '../../src/bitcoin/sighash.ts'
import {
  encodeTransaction,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import type { Devnet } from '../../src/cli/devnet/devnet.ts'
import { present } from '../../src/primitives/assert.ts'
import { hexToBytes } from '../../src/primitives/bytes.ts'
import type { Txid } from '../../src/primitives/hashes.ts'
import { signSchnorr } from '../../src/primitives/secp256k1.ts'
import { type Sats, sats } from '../../src/primitives/units.ts'

/** Above the first payment's fee and the relay's increment. */
const HIGHER_FEE_SATS = 20_000n

/**
 * Replaces a payment of the faucet's, which waits in L1's mempool and has one input and its change at the
 * end, by one that pays `value` to its first output's script instead. Returns the new txid.
 */
export async function replacePayment(devnet: Devnet, txid: Txid, value: Sats): Promise<Txid> {
  const { l1 } = devnet.l1
  const first = present(await l1.mempoolTransaction(txid), 'payment in the mempool')
  const [input, ...others] = first.inputs
  const [payment, change] = first.outputs
  if (input === undefined || others.length > 0 || payment === undefined || change === undefined) {
    throw new TypeError('not a payment of the faucet')
  }
  const coin = await coinOf(devnet, first)
  const rest = coin.value - value - HIGHER_FEE_SATS
  const unsigned: Transaction = {
    ...first,
    outputs: [
      { ...payment, value },
      { ...change, value: sats(rest) },
    ],
  }
  const digest = present(taprootSighash(unsigned, 0, [coin], 0), 'digest')
  const witness = [
    signSchnorr(digest, hexToBytes(devnet.files.faucetSecret), new Uint8Array(32).fill(1)),
  ]
  const signed = { ...unsigned, inputs: [{ ...input, witness }] }
  const { result, reason } = await l1.broadcast(encodeTransaction(signed))
  if (result !== 'accepted') throw new TypeError(`L1 did not take the replacement: ${reason}`)
  return transactionId(signed)
}

/** The coin that the faucet spent, which pays the faucet as its change does. */
async function coinOf({ l1: { l1 } }: Devnet, spender: Transaction): Promise<TxOutput> {
  const { prevout } = present(spender.inputs[0], 'input')
  const coin = present(await l1.findUnspent(prevout), 'coin of the faucet')
  return { value: coin.value, script: coin.script }
}

/**
 * Payments as two programs connect them: rounds of transactions with one input and two outputs, P2TR key
 * path, each spending the first output of its counterpart in the round before. Every output has a key of
 * its own. Deterministic, and kept in a folder, because signing them takes longer than measuring.
 */

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { p2trScript } from '../../src/bitcoin/script.ts'
import { taprootSighash } from '../../src/bitcoin/sighash.ts'
import {
  encodeTransaction,
  type OutPoint,
  readTransaction,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { present } from '../../src/primitives/assert.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { DecodeError, decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { signSchnorrFast, xOnlyKeyFast } from './fast-signer.ts'

export interface PaymentPlan {
  /** Payments of a round: those of one block. */
  readonly perRound: number
  readonly rounds: number
}

export interface PaymentChain {
  /** Pays every payment of the first round. Its input is a coin of `COIN_SATS` for the key `key(0)`. */
  readonly fanOut: Transaction
  readonly rounds: readonly (readonly Transaction[])[]
}

/** What the fan-out spends: a coinbase of Bitcoin's first blocks. */
export const COIN_SATS = 50n * 100_000_000n
const FAN_OUT_FEE_SATS = 100n
const FEE_SATS = 300n
const SIGHASH_DEFAULT = 0
const SEQUENCE_REPLACEABLE = 0xffff_fffd
/** Of what is in the file; another makes it be written anew. */
const FILE_VERSION = 1
const TRANSACTIONS_MAX = 1_000_000

/** The key's secret, 32 bytes. */
function secretOf(index: number): Uint8Array {
  return sha256(utf8(`causeway benchmark/${index}`))
}

/** P2TR of the key without a tweak. */
export function paymentScript(index: number): Uint8Array {
  return p2trScript(xOnlyKeyFast(secretOf(index)))
}

function signed(
  spent: { readonly outPoint: OutPoint; readonly output: TxOutput; readonly key: number },
  outputs: readonly TxOutput[],
): Transaction {
  const input = {
    prevout: spent.outPoint,
    scriptSig: new Uint8Array(),
    sequence: SEQUENCE_REPLACEABLE,
    witness: [],
  }
  const unsigned: Transaction = { version: 2, inputs: [input], outputs, lockTime: 0 }
  const digest = taprootSighash(unsigned, 0, [spent.output], SIGHASH_DEFAULT)
  const witness = [signSchnorrFast(present(digest, 'signature hash'), secretOf(spent.key))]
  return { ...unsigned, inputs: [{ ...input, witness }] }
}

/** `funding` is the coin that the fan-out spends. */
function makePayments({ perRound, rounds }: PaymentPlan, funding: OutPoint): PaymentChain {
  let nextKey = 1
  const share = COIN_SATS / BigInt(perRound) - FAN_OUT_FEE_SATS
  const fanOut = signed(
    { outPoint: funding, output: { value: sats(COIN_SATS), script: paymentScript(0) }, key: 0 },
    Array.from({ length: perRound }, () => ({
      value: sats(share),
      script: paymentScript(nextKey++),
    })),
  )
  const fanOutId = transactionId(fanOut)
  let coins = fanOut.outputs.map((output, vout) => ({
    outPoint: { txid: fanOutId, vout },
    output,
    key: vout + 1,
  }))
  const made: (readonly Transaction[])[] = []
  for (let round = 0; round < rounds; round++) {
    const next: typeof coins = []
    const transactions = coins.map((coin) => {
      const rest = coin.output.value - FEE_SATS
      const paid = (rest * 2n) / 3n
      const key = nextKey
      nextKey += 2
      const transaction = signed(coin, [
        { value: sats(paid), script: paymentScript(key) },
        { value: sats(rest - paid), script: paymentScript(key + 1) },
      ])
      const output = present(transaction.outputs[0], 'first output')
      next.push({ outPoint: { txid: transactionId(transaction), vout: 0 }, output, key })
      return transaction
    })
    made.push(transactions)
    coins = next
  }
  return { fanOut, rounds: made }
}

/** Reads them from `folder`, or makes them and writes them there. */
export async function paymentChain(
  plan: PaymentPlan,
  funding: OutPoint,
  folder: string,
): Promise<PaymentChain> {
  const name = `payments-${FILE_VERSION}-${plan.perRound}-${plan.rounds}-${funding.txid.slice(0, 16)}`
  const path = join(folder, `${name}.bin`)
  const known = await readFile(path).catch(() => undefined)
  const chain = known === undefined ? undefined : decodePayments(new Uint8Array(known), plan)
  if (chain !== undefined) return chain
  const made = makePayments(plan, funding)
  await mkdir(folder, { recursive: true })
  // Whole or not at all: another run may read it at the same moment.
  await writeFile(`${path}.${process.pid}`, encodePayments(made))
  await rename(`${path}.${process.pid}`, path)
  return made
}

function encodePayments({ fanOut, rounds }: PaymentChain): Uint8Array {
  return encodeWith((writer) => {
    writer.list([fanOut, ...rounds.flat()], (w, each) => w.bytes(encodeTransaction(each)))
  })
}

function decodePayments(bytes: Uint8Array, plan: PaymentPlan): PaymentChain | undefined {
  try {
    const all = decodeAll(bytes, (reader) => reader.list(TRANSACTIONS_MAX, readTransaction))
    const [fanOut, ...rest] = all
    if (fanOut === undefined || rest.length !== plan.perRound * plan.rounds) return undefined
    const rounds = Array.from({ length: plan.rounds }, (_, round) =>
      rest.slice(round * plan.perRound, (round + 1) * plan.perRound),
    )
    return { fanOut, rounds }
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}

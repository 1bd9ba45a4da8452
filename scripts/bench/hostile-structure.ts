/** Hostile fillers that are large in number: transactions, inputs, outputs, payouts, witness items. */

import { Opcode } from '../../src/bitcoin/opcodes.ts'
import { P2A_SCRIPT, p2wpkhScript, p2wshScript } from '../../src/bitcoin/script.ts'
import {
  type Transaction,
  type TxOutput,
  transactionId,
  transactionWeight,
} from '../../src/bitcoin/transaction.ts'
import { reversedToBytes } from '../../src/primitives/hashes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import {
  coinOf,
  type Filler,
  type FillerContent,
  type FillLimits,
  forever,
  inputOf,
  NOTHING,
  oneTransaction,
  scriptHash,
} from './hostile-filler.ts'

const ANCHOR = { script: P2A_SCRIPT, unsignedWitness: [] }
const ANYONES = Uint8Array.of(Opcode.OP_1)

/** Each of one anchor, with an output that makes nothing: 61 bytes. */
function smallestTransactions({ weight }: FillLimits): FillerContent {
  const coins = Array.from({ length: Math.floor(weight / 244) }, () => coinOf(P2A_SCRIPT))
  return {
    coins,
    transactions: coins.map((coin) => ({
      version: 2,
      inputs: [inputOf(coin)],
      outputs: [NOTHING],
      lockTime: 0,
    })),
  }
}

/** Each spends the one before. */
function chained({ weight }: FillLimits): FillerContent {
  const script = p2wshScript(sha256(ANYONES))
  const coin = coinOf(script, sats(1_000_000))
  const transactions: Transaction[] = []
  let { outPoint, output } = coin
  for (let used = 0; ; ) {
    const next: TxOutput = { value: sats(output.value - 1n), script }
    const transaction: Transaction = {
      version: 2,
      inputs: [inputOf({ outPoint, output }, [ANYONES])],
      outputs: [next],
      lockTime: 0,
    }
    used += transactionWeight(transaction)
    if (used > weight) return { coins: [coin], transactions }
    transactions.push(transaction)
    outPoint = { txid: transactionId(transaction), vout: 0 }
    output = next
  }
}

/** `count` outputs of one satoshi, paid by one coin that anybody can spend. */
function outputs(count: number, output: TxOutput): FillerContent {
  const coin = coinOf(P2A_SCRIPT, sats(output.value * BigInt(count) + 1_000n))
  const all = Array.from({ length: count }, () => output)
  const transaction = { version: 2, inputs: [inputOf(coin)], outputs: all, lockTime: 0 }
  return { coins: [coin], transactions: [transaction] }
}

const FIXED_WEIGHT = 300
const ANCHOR_OUTPUT_WEIGHT = (8 + 1 + 4) * 4
const NOTHING_WEIGHT = (8 + 1 + 1) * 4
const PAYOUT_WEIGHT = (8 + 1 + 22) * 4

/** Fees that the coinbase pays out in as many pieces as fit. */
function hugeCoinbase({ weight }: FillLimits): FillerContent {
  const count = Math.max(1, Math.floor((weight - FIXED_WEIGHT) / PAYOUT_WEIGHT))
  const coin = coinOf(P2A_SCRIPT, sats(count))
  const transaction = { version: 2, inputs: [inputOf(coin)], outputs: [NOTHING], lockTime: 0 }
  const txid = reversedToBytes(transactionId(transaction))
  const payout = { value: sats(1), script: p2wpkhScript(txid.subarray(0, 20)) }
  return {
    coins: [coin],
    transactions: [transaction],
    payouts: Array.from({ length: count }, () => payout),
  }
}

export const STRUCTURE_FILLERS: readonly Filler[] = [
  { name: 'as many transactions as fit', make: smallestTransactions },
  { name: 'a chain of transactions', make: chained },
  { name: 'inputs of one transaction', make: (limits) => oneTransaction(forever(ANCHOR), limits) },
  {
    name: 'coins of one transaction',
    make: ({ weight }) =>
      outputs(Math.floor((weight - FIXED_WEIGHT) / ANCHOR_OUTPUT_WEIGHT), {
        value: sats(1),
        script: P2A_SCRIPT,
      }),
  },
  {
    name: 'outputs that make nothing',
    make: ({ weight }) => outputs(Math.floor((weight - FIXED_WEIGHT) / NOTHING_WEIGHT), NOTHING),
  },
  { name: 'payouts of the coinbase', make: hugeCoinbase },
  {
    name: 'witness items',
    make(limits) {
      // Each drop takes two, and 201 operations are all a v0 script has.
      const script = new Uint8Array(199).fill(Opcode.OP_2DROP)
      script[198] = Opcode.OP_1
      const items = Array.from({ length: 396 }, () => new Uint8Array())
      return oneTransaction(forever(scriptHash(script, items)), limits)
    },
  },
]

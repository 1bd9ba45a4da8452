/**
 * Blocks, transactions and coins of the embedded regtest chain in the JSON shapes of bitcoind 29.
 * Amounts are numbers of bitcoin. Left out: output descriptors (`desc`); pay-to-public-key and bare
 * multisig are called nonstandard.
 */

import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { encodeHeader } from '../../src/bitcoin/header.ts'
import { classifyOutput, findWitnessProgram } from '../../src/bitcoin/script.ts'
import { scriptAsm } from '../../src/bitcoin/script-asm.ts'
import { decodeScriptNumber } from '../../src/bitcoin/script-number.ts'
import {
  encodeTransaction,
  isCoinbase,
  type Transaction,
  type TxInput,
  transactionId,
  transactionSizes,
  transactionVsize,
  transactionWeight,
  witnessTransactionId,
} from '../../src/bitcoin/transaction.ts'
import { unreachable } from '../../src/primitives/assert.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { formatBtc } from '../../src/primitives/units.ts'
import { encodeBitcoinBlock } from './block-codec.ts'
import { REGTEST_BITS } from './regtest-block.ts'
import type { RegtestBlock, RegtestChain } from './regtest-chain.ts'
import type { MempoolEntry, RegtestMempool } from './regtest-mempool.ts'

type Json = Readonly<Record<string, unknown>>

/** Core's difficulty is 1 at bits 1d00ffff; it prints 16 digits. */
export const REGTEST_DIFFICULTY = Number((0xffff / 0x7f_ffff / 2 ** 24).toPrecision(16))
const REGTEST_TARGET = `7fffff${'0'.repeat(58)}`
const WITNESS_SCALE = 4

/** The double nearest to the decimal that bitcoind prints. */
export function btc(amount: bigint): number {
  return Number(formatBtc(amount))
}

/** Two expected hashes a block. */
export function chainWork(height: number): string {
  return (2 * (height + 1)).toString(16).padStart(64, '0')
}

export function headerView(
  chain: RegtestChain,
  { hash, height, block, parent }: RegtestBlock,
): Json {
  const { header, transactions } = block
  const here = chain.blockAt(height)
  const isBest = here?.hash === hash
  const next = isBest ? chain.blockAt(height + 1) : undefined
  return {
    hash,
    confirmations: isBest ? chain.tip().height - height + 1 : -1,
    height,
    version: header.version,
    versionHex: header.version.toString(16).padStart(8, '0'),
    merkleroot: header.merkleRoot,
    time: header.time,
    mediantime: here === undefined || !isBest ? header.time : chain.medianTimePast(here),
    nonce: header.nonce,
    bits: REGTEST_BITS.toString(16),
    target: REGTEST_TARGET,
    difficulty: REGTEST_DIFFICULTY,
    chainwork: chainWork(height),
    nTx: transactions.length,
    ...(parent === undefined ? {} : { previousblockhash: parent.hash }),
    ...(next === undefined ? {} : { nextblockhash: next.hash }),
  }
}

export function rawHeader({ block }: RegtestBlock): string {
  return bytesToHex(encodeHeader(block.header))
}

/** `getblock` with verbosity 0: hex; 1: with txids; from 2: with transactions. */
export function blockView(
  chain: RegtestChain,
  entry: RegtestBlock,
  verbosity: number,
): string | Json {
  const bytes = encodeBitcoinBlock(entry.block)
  if (verbosity <= 0) return bytesToHex(bytes)
  const { transactions } = entry.block
  const witnessBytes = transactions.reduce((sum, transaction) => {
    const { strippedBytes, totalBytes } = transactionSizes(transaction)
    return sum + totalBytes - strippedBytes
  }, 0)
  const strippedSize = bytes.length - witnessBytes
  return {
    ...headerView(chain, entry),
    strippedsize: strippedSize,
    size: bytes.length,
    weight: strippedSize * (WITNESS_SCALE - 1) + bytes.length,
    tx: transactions.map((each) => (verbosity === 1 ? transactionId(each) : transactionView(each))),
  }
}

export function transactionView(transaction: Transaction): Json {
  const isReward = isCoinbase(transaction)
  return {
    txid: transactionId(transaction),
    hash: witnessTransactionId(transaction),
    version: transaction.version,
    size: transactionSizes(transaction).totalBytes,
    vsize: transactionVsize(transaction),
    weight: transactionWeight(transaction),
    locktime: transaction.lockTime,
    vin: transaction.inputs.map((input) => inputView(input, isReward)),
    vout: transaction.outputs.map(({ value, script }, n) => ({
      value: btc(value),
      n,
      scriptPubKey: scriptView(script),
    })),
    hex: bytesToHex(encodeTransaction(transaction)),
  }
}

function inputView({ prevout, scriptSig, witness, sequence }: TxInput, isReward: boolean): Json {
  const hex = bytesToHex(scriptSig)
  const from = isReward
    ? { coinbase: hex }
    : { txid: prevout.txid, vout: prevout.vout, scriptSig: { asm: coreAsm(scriptSig), hex } }
  const items = witness.length === 0 ? {} : { txinwitness: witness.map(bytesToHex) }
  return { ...from, ...items, sequence }
}

export function scriptView(script: Uint8Array): Json {
  const address = encodeAddress(script, L1_ADDRESS_NETWORKS.regtest)
  return {
    asm: coreAsm(script),
    hex: bytesToHex(script),
    ...(address === undefined ? {} : { address }),
    type: scriptType(script),
  }
}

/** Core writes small numbers and pushes of up to four bytes as numbers, others as hex. */
function coreAsm(script: Uint8Array): string {
  return scriptAsm(script)
    .split(' ')
    .filter((word) => !/^OP_PUSH(?:BYTES_\d+|DATA[124])$/.test(word))
    .map(coreWord)
    .join(' ')
}

function coreWord(word: string): string {
  if (/^(?:[0-9a-f]{2}){1,4}$/.test(word)) {
    return String(decodeScriptNumber(hexToBytes(word), false))
  }
  return word.replace(/^OP_PUSHNUM_NEG1$/, '-1').replace(/^OP_PUSHNUM_|^OP_(?=0$)/, '')
}

function scriptType(script: Uint8Array): string {
  const { kind } = classifyOutput(script)
  switch (kind) {
    case 'p2wpkh':
      return 'witness_v0_keyhash'
    case 'p2wsh':
      return 'witness_v0_scripthash'
    case 'p2tr':
      return 'witness_v1_taproot'
    case 'p2a':
      return 'anchor'
    case 'op_return':
      return 'nulldata'
    case 'p2pkh':
      return 'pubkeyhash'
    case 'p2sh':
      return 'scripthash'
    case 'withdraw':
      return 'witness_unknown'
    case 'unknown':
      return findWitnessProgram(script) === undefined ? 'nonstandard' : 'witness_unknown'
    default:
      return unreachable(kind)
  }
}

export function mempoolEntryView(mempool: RegtestMempool, entry: MempoolEntry): Json {
  const { transaction, txid, fee, vsize, time, height } = entry
  const ancestors = [
    entry,
    ...mempool.ancestors(transaction).flatMap((id) => mempool.find(id) ?? []),
  ]
  const descendants = mempool.descendants(txid).flatMap((id) => mempool.find(id) ?? [])
  const inputs = new Set(transaction.inputs.map((input) => input.prevout.txid))
  return {
    vsize,
    weight: transactionWeight(transaction),
    time,
    height,
    descendantcount: descendants.length,
    descendantsize: totalVsize(descendants),
    ancestorcount: ancestors.length,
    ancestorsize: totalVsize(ancestors),
    wtxid: witnessTransactionId(transaction),
    fees: {
      base: btc(fee),
      modified: btc(fee),
      ancestor: btc(totalFee(ancestors)),
      descendant: btc(totalFee(descendants)),
    },
    depends: [...inputs].filter((id) => mempool.find(id) !== undefined),
    spentby: descendants
      .filter((each) => each.transaction.inputs.some((input) => input.prevout.txid === txid))
      .map((each) => each.txid),
    'bip125-replaceable': true,
    unbroadcast: false,
  }
}

function totalVsize(entries: readonly MempoolEntry[]): number {
  return entries.reduce((sum, entry) => sum + entry.vsize, 0)
}

function totalFee(entries: readonly MempoolEntry[]): bigint {
  return entries.reduce((sum, entry) => sum + entry.fee, 0n)
}

/**
 * From our values to Esplora's JSON: field names, order and types as electrs gives them, with Liquid's
 * names for the peg (`is_pegin`, `pegout`). Pure. Absent fields are left out where electrs does so.
 */

import { type AddressNetwork, encodeAddress } from '../bitcoin/address.ts'
import { type BlockHeader, bitsToTarget } from '../bitcoin/header.ts'
import { classifyOutput, type OutputKind } from '../bitcoin/script.ts'
import { scriptAsm } from '../bitcoin/script-asm.ts'
import {
  isCoinbase,
  outPointKey,
  type Transaction,
  type TxInput,
  type TxOutput,
  transactionId,
  transactionSizes,
  transactionWeight,
} from '../bitcoin/transaction.ts'
import { bytesToHex } from '../primitives/bytes.ts'
import type { BlockHash, Txid } from '../primitives/hashes.ts'
import type { ConfirmedTransaction, MempoolItem, ScriptStats, StoredBlock } from './ports.ts'
import type { Prevouts } from './prevouts.ts'

export type TransactionStatusJson =
  | { readonly confirmed: false }
  | {
      readonly confirmed: true
      readonly block_height: number
      /** Absent, with the time, for a block below the snapshot that the chain began with. */
      readonly block_hash?: BlockHash
      readonly block_time?: number
    }

export const UNCONFIRMED: TransactionStatusJson = { confirmed: false }

/** Of anything that names its block. */
export function confirmedStatus(
  place: Pick<ConfirmedTransaction, 'height' | 'blockHash' | 'time'>,
): TransactionStatusJson {
  return {
    confirmed: true,
    block_height: place.height,
    block_hash: place.blockHash,
    block_time: place.time,
  }
}

// --- outputs --------------------------------------------------------------------------------

interface ScriptJson {
  readonly scriptpubkey: string
  readonly scriptpubkey_asm: string
  readonly scriptpubkey_address?: string
}

interface OutputJson extends ScriptJson {
  readonly scriptpubkey_type: string
  readonly value: number
  readonly pegout?: ScriptJson
}

interface AddressNetworks {
  readonly here: AddressNetwork
  readonly l1: AddressNetwork
}

/** An output of this chain. */
function outputJson(output: TxOutput, networks: AddressNetworks): OutputJson {
  const kind = classifyOutput(output.script)
  const json = plainOutputJson(output, networks.here)
  if (kind.kind !== 'withdraw') return json
  return { ...json, pegout: scriptJson(kind.l1Script, networks.l1) }
}

function plainOutputJson(output: TxOutput, network: AddressNetwork): OutputJson {
  const { scriptpubkey, scriptpubkey_asm, ...address } = scriptJson(output.script, network)
  return {
    scriptpubkey,
    scriptpubkey_asm,
    scriptpubkey_type: scriptType(output.script),
    ...address,
    value: Number(output.value),
  }
}

function scriptJson(script: Uint8Array, network: AddressNetwork): ScriptJson {
  const address = encodeAddress(script, network)
  const json = { scriptpubkey: bytesToHex(script), scriptpubkey_asm: scriptAsm(script) }
  return address === undefined ? json : { ...json, scriptpubkey_address: address }
}

/** Esplora's words; it has none for anchors and for witness versions of the future. */
const SCRIPT_TYPES: Readonly<Record<OutputKind['kind'], string>> = {
  p2wpkh: 'v0_p2wpkh',
  p2wsh: 'v0_p2wsh',
  p2tr: 'v1_p2tr',
  op_return: 'op_return',
  p2pkh: 'p2pkh',
  p2sh: 'p2sh',
  p2a: 'unknown',
  withdraw: 'unknown',
  unknown: 'unknown',
}

function scriptType(script: Uint8Array): string {
  return script.length === 0 ? 'empty' : SCRIPT_TYPES[classifyOutput(script).kind]
}

// --- transactions ---------------------------------------------------------------------------

interface InputJson {
  readonly txid: Txid
  readonly vout: number
  readonly prevout: OutputJson | null
  readonly scriptsig: string
  readonly scriptsig_asm: string
  readonly witness?: readonly string[]
  readonly is_coinbase: boolean
  readonly sequence: number
  readonly inner_witnessscript_asm?: string
  /** Present on the inputs of a mint, which name L1 outputs. */
  readonly is_pegin?: true
}

export interface TransactionJson {
  readonly txid: Txid
  readonly version: number
  readonly locktime: number
  readonly vin: readonly InputJson[]
  readonly vout: readonly OutputJson[]
  readonly size: number
  readonly weight: number
  readonly fee: number
  readonly status: TransactionStatusJson
}

export interface TransactionSurroundings {
  readonly prevouts: Prevouts
  readonly isMint: boolean
  readonly status: TransactionStatusJson
  readonly networks: AddressNetworks
}

export function transactionJson(
  transaction: Transaction,
  surroundings: TransactionSurroundings,
): TransactionJson {
  const { networks } = surroundings
  return {
    txid: transactionId(transaction),
    version: transaction.version,
    locktime: transaction.lockTime,
    vin: transaction.inputs.map((input) => inputJson(transaction, input, surroundings)),
    vout: transaction.outputs.map((output) => outputJson(output, networks)),
    size: transactionSizes(transaction).totalBytes,
    weight: transactionWeight(transaction),
    fee: Number(transactionFee(transaction, surroundings.prevouts)),
    status: surroundings.status,
  }
}

/** Satoshis; zero for a coinbase and where an input's output is not known. Never negative. */
function transactionFee(transaction: Transaction, prevouts: Prevouts): bigint {
  if (isCoinbase(transaction)) return 0n
  let fee = 0n
  for (const { prevout } of transaction.inputs) {
    const spent = prevouts.get(outPointKey(prevout))
    if (spent === undefined) return 0n
    fee += spent.value
  }
  for (const output of transaction.outputs) fee -= output.value
  return fee < 0n ? 0n : fee
}

function inputJson(
  transaction: Transaction,
  input: TxInput,
  { prevouts, isMint, networks }: TransactionSurroundings,
): InputJson {
  const spent = prevouts.get(outPointKey(input.prevout))
  const network = isMint ? networks.l1 : networks.here
  const witness = input.witness.map(bytesToHex)
  const innerScript = spent === undefined ? undefined : witnessScriptOf(input, spent)
  return {
    txid: input.prevout.txid,
    vout: input.prevout.vout,
    prevout: spent === undefined ? null : plainOutputJson(spent, network),
    scriptsig: bytesToHex(input.scriptSig),
    scriptsig_asm: scriptAsm(input.scriptSig),
    ...(witness.length > 0 ? { witness } : {}),
    is_coinbase: isCoinbase(transaction),
    sequence: input.sequence,
    ...(innerScript === undefined ? {} : { inner_witnessscript_asm: scriptAsm(innerScript) }),
    ...(isMint ? { is_pegin: true } : {}),
  }
}

/** BIP141: the last item of the witness, where a script hash is spent. */
function witnessScriptOf(input: TxInput, spent: TxOutput): Uint8Array | undefined {
  return classifyOutput(spent.script).kind === 'p2wsh' ? input.witness.at(-1) : undefined
}

/** An entry of `/mempool/recent`. */
export function recentJson(item: MempoolItem): object {
  let value = 0n
  for (const output of item.transaction.outputs) value += output.value
  return {
    txid: transactionId(item.transaction),
    fee: Number(item.fee),
    vsize: item.vsize,
    value: Number(value),
  }
}

// --- blocks ---------------------------------------------------------------------------------

export interface BlockJson {
  readonly id: BlockHash
  readonly height: number
  readonly version: number
  readonly timestamp: number
  readonly tx_count: number
  readonly size: number
  readonly weight: number
  readonly merkle_root: Txid
  readonly previousblockhash: BlockHash | null
  readonly mediantime: number
  readonly nonce: number
  readonly bits: number
  readonly difficulty: number
}

export function blockJson(stored: StoredBlock): BlockJson {
  const { header, transactions } = stored.block
  return {
    id: stored.hash,
    height: stored.height,
    version: header.version,
    timestamp: header.time,
    tx_count: transactions.length,
    size: stored.sizeBytes,
    weight: stored.weight,
    merkle_root: header.merkleRoot,
    previousblockhash: stored.height === 0 ? null : header.previousHash,
    mediantime: stored.medianTime,
    nonce: header.nonce,
    bits: header.bits,
    difficulty: difficulty(header),
  }
}

/** Bitcoin's easiest target on its main network. */
const DIFFICULTY_ONE_BITS = 0x1d00_ffff

function difficulty(header: BlockHeader): number {
  const one = bitsToTarget(DIFFICULTY_ONE_BITS)
  const target = bitsToTarget(header.bits)
  return one === undefined || target === undefined ? 0 : Number(one) / Number(target)
}

// --- scripts --------------------------------------------------------------------------------

export interface StatsJson {
  readonly funded_txo_count: number
  readonly funded_txo_sum: number
  readonly spent_txo_count: number
  readonly spent_txo_sum: number
  readonly tx_count: number
}

export function statsJson(stats: ScriptStats): StatsJson {
  return {
    funded_txo_count: stats.fundedCount,
    funded_txo_sum: Number(stats.fundedSum),
    spent_txo_count: stats.spentCount,
    spent_txo_sum: Number(stats.spentSum),
    tx_count: stats.txCount,
  }
}

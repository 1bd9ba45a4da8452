/**
 * The hashes that signatures sign: BIP143 for witness v0, BIP341 for taproot with BIP342's
 * extension. What all inputs of a transaction share is computed once, so that checking every input
 * stays linear. Legacy signature hashes do not exist on this chain.
 */

import { assert, present } from '../primitives/assert.ts'
import { type ByteWriter, useEncoded } from '../primitives/codec.ts'
import { sha256, sha256d, taggedHash } from '../primitives/sha256.ts'
import {
  type Transaction,
  type TxInput,
  type TxOutput,
  writeOutPoint,
  writeOutput,
} from './transaction.ts'

/** The last byte of a signature: which outputs and inputs it covers. */
export const SighashType = {
  /** BIP341: as ALL, without a byte in the signature. */
  DEFAULT: 0x00,
  ALL: 0x01,
  NONE: 0x02,
  SINGLE: 0x03,
  ANYONECANPAY: 0x80,
} as const

const OUTPUTS_MASK = 0x1f
/** BIP143 for what a hash type leaves out. */
const ZERO_HASH = new Uint8Array(32)

/** BIP342: what a signature in a tapscript commits to beside the transaction. */
export interface TapscriptExtension {
  readonly leafHash: Uint8Array
  /** Index of the last executed OP_CODESEPARATOR among the script's opcodes; ffffffff if none. */
  readonly codeSeparator: number
}

export interface TaprootSighashOptions {
  readonly tapscript?: TapscriptExtension | undefined
  /** SHA256 of the annex behind its CompactSize length. */
  readonly annexHash?: Uint8Array | undefined
}

/** Single SHA256s over all inputs or outputs; BIP143 hashes them once more. */
interface TransactionHashes {
  readonly transaction: Transaction
  readonly prevouts: Uint8Array
  readonly sequences: Uint8Array
  readonly outputs: Uint8Array
}

interface SpentHashes {
  readonly transaction: Transaction
  readonly spentOutputs: readonly TxOutput[]
  readonly amounts: Uint8Array
  readonly scripts: Uint8Array
}

/**
 * Of the latest transaction only: inputs are checked and signed transaction by transaction, and a
 * table of all would cost as much as the hashes of a small one.
 */
let latestHashes: TransactionHashes | undefined
let latestSpentHashes: SpentHashes | undefined
const outputHashes = new WeakMap<TxOutput, Uint8Array>()

function hashWith(write: (writer: ByteWriter) => void): Uint8Array {
  return useEncoded(write, sha256)
}

function hashesOf(transaction: Transaction): TransactionHashes {
  let hashes = latestHashes
  if (hashes?.transaction !== transaction) {
    const { inputs, outputs } = transaction
    hashes = {
      transaction,
      prevouts: hashWith((w) => {
        for (const input of inputs) writeOutPoint(w, input.prevout)
      }),
      sequences: hashWith((w) => {
        for (const input of inputs) w.u32(input.sequence)
      }),
      outputs: hashWith((w) => {
        for (const output of outputs) writeOutput(w, output)
      }),
    }
    latestHashes = hashes
  }
  return hashes
}

function spentHashesOf(transaction: Transaction, spentOutputs: readonly TxOutput[]): SpentHashes {
  let hashes = latestSpentHashes
  // The same transaction may be tried against other coins: the hashes belong to one list of them.
  if (hashes?.transaction !== transaction || hashes.spentOutputs !== spentOutputs) {
    hashes = {
      transaction,
      spentOutputs,
      amounts: hashWith((w) => {
        for (const output of spentOutputs) w.u64(output.value)
      }),
      scripts: hashWith((w) => {
        for (const output of spentOutputs) w.varBytes(output.script)
      }),
    }
    latestSpentHashes = hashes
  }
  return hashes
}

/** SHA256 of one output, for SINGLE: a script may ask for it many times. */
function outputHashOf(output: TxOutput): Uint8Array {
  let hash = outputHashes.get(output)
  if (hash === undefined) {
    hash = hashWith((w) => writeOutput(w, output))
    outputHashes.set(output, hash)
  }
  return hash
}

function inputAt(transaction: Transaction, index: number): TxInput {
  return present(transaction.inputs[index], 'input of the signature hash')
}

/**
 * BIP143. `hashType` is the signature's last byte, whatever its value; `value` the spent amount;
 * `scriptCode` starts after the last executed OP_CODESEPARATOR. 32 bytes.
 */
export function witnessV0Sighash(
  transaction: Transaction,
  index: number,
  scriptCode: Uint8Array,
  value: bigint,
  hashType: number,
): Uint8Array {
  const hashes = hashesOf(transaction)
  const input = inputAt(transaction, index)
  const covers = hashType & OUTPUTS_MASK
  const anyoneCanPay = (hashType & SighashType.ANYONECANPAY) !== 0
  const coversAll = covers !== SighashType.NONE && covers !== SighashType.SINGLE
  return useEncoded((w) => {
    // 1. nVersion, 2. hashPrevouts, 3. hashSequence
    w.u32(transaction.version)
    w.bytes(anyoneCanPay ? ZERO_HASH : sha256(hashes.prevouts))
    w.bytes(!anyoneCanPay && coversAll ? sha256(hashes.sequences) : ZERO_HASH)
    // 4. outpoint, 5. scriptCode, 6. value, 7. nSequence of this input
    writeOutPoint(w, input.prevout)
    w.varBytes(scriptCode).u64(value).u32(input.sequence)
    // 8. hashOutputs
    w.bytes(coversAll ? sha256(hashes.outputs) : v0OutputHash(transaction, index, covers))
    // 9. nLockTime, 10. hash type
    w.u32(transaction.lockTime).u32(hashType)
  }, sha256d)
}

/** BIP143: NONE, and SINGLE without a matching output, sign zeros. */
function v0OutputHash(transaction: Transaction, index: number, covers: number): Uint8Array {
  const output = transaction.outputs[index]
  if (covers !== SighashType.SINGLE || output === undefined) return ZERO_HASH
  return sha256(outputHashOf(output))
}

/** BIP341: the hash types with a meaning. */
function isTaprootHashType(hashType: number): boolean {
  return hashType <= 3 || (hashType >= 0x81 && hashType <= 0x83)
}

/**
 * BIP341's SigMsg, hashed. `spentOutputs` has one entry per input. 32 bytes; undefined for a hash
 * type without meaning, and for SINGLE without a matching output.
 */
export function taprootSighash(
  transaction: Transaction,
  index: number,
  spentOutputs: readonly TxOutput[],
  hashType: number,
  { tapscript, annexHash }: TaprootSighashOptions = {},
): Uint8Array | undefined {
  assert(spentOutputs.length === transaction.inputs.length, 'one spent output per input')
  if (!isTaprootHashType(hashType)) return undefined
  const covers = hashType === SighashType.DEFAULT ? SighashType.ALL : hashType & 3
  const matching = transaction.outputs[index]
  if (covers === SighashType.SINGLE && matching === undefined) return undefined
  const anyoneCanPay = (hashType & SighashType.ANYONECANPAY) !== 0
  const matchingHash =
    covers === SighashType.SINGLE && matching !== undefined ? outputHashOf(matching) : undefined
  const own = hashesOf(transaction)
  const spent = spentHashesOf(transaction, spentOutputs)

  const writeMessage = (w: ByteWriter): void => {
    // epoch 0, hash_type, nVersion, nLockTime
    w.u8(0).u8(hashType).u32(transaction.version).u32(transaction.lockTime)
    // sha_prevouts, sha_amounts, sha_scriptpubkeys, sha_sequences
    if (!anyoneCanPay) {
      w.bytes(own.prevouts).bytes(spent.amounts).bytes(spent.scripts).bytes(own.sequences)
    }
    if (covers === SighashType.ALL) w.bytes(own.outputs)
    // spend_type = ext_flag · 2 + annex_present
    w.u8((tapscript === undefined ? 0 : 2) + (annexHash === undefined ? 0 : 1))
    if (anyoneCanPay) {
      const input = inputAt(transaction, index)
      writeOutPoint(w, input.prevout)
      writeOutput(w, present(spentOutputs[index], 'spent output'))
      w.u32(input.sequence)
    } else {
      w.u32(index)
    }
    if (annexHash !== undefined) w.bytes(annexHash)
    if (matchingHash !== undefined) w.bytes(matchingHash)
    // BIP342's extension: tapleaf_hash, key_version 0, codesep_pos
    if (tapscript !== undefined) w.bytes(tapscript.leafHash).u8(0).u32(tapscript.codeSeparator)
  }
  return useEncoded(writeMessage, (message) => taggedHash('TapSighash', message))
}

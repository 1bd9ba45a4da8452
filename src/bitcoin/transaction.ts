/**
 * Bitcoin transactions: the BIP144 serialisation, identifiers and BIP141 weight, byte for byte.
 * Decoding is strict (shortest CompactSize, no superfluous witness) and shares memory with its
 * input. Which transactions are allowed is not decided here.
 */

import {
  type ByteReader,
  type ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
  useEncoded,
} from '../primitives/codec.ts'
import {
  readTxid,
  reversedToBytes,
  type Txid,
  toTxid,
  txidFromBytes,
  type Wtxid,
  writeReversed,
  wtxidFromBytes,
} from '../primitives/hashes.ts'
import { sha256d } from '../primitives/sha256.ts'
import { decodeSats, type Sats } from '../primitives/units.ts'

export interface OutPoint {
  readonly txid: Txid
  readonly vout: number
}

export interface TxInput {
  readonly prevout: OutPoint
  readonly scriptSig: Uint8Array
  /** u32 */
  readonly sequence: number
  readonly witness: readonly Uint8Array[]
}

export interface TxOutput {
  readonly value: Sats
  readonly script: Uint8Array
}

export interface Transaction {
  /** u32: unsigned, as BIP68 compares it. */
  readonly version: number
  readonly inputs: readonly TxInput[]
  readonly outputs: readonly TxOutput[]
  /** u32 */
  readonly lockTime: number
}

export interface TransactionSizes {
  /** Without marker, flag and witnesses. */
  readonly strippedBytes: number
  readonly totalBytes: number
}

/** What a coinbase input spends. */
export const NULL_OUTPOINT: OutPoint = { txid: toTxid('00'.repeat(32)), vout: 0xffff_ffff }

/** No Bitcoin transaction is longer than a block of 4,000,000 weight units. */
const TRANSACTION_BYTES_MAX = 4_000_000
/** BIP144: where a transaction without witness has its count of inputs, which is never 0. */
const SEGWIT_MARKER = 0
const SEGWIT_FLAG = 1
/** Outpoint, empty script, sequence. */
const INPUT_BYTES_MIN = 36 + 1 + 4
/** Value, empty script. */
const OUTPUT_BYTES_MIN = 8 + 1
/** BIP141: a byte outside the witness weighs four units. */
const WITNESS_SCALE = 4

/** @throws DecodeError for anything but exactly one transaction. */
export function decodeTransaction(bytes: Uint8Array): Transaction {
  return decodeAll(bytes, readTransaction)
}

/**
 * A transaction at the reader's position. Its byte strings are views of the reader's input.
 * @throws DecodeError
 */
export function readTransaction(reader: ByteReader): Transaction {
  const start = reader.offset
  const version = reader.u32()
  let count = reader.compactSize(Math.floor(reader.remaining / INPUT_BYTES_MIN))
  // BIP144: the marker must be zero and the flag non-zero; only flag 1 has a meaning.
  const isExtended = count === SEGWIT_MARKER
  if (isExtended) {
    if (reader.u8() !== SEGWIT_FLAG) throw new DecodeError('unknown transaction flag')
    count = reader.compactSize(Math.floor(reader.remaining / INPUT_BYTES_MIN))
  }
  const bodyStart = reader.offset - compactSizeBytes(count)
  const bare: Omit<TxInput, 'witness'>[] = []
  for (let i = 0; i < count; i++) bare.push(readBareInput(reader))
  const outputs = reader.list(Math.floor(reader.remaining / OUTPUT_BYTES_MIN), readOutput)
  const bodyEnd = reader.offset
  const inputs = bare.map(({ prevout, scriptSig, sequence }) => {
    return { prevout, scriptSig, sequence, witness: isExtended ? readWitness(reader) : [] }
  })
  // BIP144: without any witness the old serialisation must be used.
  if (isExtended && inputs.every((input) => input.witness.length === 0)) {
    throw new DecodeError('superfluous witness')
  }
  const lockTime = reader.u32()
  if (reader.offset - start > TRANSACTION_BYTES_MAX) throw new DecodeError('transaction too long')
  const transaction = { version, inputs, outputs, lockTime }
  const bytes = reader.slice(start, reader.offset)
  const body = reader.slice(bodyStart, bodyEnd)
  derivedOf(transaction).encoding = { bytes, body }
  return transaction
}

function readBareInput(reader: ByteReader): Omit<TxInput, 'witness'> {
  return {
    prevout: readOutPoint(reader),
    scriptSig: reader.varBytes(TRANSACTION_BYTES_MAX),
    sequence: reader.u32(),
  }
}

function readOutput(reader: ByteReader): TxOutput {
  return { value: decodeSats(reader.u64()), script: reader.varBytes(TRANSACTION_BYTES_MAX) }
}

function readWitness(reader: ByteReader): Uint8Array[] {
  return reader.list(reader.remaining, (r) => r.varBytes(TRANSACTION_BYTES_MAX))
}

/** BIP144: with marker, flag and witnesses when any input has a witness. */
export function encodeTransaction(transaction: Transaction): Uint8Array {
  const encoding = derived.get(transaction)?.encoding
  if (encoding !== undefined) return encoding.bytes.slice()
  return encodeWith((writer) => writeTransaction(writer, transaction, hasWitness(transaction)))
}

/** The serialisation before BIP144, whose hash is the txid. */
export function encodeTransactionWithoutWitness(transaction: Transaction): Uint8Array {
  return encodeWith((writer) => writeWithoutWitness(writer, transaction))
}

function writeWithoutWitness(writer: ByteWriter, transaction: Transaction): void {
  const encoding = derived.get(transaction)?.encoding
  if (encoding === undefined) {
    writeTransaction(writer, transaction, false)
    return
  }
  // Version and lock time stand at the ends, with or without witness.
  writer.u32(transaction.version).bytes(encoding.body).u32(transaction.lockTime)
}

function hasWitness(transaction: Transaction): boolean {
  return transaction.inputs.some((input) => input.witness.length !== 0)
}

function writeTransaction(
  writer: ByteWriter,
  transaction: Transaction,
  withWitness: boolean,
): void {
  writer.u32(transaction.version)
  if (withWitness) writer.u8(SEGWIT_MARKER).u8(SEGWIT_FLAG)
  writer.list(transaction.inputs, (w, input) => {
    writeOutPoint(w, input.prevout)
    w.varBytes(input.scriptSig).u32(input.sequence)
  })
  writer.list(transaction.outputs, writeOutput)
  if (withWitness) {
    for (const input of transaction.inputs) {
      writer.list(input.witness, (w, item) => w.varBytes(item))
    }
  }
  writer.u32(transaction.lockTime)
}

/** Value as u64, then the script behind its length: also what signatures commit to. */
export function writeOutput(writer: ByteWriter, output: TxOutput): void {
  writer.u64(output.value).varBytes(output.script)
}

/** @throws DecodeError */
export function readOutPoint(reader: ByteReader): OutPoint {
  return { txid: readTxid(reader), vout: reader.u32() }
}

export function writeOutPoint(writer: ByteWriter, outPoint: OutPoint): void {
  writeReversed(writer, outPoint.txid)
  writer.u32(outPoint.vout)
}

/** 36 bytes: txid in the hash's own order, index as u32. */
export function encodeOutPoint(outPoint: OutPoint): Uint8Array {
  return encodeWith((writer) => writeOutPoint(writer, outPoint))
}

/** "txid:vout", a key for maps. */
export function outPointKey(outPoint: OutPoint): string {
  return `${outPoint.txid}:${outPoint.vout}`
}

function equalOutPoints(a: OutPoint, b: OutPoint): boolean {
  return a.vout === b.vout && a.txid === b.txid
}

/** True when the only input spends the null outpoint. */
export function isCoinbase(transaction: Transaction): boolean {
  const first = transaction.inputs[0]
  if (first === undefined || transaction.inputs.length !== 1) return false
  return equalOutPoints(first.prevout, NULL_OUTPOINT)
}

/** The bytes that a transaction was decoded from, views of the input. */
interface Encoding {
  /** All of it. */
  readonly bytes: Uint8Array
  /** From the count of inputs to the last output. */
  readonly body: Uint8Array
}

/** What follows from a transaction, computed once per object. */
interface Derived {
  encoding: Encoding | undefined
  txid: Txid | undefined
  wtxid: Wtxid | undefined
  sizes: TransactionSizes | undefined
}

const derived = new WeakMap<Transaction, Derived>()

function derivedOf(transaction: Transaction): Derived {
  let found = derived.get(transaction)
  if (found === undefined) {
    found = { encoding: undefined, txid: undefined, wtxid: undefined, sizes: undefined }
    derived.set(transaction, found)
  }
  return found
}

/** SHA256d without the witness. */
export function transactionId(transaction: Transaction): Txid {
  const known = derivedOf(transaction)
  known.txid ??= txidFromBytes(useEncoded((w) => writeWithoutWitness(w, transaction), sha256d))
  return known.txid
}

/** SHA256d with the witness. A coinbase's counts as zero in a block. */
export function witnessTransactionId(transaction: Transaction): Wtxid {
  const known = derivedOf(transaction)
  known.wtxid ??= wtxidFromBytes(hashWithWitness(transaction, known.encoding))
  return known.wtxid
}

/** The wtxid in SHA256d's output order, for Merkle trees, which have no use for it as text. 32 bytes. */
export function witnessHash(transaction: Transaction): Uint8Array {
  const { wtxid, encoding } = derivedOf(transaction)
  return wtxid === undefined ? hashWithWitness(transaction, encoding) : reversedToBytes(wtxid)
}

function hashWithWitness(transaction: Transaction, encoding: Encoding | undefined): Uint8Array {
  return sha256d(encoding?.bytes ?? encodeTransaction(transaction))
}

/** Bytes of both serialisations. */
export function transactionSizes(transaction: Transaction): TransactionSizes {
  const known = derivedOf(transaction)
  known.sizes ??=
    known.encoding === undefined ? measure(transaction) : measureEncoding(known.encoding)
  return known.sizes
}

/** Version and lock time stand outside the body. */
function measureEncoding({ bytes, body }: Encoding): TransactionSizes {
  return { strippedBytes: 4 + body.length + 4, totalBytes: bytes.length }
}

function measure(transaction: Transaction): TransactionSizes {
  const { inputs, outputs } = transaction
  let strippedBytes = 4 + compactSizeBytes(inputs.length) + compactSizeBytes(outputs.length) + 4
  for (const input of inputs) strippedBytes += 36 + varBytesSize(input.scriptSig) + 4
  for (const output of outputs) strippedBytes += 8 + varBytesSize(output.script)
  let totalBytes = strippedBytes
  if (hasWitness(transaction)) {
    totalBytes += 2
    for (const input of inputs) totalBytes += witnessBytes(input.witness)
  }
  return { strippedBytes, totalBytes }
}

/** Bytes of one input's witness as serialised, its count included. */
export function witnessBytes(witness: readonly Uint8Array[]): number {
  let bytes = compactSizeBytes(witness.length)
  for (const item of witness) bytes += varBytesSize(item)
  return bytes
}

function varBytesSize(bytes: Uint8Array): number {
  return compactSizeBytes(bytes.length) + bytes.length
}

function compactSizeBytes(value: number): number {
  if (value < 0xfd) return 1
  return value < 0x10000 ? 3 : 5
}

/** BIP141 weight units: three times the stripped size plus the total size. */
export function transactionWeight(transaction: Transaction): number {
  const { strippedBytes, totalBytes } = transactionSizes(transaction)
  return strippedBytes * (WITNESS_SCALE - 1) + totalBytes
}

/** BIP141 virtual bytes: a quarter of the weight, rounded up. */
export function transactionVsize(transaction: Transaction): number {
  return Math.ceil(transactionWeight(transaction) / WITNESS_SCALE)
}

/**
 * Proofs about the chain that need nothing but its genesis: what is the supply, does this coin exist?
 * A proof leads from the genesis validators to those of its block (`handover.ts`), from
 * their certificate to the header, through the coinbase to the extension,
 * and from the extension's state root to one record. It speaks of the state after that block, and of
 * no later one.
 *
 * Runs wherever JavaScript does: nothing here needs Node. Who builds proofs: `build-proof.ts`.
 * Leaves out transactions: Bitcoin's Merkle proofs do that.
 */

import {
  encodeOutPoint,
  type OutPoint,
  readOutPoint,
  type TxOutput,
  transactionId,
} from '../bitcoin/transaction.ts'
import { bitmapIndexes } from '../consensus/certificate.ts'
import { type ByteReader, DecodeError, decodeAll, encodeWith } from '../primitives/codec.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import {
  type BlockEvidence,
  checkBlockEvidence,
  readBlockEvidence,
  writeBlockEvidence,
} from './block-evidence.ts'
import { type Coin, decodeCoin } from './coin.ts'
import type { PegTotals } from './extension.ts'
import type { GenesisFacts } from './finality.ts'
import {
  followHandovers,
  type Handover,
  MAX_HANDOVERS,
  MAX_HANDOVERS_BYTES,
  readHandover,
  validatorsOfHeight,
  writeHandover,
} from './handover.ts'
import { NAMESPACE, outPointStateKey } from './state.ts'
import {
  readStateProof,
  type StateProof,
  verifyStateProof,
  writeStateProof,
} from './state-proof.ts'

export interface CoinEvidence {
  readonly outPoint: OutPoint
  /** The state's record; undefined where there is none. */
  readonly value: Uint8Array | undefined
  readonly proof: StateProof
}

export interface ChainProof {
  /** From the genesis validators to those of the block. */
  readonly handovers: readonly Handover[]
  readonly block: BlockEvidence
  readonly coin: CoinEvidence | undefined
}

/** What became of an output, as of the proved block. */
export type ProvedCoin =
  | { readonly kind: 'unspent'; readonly outPoint: OutPoint; readonly coin: Coin }
  /** Spent, or never made. */
  | { readonly kind: 'absent'; readonly outPoint: OutPoint }
  /** Paid by the proved block's own coinbase: it enters the state with the next block. */
  | { readonly kind: 'pending'; readonly outPoint: OutPoint; readonly output: TxOutput }

export interface ProvedFacts {
  readonly height: number
  readonly blockHash: BlockHash
  /** Of the block, milliseconds since the Unix epoch. */
  readonly timeMs: number
  /** The peg's books after the block, the supply among them. */
  readonly totals: PegTotals
  /** Indexes of the validators whose signatures were verified. */
  readonly signers: readonly number[]
  /** How many validators there were. */
  readonly validators: number
  readonly coin: ProvedCoin | undefined
}

const PROOF_VERSION = 1
/** A block's worth of coinbase, and the rest. Usually a proof has a few kilobytes. */
const PROOF_BYTES_MAX = 300_000 + MAX_HANDOVERS_BYTES
/** Above every coin: a script of at most 10,000 bytes, and some 20 more. */
const VALUE_BYTES_MAX = 11_000

export function encodeChainProof({ handovers, block, coin }: ChainProof): Uint8Array {
  return encodeWith((writer) => {
    writer.u8(PROOF_VERSION).list(handovers, writeHandover)
    writeBlockEvidence(writer, block)
    writer.bool(coin !== undefined)
    if (coin === undefined) return
    writer.bytes(encodeOutPoint(coin.outPoint)).bool(coin.value !== undefined)
    if (coin.value !== undefined) writer.varBytes(coin.value)
    writeStateProof(writer, coin.proof)
  })
}

/** @throws DecodeError */
export function decodeChainProof(bytes: Uint8Array): ChainProof {
  if (bytes.length > PROOF_BYTES_MAX) throw new DecodeError('proof too long')
  return decodeAll(bytes, (reader) => {
    if (reader.u8() !== PROOF_VERSION) throw new DecodeError('unknown proof version')
    const handovers = reader.list(MAX_HANDOVERS, readHandover)
    const block = readBlockEvidence(reader)
    return { handovers, block, coin: reader.bool() ? readCoinEvidence(reader) : undefined }
  })
}

function readCoinEvidence(reader: ByteReader): CoinEvidence {
  const outPoint = readOutPoint(reader)
  const value = reader.bool() ? reader.varBytes(VALUE_BYTES_MAX) : undefined
  return { outPoint, value, proof: readStateProof(reader) }
}

/**
 * What the bytes prove to somebody who trusts a quorum of the genesis validators, and
 * those whom they hand over to.
 * The caller compares outpoint and height with what was asked for.
 */
export function checkChainProof(
  facts: GenesisFacts,
  bytes: Uint8Array,
): Result<ProvedFacts, Rejection> {
  let proof: ChainProof
  try {
    proof = decodeChainProof(bytes)
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown
    return reject('proof-format', 'invalid', thrown.message)
  }
  const sets = followHandovers(facts, proof.handovers)
  if (!sets.ok) return sets
  const set = validatorsOfHeight(sets.value, proof.block.certificate.height)
  const final = checkBlockEvidence(facts.chainId, set, proof.block)
  if (!final.ok) return final
  const coin = proof.coin === undefined ? ok(undefined) : checkCoin(proof.block, proof.coin)
  if (!coin.ok) return coin
  const { extension, certificate } = proof.block
  return ok({
    height: extension.height,
    blockHash: final.value,
    timeMs: extension.timeMs,
    totals: extension.totals,
    signers: bitmapIndexes(certificate.bitmap),
    validators: set.keys.length,
    coin: coin.value,
  })
}

/** Extension → state root → record. */
function checkCoin(block: BlockEvidence, evidence: CoinEvidence): Result<ProvedCoin, Rejection> {
  const { outPoint, value, proof } = evidence
  const key = outPointStateKey(NAMESPACE.coin, outPoint)
  if (!verifyStateProof(block.extension.stateRoot, key, value, proof)) return reject('proof-state')
  if (value !== undefined) {
    try {
      return ok({ kind: 'unspent', outPoint, coin: decodeCoin(value) })
    } catch (thrown) {
      if (!(thrown instanceof DecodeError)) throw thrown
      return reject('proof-format', 'invalid', thrown.message)
    }
  }
  // The coinbase depends on the state root, so the state cannot contain its outputs yet.
  const output =
    outPoint.txid === transactionId(block.coinbase)
      ? block.coinbase.outputs[outPoint.vout]
      : undefined
  if (output === undefined || output.value === 0n) return ok({ kind: 'absent', outPoint })
  return ok({ kind: 'pending', outPoint, output })
}

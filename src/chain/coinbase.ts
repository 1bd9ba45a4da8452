/**
 * The coinbase: pays exactly the block's fees and carries two commitments, BIP141's to the witnesses
 * and ours to the extension. BIP34 height; BIP54 lock time and sequence.
 */

import { witnessRootBeyondCoinbase } from '../bitcoin/merkle.ts'
import { outputKind } from '../bitcoin/script.ts'
import {
  isCoinbase,
  NULL_OUTPOINT,
  type Transaction,
  type TxOutput,
} from '../bitcoin/transaction.ts'
import { concatBytes, equalBytes, hexToBytes } from '../primitives/bytes.ts'
import { type Hash32, hashToBytes, reversedToBytes } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { sha256d } from '../primitives/sha256.ts'
import { type Sats, sats } from '../primitives/units.ts'

/** `OP_RETURN <35 bytes> ca5e20` before the extension hash. */
const EXTENSION_PREFIX = hexToBytes('6a23ca5e20')
/** BIP141: `OP_RETURN <36 bytes> aa21a9ed` before the witness commitment. */
const WITNESS_PREFIX = hexToBytes('6a24aa21a9ed')
const COINBASE_SEQUENCE = 0xffff_fffe
/** BIP141's reserved value. */
const WITNESS_RESERVED = new Uint8Array(32)

export interface CoinbaseContent {
  readonly height: number
  readonly fees: Sats
  /** Who gets the fees; needs no output when there are none. */
  readonly payoutScript: Uint8Array
  readonly extensionHash: Hash32
  /** The block's other transactions, in order. */
  readonly others: readonly Transaction[]
}

export function buildCoinbase(content: CoinbaseContent): Transaction {
  const payout = content.fees === 0n ? [] : [{ value: content.fees, script: content.payoutScript }]
  return {
    version: 2,
    inputs: [
      {
        prevout: NULL_OUTPOINT,
        scriptSig: heightScript(content.height),
        sequence: COINBASE_SEQUENCE,
        witness: [WITNESS_RESERVED],
      },
    ],
    outputs: [
      ...payout,
      commitment(WITNESS_PREFIX, witnessCommitment(content.others)),
      commitment(EXTENSION_PREFIX, hashToBytes(content.extensionHash)),
    ],
    lockTime: content.height - 1,
  }
}

function commitment(prefix: Uint8Array, hash: Uint8Array): TxOutput {
  return { value: sats(0), script: concatBytes(prefix, hash) }
}

/** BIP34: the height as a script number, padded to the coinbase's minimum of two bytes. */
export function heightScript(height: number): Uint8Array {
  if (height <= 16) return Uint8Array.of(0x50 + height, 0x00)
  const bytes: number[] = []
  for (let rest = height; rest > 0; rest = Math.floor(rest / 256)) bytes.push(rest % 256)
  if ((bytes.at(-1) ?? 0) >= 0x80) bytes.push(0)
  return Uint8Array.of(bytes.length, ...bytes)
}

/** BIP141: SHA256d(witness Merkle root ‖ reserved value), the coinbase's own wtxid being zero. */
function witnessCommitment(others: readonly Transaction[]): Uint8Array {
  const root = witnessRootBeyondCoinbase(others)
  return sha256d(concatBytes(reversedToBytes(root), WITNESS_RESERVED))
}

/** Everything about the coinbase but the amount. */
export function checkCoinbase(
  transactions: readonly Transaction[],
  height: number,
  extensionHash: Hash32,
): Result<void, Rejection> {
  const [coinbase, ...others] = transactions
  if (coinbase === undefined || !isCoinbase(coinbase)) return reject('bad-cb-missing')
  if (others.some(isCoinbase)) return reject('bad-cb-multiple')
  const form = checkForm(coinbase, height)
  if (!form.ok) return form

  // The two commitments are the last outputs, in this order; what stands before them pays fees.
  const witness = commitment(WITNESS_PREFIX, witnessCommitment(others))
  const extension = commitment(EXTENSION_PREFIX, hashToBytes(extensionHash))
  const tail = coinbase.outputs.slice(-2)
  if (!isSameOutput(tail[0], witness)) return reject('bad-witness-merkle-match')
  if (!isSameOutput(tail[1], extension)) return reject('bad-extension-commitment')
  return coinbase.outputs.slice(0, -2).every(isPayout) ? ok(undefined) : reject('bad-cb-output')
}

/** Does this hash stand where a coinbase commits to its block's extension? */
export function commitsToExtension(coinbase: Transaction, hash: Hash32): boolean {
  return isSameOutput(coinbase.outputs.at(-1), commitment(EXTENSION_PREFIX, hashToBytes(hash)))
}

/** Everything that is the same in every coinbase of this height. */
function checkForm(coinbase: Transaction, height: number): Result<void, Rejection> {
  const input = coinbase.inputs[0]
  if (input === undefined) return reject('bad-cb-missing')
  if (!equalBytes(input.scriptSig, heightScript(height))) return reject('bad-cb-height')
  if (coinbase.lockTime !== height - 1) return reject('bad-cb-locktime')
  if (input.sequence !== COINBASE_SEQUENCE) return reject('bad-cb-sequence')
  if (coinbase.version !== 2) return reject('bad-cb-version')
  const reserved = input.witness[0]
  if (input.witness.length !== 1 || reserved === undefined) return reject('bad-witness-nonce-size')
  return equalBytes(reserved, WITNESS_RESERVED) ? ok(undefined) : reject('bad-witness-nonce-size')
}

function isPayout(output: TxOutput): boolean {
  const kind = outputKind(output.script)
  return output.value > 0n && (kind === 'p2wpkh' || kind === 'p2wsh' || kind === 'p2tr')
}

function isSameOutput(output: TxOutput | undefined, expected: TxOutput): boolean {
  return output !== undefined && output.value === 0n && equalBytes(output.script, expected.script)
}

/** Sum of what the coinbase pays. */
export function coinbaseValue(coinbase: Transaction): bigint {
  let total = 0n
  for (const output of coinbase.outputs) total += output.value
  return total
}

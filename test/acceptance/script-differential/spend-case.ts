/** A spend to be judged twice, by bitcoind and by this engine: one output, and what spends it. */

import * as tiny from 'tiny-secp256k1'
import { p2trScript, p2wshScript } from '../../../src/bitcoin/script.ts'
import { taprootSighash, witnessV0Sighash } from '../../../src/bitcoin/sighash.ts'
import {
  controlBlock,
  TAPSCRIPT_LEAF_VERSION,
  tapBranchHash,
  tapLeafHash,
  taprootOutputKey,
} from '../../../src/bitcoin/taproot.ts'
import type { OutPoint, Transaction, TxInput, TxOutput } from '../../../src/bitcoin/transaction.ts'
import { present } from '../../../src/primitives/assert.ts'
import { concatBytes, hexToBytes } from '../../../src/primitives/bytes.ts'
import { encodeWith } from '../../../src/primitives/codec.ts'
import { sha256 } from '../../../src/primitives/sha256.ts'
import { sats } from '../../../src/primitives/units.ts'

/** What the spending transaction looks like beside the witness; by default 2, ffffffff, 0, first. */
export interface SpendShape {
  readonly version?: number
  readonly sequence?: number
  readonly lockTime?: number
  /** The spend is the second of two inputs, and there is one output. */
  readonly isSecond?: boolean
}

export interface SpendCase {
  readonly name: string
  /** The script of the output that is spent. */
  readonly output: Uint8Array
  readonly witness: (signer: SpendSigner) => readonly Uint8Array[]
  readonly shape?: SpendShape
}

/** A coin on the chain, with one that anybody may spend beside it. */
export interface FundedCase {
  readonly spend: SpendCase
  readonly coin: OutPoint
  readonly companion: OutPoint
}

/** A witness item, or how to make it once the transaction is known. */
export type StackItem = Uint8Array | ((signer: SpendSigner) => Uint8Array)

export const COIN_VALUE = sats(20_000)
/** BIP341's point with an unknown secret. */
const INTERNAL_KEY = hexToBytes('50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0')
/** P2WSH of the script OP_1. */
export const COMPANION_SCRIPT = p2wshScript(sha256(Uint8Array.of(0x51)))
export const COMPANION_WITNESS: readonly Uint8Array[] = [Uint8Array.of(0x51)]

export function secretOf(key: number): Uint8Array {
  return new Uint8Array(32).fill(key + 1)
}

/** 33 bytes. */
export function compressedKey(key: number): Uint8Array {
  return present(tiny.pointFromScalar(secretOf(key), true) ?? undefined, 'public key')
}

/** 65 bytes behind 04. */
export function uncompressedKey(key: number): Uint8Array {
  return present(tiny.pointFromScalar(secretOf(key), false) ?? undefined, 'public key')
}

/** 32 bytes. */
export function xOnlyKey(key: number): Uint8Array {
  return tiny.xOnlyPointFromScalar(secretOf(key))
}

/** Signs for one input of one transaction. */
export class SpendSigner {
  readonly #transaction: Transaction
  readonly #spent: readonly TxOutput[]
  readonly #index: number

  constructor(transaction: Transaction, spent: readonly TxOutput[], index: number) {
    this.#transaction = transaction
    this.#spent = spent
    this.#index = index
  }

  /** Strict DER and hash type byte, low S, over BIP143's hash with this script code. */
  ecdsa(key: number, scriptCode: Uint8Array, hashType = 1): Uint8Array {
    const value = present(this.#spent[this.#index], 'spent output').value
    const hash = witnessV0Sighash(this.#transaction, this.#index, scriptCode, value, hashType)
    return encodeDer(tiny.sign(hash, secretOf(key)), hashType)
  }

  /** 64 bytes, or 65 when the hash type is not 0. `leaf` is left out for the key path. */
  schnorr(key: number, hashType = 0, leaf?: SignedLeaf, secret = secretOf(key)): Uint8Array {
    // A hash type without meaning has no hash: the signature is then over something else.
    const meant = this.#taprootHash(hashType, leaf) ?? this.#taprootHash(0, leaf)
    const hash = present(meant, 'taproot hash')
    const signature = tiny.signSchnorr(hash, secret, new Uint8Array(32))
    return hashType === 0 ? signature : concatBytes(signature, Uint8Array.of(hashType))
  }

  #taprootHash(hashType: number, leaf: SignedLeaf | undefined): Uint8Array | undefined {
    const { script, codeSeparator = 0xffff_ffff, annex } = leaf ?? {}
    return taprootSighash(this.#transaction, this.#index, this.#spent, hashType, {
      ...(script === undefined
        ? {}
        : { tapscript: { leafHash: tapLeafHash(script), codeSeparator } }),
      ...(annex === undefined ? {} : { annexHash: sha256(encodeWith((w) => w.varBytes(annex))) }),
    })
  }
}

export interface SignedLeaf {
  readonly script?: Uint8Array
  /** Index of the opcode; by default none. */
  readonly codeSeparator?: number
  readonly annex?: Uint8Array
}

/** BIP66 from r ‖ s. */
export function encodeDer(compact: Uint8Array, hashType: number): Uint8Array {
  const integers = [compact.subarray(0, 32), compact.subarray(32)].map((scalar) => {
    const start = Math.max(
      0,
      scalar.findIndex((byte) => byte !== 0),
    )
    const digits = scalar.subarray(start)
    const padding = (digits[0] ?? 0) >= 0x80 ? [0] : []
    return concatBytes(Uint8Array.of(2, digits.length + padding.length, ...padding), digits)
  })
  const body = concatBytes(...integers)
  return concatBytes(Uint8Array.of(0x30, body.length), body, Uint8Array.of(hashType))
}

function signed(items: readonly StackItem[], signer: SpendSigner): Uint8Array[] {
  return items.map((item) => (typeof item === 'function' ? item(signer) : item))
}

/** A P2WSH output with this script; `items` bottom first. */
export function scriptHashCase(
  name: string,
  script: Uint8Array,
  items: readonly StackItem[] = [],
  shape: SpendShape = {},
): SpendCase {
  return {
    name: `P2WSH: ${name}`,
    output: p2wshScript(sha256(script)),
    witness: (signer) => [...signed(items, signer), script],
    shape,
  }
}

export interface LeafOptions {
  readonly leafVersion?: number
  /** Nodes from the leaf up. */
  readonly path?: readonly Uint8Array[]
  /** Changes the control block that is shown. */
  readonly control?: (block: Uint8Array) => Uint8Array
  readonly annex?: Uint8Array
}

/** A P2TR output with this script as its leaf. */
export function leafCase(
  name: string,
  script: Uint8Array,
  items: readonly StackItem[] = [],
  shape: SpendShape = {},
  options: LeafOptions = {},
): SpendCase {
  const { leafVersion = TAPSCRIPT_LEAF_VERSION, path = [], control = (block) => block } = options
  const root = path.reduce(tapBranchHash, tapLeafHash(script, leafVersion))
  const output = present(taprootOutputKey(INTERNAL_KEY, root), 'output key')
  const block = control(controlBlock(INTERNAL_KEY, output.parity, path, leafVersion))
  const annex = options.annex === undefined ? [] : [options.annex]
  return {
    name: `tapscript: ${name}`,
    output: p2trScript(output.key),
    witness: (signer) => [...signed(items, signer), script, block, ...annex],
    shape,
  }
}

export interface BuiltSpend {
  readonly transaction: Transaction
  readonly spent: readonly TxOutput[]
  readonly index: number
}

/** The transaction that spends a funded case, signed. */
export function buildSpend({ spend, coin, companion }: FundedCase): BuiltSpend {
  const { version = 2, sequence = 0xffff_ffff, lockTime = 0, isSecond = false } = spend.shape ?? {}
  const tested: TxInput = { prevout: coin, scriptSig: new Uint8Array(), sequence, witness: [] }
  const beside: TxInput = {
    prevout: companion,
    scriptSig: new Uint8Array(),
    sequence: 0xffff_ffff,
    witness: COMPANION_WITNESS,
  }
  const output = { value: COIN_VALUE, script: spend.output }
  const other = { value: COIN_VALUE, script: COMPANION_SCRIPT }
  const spent = isSecond ? [other, output] : [output]
  const index = isSecond ? 1 : 0
  const inputs = isSecond ? [beside, tested] : [tested]
  const outputs = [{ value: sats(1_000), script: COMPANION_SCRIPT }]
  const unsigned: Transaction = { version, inputs, outputs, lockTime }
  const witness = spend.witness(new SpendSigner(unsigned, spent, index))
  const finished = inputs.map((input, i) => (i === index ? { ...input, witness } : input))
  return { transaction: { ...unsigned, inputs: finished }, spent, index }
}

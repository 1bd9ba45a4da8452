/**
 * What a hostile block is filled with: spends made to cost a validator as much as the rules let them,
 * for each unit of weight. Fillers are data; `hostile-blocks.ts` makes blocks of them.
 */

import { minimalPush, p2trScript, p2wpkhScript, p2wshScript } from '../../src/bitcoin/script.ts'
import { SighashType, taprootSighash, witnessV0Sighash } from '../../src/bitcoin/sighash.ts'
import { countSigops } from '../../src/bitcoin/sigops.ts'
import {
  controlBlock,
  tapBranchHash,
  tapLeafHash,
  taprootOutputKey,
} from '../../src/bitcoin/taproot.ts'
import {
  type OutPoint,
  type Transaction,
  type TxInput,
  type TxOutput,
  witnessBytes,
} from '../../src/bitcoin/transaction.ts'
import type { L1Section } from '../../src/chain/l1-section.ts'
import { present } from '../../src/primitives/assert.ts'
import { concatBytes, utf8 } from '../../src/primitives/bytes.ts'
import { txidFromBytes } from '../../src/primitives/hashes.ts'
import { hash160, sha256 } from '../../src/primitives/sha256.ts'
import { type Sats, sats } from '../../src/primitives/units.ts'
import { compressedKeyFast, signEcdsaFast, signSchnorrFast, xOnlyKeyFast } from './fast-signer.ts'

export interface Filler {
  readonly name: string
  /** Transactions of about this weight together (a little less, or what else limits them), and what they spend. */
  make(limits: FillLimits): FillerContent
}

export interface FillLimits {
  readonly weight: number
  readonly sigops: number
}

export interface FillerContent {
  readonly coins: readonly FillerCoin[]
  readonly transactions: readonly Transaction[]
  readonly l1Section?: L1Section
  /** What the coinbase pays instead of one output with all the fees. */
  readonly payouts?: readonly TxOutput[]
}

export interface FillerCoin {
  readonly outPoint: OutPoint
  readonly output: TxOutput
}

export interface SpendToSign {
  readonly transaction: Transaction
  readonly index: number
  readonly spentOutputs: readonly TxOutput[]
}

/** How one input spends what. */
export interface InputRecipe {
  readonly script: Uint8Array
  /** As long as the witness, or a little longer. */
  readonly unsignedWitness: readonly Uint8Array[]
  /** Absent when that is the witness. */
  readonly sign?: (spend: SpendToSign) => readonly Uint8Array[]
}

export const SECRET: Uint8Array = sha256(utf8('hostile'))
/** 33 bytes. */
export const COMPRESSED_KEY: Uint8Array = compressedKeyFast(SECRET)
/** 32 bytes. */
export const X_ONLY_KEY: Uint8Array = xOnlyKeyFast(SECRET)

const COIN_SATS = 1_000n
const SEQUENCE = 0xffff_fffd
/** Outpoint, empty script, sequence; times four. */
const INPUT_WEIGHT = 41 * 4
/** An output that costs nothing and makes nothing: `OP_RETURN`. */
export const NOTHING: TxOutput = { value: sats(0), script: Uint8Array.of(0x6a) }

let coinCount = 0

/** A coin of its own. */
export function coinOf(script: Uint8Array, value: Sats = sats(COIN_SATS)): FillerCoin {
  const txid = txidFromBytes(sha256(utf8(`hostile coin ${(coinCount += 1)}`)))
  return { outPoint: { txid, vout: 0 }, output: { value, script } }
}

export function inputOf(coin: FillerCoin, witness: readonly Uint8Array[] = []): TxInput {
  return { prevout: coin.outPoint, scriptSig: new Uint8Array(), sequence: SEQUENCE, witness }
}

/** One transaction with as many inputs of the recipes as the limits let it have. */
export function oneTransaction(
  recipes: Iterable<InputRecipe>,
  limits: FillLimits,
  outputs: readonly TxOutput[] = [NOTHING],
): FillerContent {
  // Version, marker, flag, counts of five bytes at most, lock time.
  let weight = (4 + 5 + 5 + 4) * 4 + 2
  for (const { script } of outputs) weight += (8 + 5 + script.length) * 4
  let sigops = 0
  const chosen: InputRecipe[] = []
  const coins: FillerCoin[] = []
  for (const recipe of recipes) {
    const coin = coinOf(recipe.script)
    const alone = {
      version: 2,
      inputs: [inputOf(coin, recipe.unsignedWitness)],
      outputs,
      lockTime: 0,
    }
    weight += INPUT_WEIGHT + witnessBytes(recipe.unsignedWitness)
    sigops += countSigops(alone, [coin.output])
    if (weight > limits.weight || sigops > limits.sigops) break
    chosen.push(recipe)
    coins.push(coin)
  }
  return { coins, transactions: [signAll(chosen, coins, outputs)] }
}

function signAll(
  recipes: readonly InputRecipe[],
  coins: readonly FillerCoin[],
  outputs: readonly TxOutput[],
): Transaction {
  const unsigned: Transaction = {
    version: 2,
    inputs: coins.map((coin) => inputOf(coin)),
    outputs,
    lockTime: 0,
  }
  const spentOutputs = coins.map(({ output }) => output)
  const inputs = unsigned.inputs.map((input, index) => {
    const { unsignedWitness, sign } = present(recipes[index], 'recipe')
    const witness = sign?.({ transaction: unsigned, index, spentOutputs }) ?? unsignedWitness
    return { ...input, witness }
  })
  return { ...unsigned, inputs }
}

/** The same over and over. */
export function* forever<T>(value: T): Iterable<T> {
  for (;;) yield value
}

/** A script: numbers are opcodes, bytes are pushed. */
export function scriptOf(...parts: readonly (number | Uint8Array)[]): Uint8Array {
  return concatBytes(
    ...parts.map((part) => (typeof part === 'number' ? Uint8Array.of(part) : minimalPush(part))),
  )
}

/** `count` times the same bytes. */
export function repeated(bytes: Uint8Array, count: number): Uint8Array {
  const all = new Uint8Array(bytes.length * count)
  for (let index = 0; index < count; index++) all.set(bytes, index * bytes.length)
  return all
}

// --- recipes --------------------------------------------------------------------------------

export const DER_BYTES_MAX = 72
const SCHNORR_BYTES = 64

/** BIP143 signature with its hash type. */
export function ecdsaFor(
  { transaction, index, spentOutputs }: SpendToSign,
  scriptCode: Uint8Array,
  hashType: number = SighashType.ALL,
): Uint8Array {
  const { value } = present(spentOutputs[index], 'spent output')
  const hash = witnessV0Sighash(transaction, index, scriptCode, value, hashType)
  return concatBytes(signEcdsaFast(hash, SECRET), Uint8Array.of(hashType))
}

/** BIP341 signature; for a leaf when one is given. */
export function schnorrFor(
  { transaction, index, spentOutputs }: SpendToSign,
  leaf?: Uint8Array,
  hashType: number = SighashType.DEFAULT,
): Uint8Array {
  const options =
    leaf === undefined
      ? {}
      : { tapscript: { leafHash: tapLeafHash(leaf), codeSeparator: 0xffff_ffff } }
  const hash = taprootSighash(transaction, index, spentOutputs, hashType, options)
  const signature = signSchnorrFast(present(hash, 'signature hash'), SECRET)
  return hashType === SighashType.DEFAULT
    ? signature
    : concatBytes(signature, Uint8Array.of(hashType))
}

export const KEY_PATH: InputRecipe = {
  script: p2trScript(X_ONLY_KEY),
  unsignedWitness: [new Uint8Array(SCHNORR_BYTES)],
  sign: (spend) => [schnorrFor(spend)],
}

export const KEY_HASH: InputRecipe = {
  script: p2wpkhScript(hash160(COMPRESSED_KEY)),
  unsignedWitness: [new Uint8Array(DER_BYTES_MAX), COMPRESSED_KEY],
  sign(spend) {
    const code = concatBytes(
      Uint8Array.of(0x76, 0xa9, 20),
      hash160(COMPRESSED_KEY),
      Uint8Array.of(0x88, 0xac),
    )
    return [ecdsaFor(spend, code), COMPRESSED_KEY]
  },
}

/** P2WSH with the items that the script finds. */
export function scriptHash(
  script: Uint8Array,
  items: readonly Uint8Array[],
  sign?: (spend: SpendToSign) => readonly Uint8Array[],
): InputRecipe {
  return {
    script: p2wshScript(sha256(script)),
    unsignedWitness: [...items, script],
    ...(sign === undefined ? {} : { sign: (spend) => [...sign(spend), script] }),
  }
}

/** A taproot script path, `depth` branches deep. */
export function tapscript(
  leaf: Uint8Array,
  items: readonly Uint8Array[],
  options: {
    readonly depth?: number
    readonly sign?: (spend: SpendToSign) => readonly Uint8Array[]
  } = {},
): InputRecipe {
  const { depth = 0, sign } = options
  const path = Array.from({ length: depth }, (_, level) => sha256(utf8(`branch ${level}`)))
  let root = tapLeafHash(leaf)
  for (const sibling of path) root = tapBranchHash(root, sibling)
  const output = present(taprootOutputKey(X_ONLY_KEY, root), 'output key')
  const tail = [leaf, controlBlock(X_ONLY_KEY, output.parity, path)]
  return {
    script: p2trScript(output.key),
    unsignedWitness: [...items, ...tail],
    ...(sign === undefined ? {} : { sign: (spend) => [...sign(spend), ...tail] }),
  }
}

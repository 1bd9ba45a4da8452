/**
 * Hostile fillers that ask for curve checks, and for hashing what signatures sign. The densest scripts
 * reuse one signature: to a validator every check is new.
 */

import { Opcode } from '../../src/bitcoin/opcodes.ts'
import { SighashType } from '../../src/bitcoin/sighash.ts'
import { witnessBytes } from '../../src/bitcoin/transaction.ts'
import { concatBytes, utf8 } from '../../src/primitives/bytes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { compressedKeyFast } from './fast-signer.ts'
import {
  COMPRESSED_KEY,
  DER_BYTES_MAX,
  ecdsaFor,
  type Filler,
  type FillLimits,
  forever,
  type InputRecipe,
  KEY_HASH,
  KEY_PATH,
  oneTransaction,
  repeated,
  schnorrFor,
  scriptHash,
  scriptOf,
  tapscript,
  X_ONLY_KEY,
} from './hostile-filler.ts'

const { OP_0, OP_1, OP_2DUP, OP_2OVER, OP_3DUP, OP_CHECKMULTISIG, OP_CHECKMULTISIGVERIFY } = Opcode
const { OP_CHECKSIG, OP_CHECKSIGADD, OP_CHECKSIGVERIFY, OP_CODESEPARATOR, OP_DROP } = Opcode
const { OP_2DROP, OP_DUP, OP_ENDIF, OP_HASH160, OP_IF, OP_NIP, OP_OVER, OP_SWAP } = Opcode

const ELEMENT = new Uint8Array(520).fill(0xcc)
const SIGNATURE_PLACEHOLDER = new Uint8Array(DER_BYTES_MAX)
/** BIP342: weight units of witness for one check. */
const WEIGHT_PER_CHECK = 50
const MULTISIG_KEYS = 20

/** 100 checks by 200 of the 201 operations that a v0 script may have. */
export function denseChecks(): InputRecipe {
  const script = concatBytes(repeated(CHECK_ONE, 100), Uint8Array.of(OP_CHECKSIG))
  return scriptHash(script, [SIGNATURE_PLACEHOLDER, COMPRESSED_KEY], (spend) => [
    ecdsaFor(spend, script),
    COMPRESSED_KEY,
  ])
}

/**
 * BIP143 hashes the whole script for each check whose hash type is another than the last one's, so two
 * signatures take turns over a script that pushes which never run make long.
 */
function longScript(scriptBytes: number): InputRecipe {
  const turns = Uint8Array.of(OP_2DUP, OP_CHECKSIGVERIFY, OP_2OVER, OP_CHECKSIGVERIFY)
  const checks = concatBytes(repeated(turns, 49), Uint8Array.of(OP_CHECKSIGVERIFY, OP_CHECKSIG))
  const push = scriptOf(ELEMENT)
  const pushes = Math.max(0, Math.floor((scriptBytes - checks.length - 3) / push.length))
  const script = concatBytes(
    Uint8Array.of(OP_0, OP_IF),
    repeated(push, pushes),
    Uint8Array.of(OP_ENDIF),
    checks,
  )
  const key = COMPRESSED_KEY
  const items = [SIGNATURE_PLACEHOLDER, key, SIGNATURE_PLACEHOLDER, key]
  return scriptHash(script, items, (spend) => [
    ecdsaFor(spend, script, SighashType.ALL | SighashType.ANYONECANPAY),
    key,
    ecdsaFor(spend, script),
    key,
  ])
}

/** Checks the two items on top and keeps them. */
const CHECK_ONE = Uint8Array.of(OP_2DUP, OP_CHECKSIGVERIFY)

/** `1 → 20` copies of the top item by eight operations. */
const COPY_20 = Uint8Array.of(OP_DUP, OP_2DUP, OP_3DUP, OP_3DUP, OP_3DUP, OP_3DUP, OP_3DUP, OP_DUP)

/** Five multisignatures of 20 keys each, all of one signature and one key: 100 checks. */
function everyKey(): InputRecipe {
  const twenty = scriptOf(Uint8Array.of(MULTISIG_KEYS))
  const core = (keep: Uint8Array, check: number): Uint8Array =>
    concatBytes(
      keep,
      Uint8Array.of(OP_0, OP_SWAP),
      COPY_20,
      twenty,
      scriptOf(COMPRESSED_KEY),
      COPY_20,
      twenty,
      Uint8Array.of(check),
    )
  const script = concatBytes(
    repeated(core(Uint8Array.of(OP_DUP), OP_CHECKMULTISIGVERIFY), 4),
    core(new Uint8Array(), OP_CHECKMULTISIG),
  )
  return scriptHash(script, [SIGNATURE_PLACEHOLDER], (spend) => [ecdsaFor(spend, script)])
}

/** 1 of 20, where the key that fits is the last one tried: 19 checks fail. */
function lastKey(): InputRecipe {
  const other = compressedKeyFast(sha256(utf8('another')))
  const nineteen = COPY_20.subarray(0, -1)
  const core = (keep: Uint8Array, check: number): Uint8Array =>
    concatBytes(
      keep,
      Uint8Array.of(OP_0, OP_SWAP, OP_1),
      scriptOf(COMPRESSED_KEY, other),
      nineteen,
      scriptOf(Uint8Array.of(MULTISIG_KEYS)),
      Uint8Array.of(check),
    )
  const script = concatBytes(
    repeated(core(Uint8Array.of(OP_DUP), OP_CHECKMULTISIGVERIFY), 5),
    core(new Uint8Array(), OP_CHECKMULTISIG),
  )
  return scriptHash(script, [SIGNATURE_PLACEHOLDER], (spend) => [ecdsaFor(spend, script)])
}

/** A leaf of `scriptBytes` that drops what it pushes. */
function padding(scriptBytes: number): Uint8Array {
  const push = concatBytes(scriptOf(ELEMENT), Uint8Array.of(OP_DROP))
  return repeated(push, Math.max(0, Math.floor(scriptBytes / push.length)))
}

/** Everything but the leaf: the input itself, signature, key, control block, and their lengths. */
const TAPSCRIPT_INPUT_WEIGHT = 41 * 4 + 64 + 1 + 33 + 34 + 20

/** One leaf whose checks use up BIP342's budget, which the leaf's own length gives. */
function atBudget(limits: FillLimits, otherWeight = 0): InputRecipe {
  const leafBytes = limits.weight - otherWeight - TAPSCRIPT_INPUT_WEIGHT - 200
  const checks = Math.min(limits.sigops - 1, Math.floor(leafBytes / WEIGHT_PER_CHECK))
  const body = concatBytes(repeated(CHECK_ONE, checks - 1), Uint8Array.of(OP_CHECKSIG))
  const leaf = concatBytes(padding(leafBytes - body.length), body)
  const items = [new Uint8Array(64), X_ONLY_KEY]
  const sign: NonNullable<InputRecipe['sign']> = (spend) => [schnorrFor(spend, leaf), X_ONLY_KEY]
  const made = tapscript(leaf, items, { sign })
  // Padding comes in steps of a push: what is missing from the budget goes from the checks.
  const paid = Math.floor((witnessBytes(made.unsignedWitness) + 50) / WEIGHT_PER_CHECK)
  return paid >= checks ? made : atBudget({ ...limits, sigops: paid + 1 }, otherWeight)
}

/** Bytes of a leaf for which the hash budget grows by one short hash. */
const BYTES_PER_HASH = 6

/** As above with hashes for padding, and a last check of another signature: good, or one bit off. */
export function checksAndHashes(limits: FillLimits, isLastGood: boolean): InputRecipe {
  const leafBytes = limits.weight - TAPSCRIPT_INPUT_WEIGHT - 400
  const hashes = Math.floor(leafBytes / BYTES_PER_HASH)
  const checks = Math.min(limits.sigops - 1, Math.floor(leafBytes / WEIGHT_PER_CHECK) - 12)
  const body = concatBytes(
    Uint8Array.of(OP_1),
    repeated(Uint8Array.of(OP_HASH160), hashes),
    Uint8Array.of(OP_DROP),
    repeated(CHECK_ONE, checks - 1),
    Uint8Array.of(OP_2DROP, OP_CHECKSIG),
  )
  const leaf = concatBytes(padding(leafBytes - body.length), body)
  const key = X_ONLY_KEY
  return tapscript(leaf, [new Uint8Array(64), key, new Uint8Array(64), key], {
    sign(spend) {
      const good = schnorrFor(spend, leaf)
      const last = good.map((byte, at) => (at === 40 && !isLastGood ? byte ^ 1 : byte))
      return [last, key, good, key]
    },
  })
}

function addingChecks(limits: FillLimits): InputRecipe {
  const step = concatBytes(
    Uint8Array.of(OP_OVER, OP_SWAP),
    scriptOf(X_ONLY_KEY),
    Uint8Array.of(OP_CHECKSIGADD),
  )
  const leafBytes = limits.weight - TAPSCRIPT_INPUT_WEIGHT - 200
  const checks = Math.min(limits.sigops - 1, Math.floor(leafBytes / WEIGHT_PER_CHECK) - 10)
  const body = concatBytes(Uint8Array.of(OP_0), repeated(step, checks), Uint8Array.of(OP_NIP))
  const leaf = concatBytes(padding(leafBytes - body.length), body)
  return tapscript(leaf, [new Uint8Array(64)], { sign: (spend) => [schnorrFor(spend, leaf)] })
}

/** SIGHASH_SINGLE signs the hash of one output: half of the block is that output, half the checks. */
const singleOutput: Filler = {
  name: 'tapscript CHECKSIG, SINGLE over a huge output',
  make(limits) {
    const outputBytes = Math.floor(limits.weight / 8)
    const output = { value: sats(0), script: new Uint8Array(outputBytes).fill(0x6a) }
    const otherWeight = (outputBytes + 13) * 4
    const hashType = SighashType.SINGLE | SighashType.ANYONECANPAY
    const recipe = atBudget(limits, otherWeight)
    const leaf = recipe.unsignedWitness.at(-2)
    const tail = recipe.unsignedWitness.slice(-2)
    const signed: InputRecipe = {
      ...recipe,
      unsignedWitness: [new Uint8Array(65), ...recipe.unsignedWitness.slice(1)],
      sign: (spend) => [schnorrFor(spend, leaf, hashType), X_ONLY_KEY, ...tail],
    }
    return oneTransaction([signed], limits, [output])
  },
}

/** BIP143's counterpart: two hash types in turn, each over an output of its own input. */
const singleOutputV0: Filler = {
  name: 'P2WSH CHECKSIG, SINGLE over huge outputs',
  make(limits) {
    const inputs = 200
    const bytes = Math.floor((limits.weight / inputs - 700) / 4) - 13
    const output = { value: sats(0), script: new Uint8Array(Math.max(1, bytes)).fill(0x6a) }
    const turns = Uint8Array.of(OP_2DUP, OP_CHECKSIGVERIFY, OP_2OVER, OP_CHECKSIGVERIFY)
    const script = concatBytes(repeated(turns, 49), Uint8Array.of(OP_CHECKSIGVERIFY, OP_CHECKSIG))
    const key = COMPRESSED_KEY
    const items = [SIGNATURE_PLACEHOLDER, key, SIGNATURE_PLACEHOLDER, key]
    const recipe = scriptHash(script, items, (spend) => [
      ecdsaFor(spend, script, SighashType.SINGLE | SighashType.ANYONECANPAY),
      key,
      ecdsaFor(spend, script, SighashType.SINGLE),
      key,
    ])
    const outputs = Array.from({ length: inputs }, () => output)
    return oneTransaction(
      Array.from({ length: inputs }, () => recipe),
      limits,
      outputs,
    )
  },
}

/** Every check behind a code separator of its own, so that each signs another script. */
function separatedChecks(limits: FillLimits): InputRecipe {
  const leafBytes = limits.weight - TAPSCRIPT_INPUT_WEIGHT - 200
  const leaf = concatBytes(
    repeated(Uint8Array.of(OP_CODESEPARATOR), leafBytes - 1),
    Uint8Array.of(OP_1),
  )
  return tapscript(leaf, [])
}

const MANY = (name: string, recipe: () => InputRecipe): Filler => ({
  name,
  make: (limits) => oneTransaction(forever(recipe()), limits),
})
const ONE = (name: string, recipe: (limits: FillLimits) => InputRecipe): Filler => ({
  name,
  make: (limits) => oneTransaction([recipe(limits)], limits),
})

export const SIGNATURE_FILLERS: readonly Filler[] = [
  MANY('P2TR key path, one signature per input', () => KEY_PATH),
  MANY('P2WPKH', () => KEY_HASH),
  MANY('P2WSH CHECKSIG, 101 per input', denseChecks),
  {
    name: 'P2WSH CHECKSIG, 100 per input over a long script',
    make(limits) {
      const inputs = Math.ceil(limits.sigops / 100)
      const scriptBytes = Math.min(10_000, Math.floor(limits.weight / inputs) - 550)
      return oneTransaction(forever(longScript(scriptBytes)), limits)
    },
  },
  MANY('P2WSH CHECKMULTISIG 20 of 20', everyKey),
  MANY('P2WSH CHECKMULTISIG 1 of 20, last key', lastKey),
  ONE('tapscript CHECKSIG at the budget', atBudget),
  ONE('tapscript CHECKSIGADD at the budget', addingChecks),
  ONE('tapscript CHECKSIG and HASH160, both at their budgets', (limits) =>
    checksAndHashes(limits, true),
  ),
  singleOutput,
  singleOutputV0,
  ONE('tapscript CODESEPARATOR', separatedChecks),
  MANY('taproot commitments, depth 0', () => tapscript(Uint8Array.of(OP_1), [])),
  MANY('taproot commitments, depth 128', () => tapscript(Uint8Array.of(OP_1), [], { depth: 128 })),
]

/** Every kind of spend that the chain supports, made with the tools of any one library. */

import { Opcode } from '../../src/bitcoin/opcodes.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import type { HandTools, Tree } from './hand-tools.ts'
import { REPLACEABLE, type SpendKind, type SpendLocks, testSecret } from './spend-kind.ts'

/** A kind with the locks that its spend needs. */
export interface LockedKind {
  readonly kind: SpendKind
  readonly locks: SpendLocks
}

const ALICE = testSecret(0x11)
const BOB = testSecret(0x22)
const CAROL = testSecret(0x33)
/** BIP341's point without a known discrete logarithm. */
const NOBODY = Uint8Array.from(
  '50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0'.match(/../g) ?? [],
  (byte) => Number.parseInt(byte, 16),
)
const PREIMAGE = testSecret(0x44)

const ALL = 1
const HASH_TYPES = [
  ['ALL', 0x01],
  ['NONE', 0x02],
  ['SINGLE', 0x03],
  ['ALL|ANYONECANPAY', 0x81],
  ['NONE|ANYONECANPAY', 0x82],
  ['SINGLE|ANYONECANPAY', 0x83],
] as const
const O = Opcode
const EMPTY = new Uint8Array()

const op = (...opcodes: readonly number[]): Uint8Array => Uint8Array.from(opcodes)
const push = (data: Uint8Array): Uint8Array => concatBytes(op(data.length), data)
/** One byte, 17 … 127. */
const number = (value: number): Uint8Array => op(1, value)

/** Locks that the chain of the test has reached, and that the scripts ask for. */
const AFTER_BLOCKS: SpendLocks = { sequence: 20, lockTime: 0 }
const AT_HEIGHT: SpendLocks = { sequence: 0xffff_fffe, lockTime: 100 }

interface Recipe {
  readonly name: string
  readonly script: Uint8Array
  readonly locks?: SpendLocks
  readonly witness: (sign: Signing) => readonly Uint8Array[]
}

/** Signatures for the transaction at hand, each with its hash type behind it where it has one. */
interface Signing {
  v0(secret: Uint8Array, scriptCode: Uint8Array, hashType?: number): Uint8Array
  v1(secret: Uint8Array, hashType?: number, leaf?: Uint8Array): Uint8Array
}

function kindOf(tools: HandTools, recipe: Recipe): LockedKind {
  const { name, script, witness, locks = REPLACEABLE } = recipe
  const kind: SpendKind = {
    name,
    script,
    spend(coin, outputs, spendLocks = locks) {
      const draft = tools.draft(coin, outputs, spendLocks)
      const sign: Signing = {
        v0: (secret, code, hashType = ALL) =>
          concatBytes(tools.ecdsa(draft.v0Digest(code, hashType), secret), op(hashType)),
        v1(secret, hashType = 0, leaf) {
          const signature = tools.schnorr(draft.v1Digest(script, hashType, leaf), secret)
          return hashType === 0 ? signature : concatBytes(signature, op(hashType))
        },
      }
      return draft.finish(witness(sign))
    },
  }
  return { kind, locks }
}

// --- scripts ----------------------------------------------------------------------------------

interface Keys {
  readonly alice: Uint8Array
  readonly bob: Uint8Array
  readonly carol: Uint8Array
}

/** Whoever knows the preimage and has Alice's key; after a height Bob. As Lightning's, in short. */
function hashLock(keys: Keys): Uint8Array {
  return concatBytes(
    op(O.OP_IF, O.OP_SIZE),
    number(32),
    op(O.OP_EQUALVERIFY, O.OP_SHA256),
    push(sha256(PREIMAGE)),
    op(O.OP_EQUALVERIFY),
    push(keys.alice),
    op(O.OP_ELSE),
    number(AT_HEIGHT.lockTime),
    op(O.OP_CHECKLOCKTIMEVERIFY, O.OP_DROP),
    push(keys.bob),
    op(O.OP_ENDIF, O.OP_CHECKSIG),
  )
}

function delayed(key: Uint8Array): Uint8Array {
  return concatBytes(
    number(AFTER_BLOCKS.sequence),
    op(O.OP_CHECKSEQUENCEVERIFY, O.OP_DROP),
    push(key),
    op(O.OP_CHECKSIG),
  )
}

function dated(key: Uint8Array): Uint8Array {
  return concatBytes(
    number(AT_HEIGHT.lockTime),
    op(O.OP_CHECKLOCKTIMEVERIFY, O.OP_DROP),
    push(key),
    op(O.OP_CHECKSIG),
  )
}

const single = (key: Uint8Array): Uint8Array => concatBytes(push(key), op(O.OP_CHECKSIG))

/** BIP342's form of a 2-of-3. */
function counted({ alice, bob, carol }: Keys): Uint8Array {
  return concatBytes(
    push(alice),
    op(O.OP_CHECKSIG),
    push(bob),
    op(O.OP_CHECKSIGADD),
    push(carol),
    op(O.OP_CHECKSIGADD, O.OP_2, O.OP_NUMEQUAL),
  )
}

function multisig({ alice, bob, carol }: Keys): Uint8Array {
  return concatBytes(
    op(O.OP_2),
    push(alice),
    push(bob),
    push(carol),
    op(O.OP_3, O.OP_CHECKMULTISIG),
  )
}

// --- recipes ----------------------------------------------------------------------------------

function witnessV0Recipes(tools: HandTools): Recipe[] {
  const keys = {
    alice: tools.publicKey(ALICE),
    bob: tools.publicKey(BOB),
    carol: tools.publicKey(CAROL),
  }
  const keyHash = tools.keyHash(keys.alice)
  // BIP143: the script code of P2WPKH is that of P2PKH.
  const code = concatBytes(
    op(O.OP_DUP, O.OP_HASH160),
    push(keyHash.subarray(2)),
    op(O.OP_EQUALVERIFY, O.OP_CHECKSIG),
  )
  const inScript = (
    name: string,
    script: Uint8Array,
    items: (sign: Signing) => readonly Uint8Array[],
    locks = REPLACEABLE,
  ): Recipe => ({
    name: `P2WSH, ${name}`,
    script: tools.scriptHash(script),
    locks,
    witness: (sign) => [...items(sign), script],
  })
  const htlc = hashLock(keys)
  const [csv, cltv, many] = [delayed(keys.carol), dated(keys.carol), multisig(keys)]
  return [
    ...HASH_TYPES.map(([name, hashType]) => ({
      name: `P2WPKH, ${name}`,
      script: keyHash,
      witness: (sign: Signing) => [sign.v0(ALICE, code, hashType), keys.alice],
    })),
    inScript('2 of 3', many, (sign) => [EMPTY, sign.v0(ALICE, many), sign.v0(CAROL, many)]),
    inScript('2 of 3, of two hash types', many, (sign) => [
      EMPTY,
      sign.v0(BOB, many, 0x83),
      sign.v0(CAROL, many, 0x02),
    ]),
    inScript('preimage', htlc, (sign) => [sign.v0(ALICE, htlc), PREIMAGE, op(1)]),
    inScript('timeout', htlc, (sign) => [sign.v0(BOB, htlc), EMPTY], AT_HEIGHT),
    inScript('CSV', csv, (sign) => [sign.v0(CAROL, csv)], AFTER_BLOCKS),
    inScript('CLTV', cltv, (sign) => [sign.v0(CAROL, cltv)], AT_HEIGHT),
  ]
}

function taprootRecipes(tools: HandTools): Recipe[] {
  const xOnly = (secret: Uint8Array): Uint8Array => tools.publicKey(secret).subarray(1)
  const keys = { alice: xOnly(ALICE), bob: xOnly(BOB), carol: xOnly(CAROL) }
  const htlc = hashLock(keys)
  const [csv, cltv, many, one] = [
    delayed(keys.carol),
    dated(keys.carol),
    counted(keys),
    single(keys.bob),
  ]
  const alone = tools.taproot(keys.alice)
  // The last leaves are four levels down.
  const tree: Tree = [one, [htlc, [csv, [cltv, many]]]]
  const treed = tools.taproot(keys.alice, tree)
  const byKey = (name: string, hashType: number, output = alone): Recipe => ({
    name: `P2TR by key, ${name}`,
    script: output.script,
    witness: (sign) => [sign.v1(output.tweaked(ALICE), hashType)],
  })
  const inTree = (
    name: string,
    leaf: Uint8Array,
    items: (sign: Signing) => readonly Uint8Array[],
    locks = REPLACEABLE,
    output = treed,
  ): Recipe => ({
    name: `P2TR by script, ${name}`,
    script: output.script,
    locks,
    witness: (sign) => [...items(sign), leaf, output.control(leaf)],
  })
  return [
    byKey('DEFAULT', 0),
    ...HASH_TYPES.map(([name, hashType]) => byKey(name, hashType)),
    byKey('beside a tree', 0, treed),
    inTree(
      'the only leaf',
      one,
      (sign) => [sign.v1(BOB, 0, one)],
      REPLACEABLE,
      tools.taproot(NOBODY, one),
    ),
    ...HASH_TYPES.filter(([name]) => name.includes('SINGLE')).map(([name, hashType]) =>
      inTree(`one of five leaves, ${name}`, one, (sign) => [sign.v1(BOB, hashType, one)]),
    ),
    inTree('preimage', htlc, (sign) => [sign.v1(ALICE, 0, htlc), PREIMAGE, op(1)]),
    inTree('timeout', htlc, (sign) => [sign.v1(BOB, 0, htlc), EMPTY], AT_HEIGHT),
    inTree('CSV, three levels down', csv, (sign) => [sign.v1(CAROL, 0, csv)], AFTER_BLOCKS),
    inTree('CLTV, four levels down', cltv, (sign) => [sign.v1(CAROL, 0, cltv)], AT_HEIGHT),
    inTree('2 of 3, four levels down', many, (sign) => [
      sign.v1(CAROL, 0, many),
      EMPTY,
      sign.v1(ALICE, 0x81, many),
    ]),
  ]
}

/** Everything that the chain supports, from one library's tools. */
export function handMadeKinds(tools: HandTools): readonly LockedKind[] {
  return [...witnessV0Recipes(tools), ...taprootRecipes(tools)].map((recipe) =>
    kindOf(tools, recipe),
  )
}

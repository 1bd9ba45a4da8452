/**
 * Flags only ever take away: what passes under more of them passes under fewer. Published spends, and
 * spends made of parts each of which is fine but for the flags that it names.
 */

import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Opcode } from '../../src/bitcoin/opcodes.ts'
import { minimalPush, P2A_SCRIPT, p2trScript, p2wshScript } from '../../src/bitcoin/script.ts'
import { CONSENSUS_FLAGS, hasFlag, ScriptFlag } from '../../src/bitcoin/script-flags.ts'
import { encodeScriptNumber } from '../../src/bitcoin/script-number.ts'
import { taprootSighash, witnessV0Sighash } from '../../src/bitcoin/sighash.ts'
import { controlBlock, tapLeafHash, taprootOutputKey } from '../../src/bitcoin/taproot.ts'
import {
  decodeTransaction,
  type Transaction,
  type TxOutput,
} from '../../src/bitcoin/transaction.ts'
import { verifyInput } from '../../src/bitcoin/verify-input.ts'
import { concatBytes, hexToBytes } from '../../src/primitives/bytes.ts'
import { ByteReader, encodeWith } from '../../src/primitives/codec.ts'
import { toTxid } from '../../src/primitives/hashes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { loadVectors, parseFlags, withInput } from './vectors.ts'

const FLAGS = Object.values(ScriptFlag)
const COUNT = FLAGS.length
const anyFlags = fc.integer({ min: 0, max: 2 ** COUNT - 1 })
/** Mostly few flags are missing from all, or few are there. */
const subsets = fc.oneof(
  anyFlags,
  fc.tuple(anyFlags, anyFlags, anyFlags).map(([a, b, c]) => a | b | c),
  fc.tuple(anyFlags, anyFlags, anyFlags).map(([a, b, c]) => a & b & c),
  fc.constant(CONSENSUS_FLAGS),
  fc.constant(0),
)

describe('flags', () => {
  it('are single bits, and together the rules of this chain', () => {
    expect(new Set(FLAGS).size).toBe(COUNT)
    for (const flag of FLAGS) {
      expect(Math.log2(flag) % 1).toBe(0)
      expect(hasFlag(CONSENSUS_FLAGS, flag)).toBe(true)
      expect(hasFlag(CONSENSUS_FLAGS & ~flag, flag)).toBe(false)
    }
    expect(CONSENSUS_FLAGS).toBe(2 ** COUNT - 1)
  })
})

// --- published spends -------------------------------------------------------------------------

interface AssetVector {
  readonly tx: string
  readonly prevouts: readonly string[]
  readonly index: number
  readonly flags: string
  readonly success?: { readonly scriptSig: string; readonly witness: readonly string[] }
  readonly failure?: { readonly scriptSig: string; readonly witness: readonly string[] }
}

interface Spend {
  readonly transaction: Transaction
  readonly index: number
  readonly spent: readonly TxOutput[]
  readonly flags: number
}

function readPrevout(hex: string): TxOutput {
  const reader = new ByteReader(hexToBytes(hex))
  return { value: sats(reader.u64()), script: reader.varBytes(100_000) }
}

function* publishedSpends(): Iterable<Spend> {
  for (const vector of loadVectors('bitcoind/script_assets_test.json') as readonly AssetVector[]) {
    const spent = vector.prevouts.map(readPrevout)
    const transaction = decodeTransaction(hexToBytes(vector.tx))
    const { index } = vector
    for (const spend of [vector.success, vector.failure]) {
      if (spend === undefined) continue
      const witness = spend.witness.map(hexToBytes)
      const changed = withInput(transaction, index, hexToBytes(spend.scriptSig), witness)
      yield { transaction: changed, index, spent, flags: parseFlags(vector.flags) }
    }
  }
}

const passes = ({ transaction, index, spent }: Omit<Spend, 'flags'>, flags: number): boolean =>
  verifyInput(transaction, index, spent, flags).ok

describe('what passes under more flags passes under fewer', () => {
  it('in every published spend, for random sets of flags', () => {
    const pairs = fc.sample(fc.tuple(subsets, anyFlags), { numRuns: 6_000, seed: 3 })
    let next = 0
    let cases = 0
    const wrong: string[] = []
    for (const [number, spend] of [...publishedSpends()].entries()) {
      for (let round = 0; round < 2; round++) {
        const [chosen, mask] = pairs[next++ % pairs.length] ?? [0, 0]
        // The vector's own flags are where a "failure" may pass and a "success" must.
        const more = [spend.flags, spend.flags | chosen, chosen].find((set) => passes(spend, set))
        if (more === undefined) continue
        cases += 1
        if (!passes(spend, more & mask)) wrong.push(`spend ${number}: ${more}, not ${more & mask}`)
      }
    }
    expect(wrong).toEqual([])
    expect(cases).toBeGreaterThan(2_500)
  }, 60_000)
})

// --- spends from parts ------------------------------------------------------------------------

const SECRET = sha256(Uint8Array.of(1))
const AUX = new Uint8Array(32)
const KEY = secp256k1.getPublicKey(SECRET, true)
const LONG_KEY = secp256k1.getPublicKey(SECRET, false)
const HYBRID_KEY = LONG_KEY.with(0, 0x06 + ((LONG_KEY[64] ?? 0) & 1))
const X_ONLY = schnorr.getPublicKey(SECRET)
/** BIP341's point without a known discrete logarithm. */
const INTERNAL = hexToBytes('50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0')
const ORDER = secp256k1.Point.Fn.ORDER

const op = (...opcodes: readonly number[]): Uint8Array => Uint8Array.from(opcodes)
const number = (value: number): Uint8Array => minimalPush(encodeScriptNumber(value))
const push = minimalPush

/** Signs the spend: an ECDSA hash type, and whether s is high; or BIP340. */
interface Signer {
  ecdsa(hashType: number, high?: boolean): Uint8Array
  schnorr(): Uint8Array
}

/** A piece of script that takes its witness items from the stack and leaves nothing. */
interface Part {
  readonly name: string
  /** Under any of these it fails. */
  readonly forbiddenBy: number
  readonly script: Uint8Array
  /** The top of the stack last. */
  readonly witness?: (signer: Signer) => readonly Uint8Array[]
}

/** Made for one hash type, said to be for another. */
function mislabelled(signer: Signer): Uint8Array {
  const signature = signer.ecdsa(1)
  return signature.with(signature.length - 1, 2)
}

const F = ScriptFlag
const O = Opcode

const SHARED_PARTS: readonly Part[] = [
  { name: 'NOP', forbiddenBy: 0, script: op(O.OP_NOP) },
  { name: 'NOP4', forbiddenBy: F.DISCOURAGE_UPGRADABLE_NOPS, script: op(O.OP_NOP4) },
  {
    name: 'long push',
    forbiddenBy: F.MINIMALDATA,
    script: op(O.OP_PUSHDATA1, 1, 0x33, O.OP_DROP),
  },
  {
    name: 'long push where nothing runs',
    forbiddenBy: 0,
    script: op(O.OP_0, O.OP_IF, O.OP_PUSHDATA1, 1, 0x33, O.OP_ENDIF),
  },
  {
    name: 'long number',
    forbiddenBy: F.MINIMALDATA,
    script: op(O.OP_1ADD, O.OP_DROP),
    witness: () => [Uint8Array.of(5, 0)],
  },
  {
    name: 'lock time of another transaction',
    forbiddenBy: F.CHECKLOCKTIMEVERIFY,
    script: concatBytes(number(500), op(O.OP_CHECKLOCKTIMEVERIFY, O.OP_DROP)),
  },
  {
    name: 'sequence of another input',
    forbiddenBy: F.CHECKSEQUENCEVERIFY,
    script: concatBytes(number(500), op(O.OP_CHECKSEQUENCEVERIFY, O.OP_DROP)),
  },
  {
    name: 'sequence that locks nothing',
    forbiddenBy: 0,
    script: concatBytes(number(2 ** 31), op(O.OP_CHECKSEQUENCEVERIFY, O.OP_DROP)),
  },
]

const checkSig = (key: Uint8Array, ...rest: readonly number[]): Uint8Array =>
  concatBytes(push(key), op(...rest))

const V0_PARTS: readonly Part[] = [
  ...SHARED_PARTS,
  {
    name: 'signature',
    forbiddenBy: 0,
    script: checkSig(KEY, O.OP_CHECKSIGVERIFY),
    witness: (signer) => [signer.ecdsa(1)],
  },
  {
    name: 'no signature',
    forbiddenBy: 0,
    script: checkSig(KEY, O.OP_CHECKSIG, O.OP_DROP),
    witness: () => [new Uint8Array()],
  },
  {
    name: 'high s',
    forbiddenBy: F.LOW_S,
    script: checkSig(KEY, O.OP_CHECKSIGVERIFY),
    witness: (signer) => [signer.ecdsa(1, true)],
  },
  {
    name: 'hash type without meaning',
    forbiddenBy: F.STRICTENC,
    script: checkSig(KEY, O.OP_CHECKSIGVERIFY),
    witness: (signer) => [signer.ecdsa(5)],
  },
  {
    name: 'long key',
    forbiddenBy: F.WITNESS_PUBKEYTYPE,
    script: checkSig(LONG_KEY, O.OP_CHECKSIGVERIFY),
    witness: (signer) => [signer.ecdsa(1)],
  },
  {
    name: 'hybrid key',
    forbiddenBy: F.STRICTENC | F.WITNESS_PUBKEYTYPE,
    script: checkSig(HYBRID_KEY, O.OP_CHECKSIGVERIFY),
    witness: (signer) => [signer.ecdsa(1)],
  },
  {
    name: 'wrong signature',
    forbiddenBy: F.NULLFAIL,
    script: checkSig(KEY, O.OP_CHECKSIG, O.OP_DROP),
    witness: (signer) => [mislabelled(signer)],
  },
  {
    name: 'signature that is none',
    forbiddenBy: F.DERSIG | F.LOW_S | F.STRICTENC | F.NULLFAIL,
    script: checkSig(KEY, O.OP_CHECKSIG, O.OP_DROP),
    witness: () => [new Uint8Array(9).fill(0x30)],
  },
  {
    name: 'multisignature',
    forbiddenBy: 0,
    script: concatBytes(op(O.OP_1), push(KEY), op(O.OP_1, O.OP_CHECKMULTISIGVERIFY)),
    witness: (signer) => [new Uint8Array(), signer.ecdsa(1)],
  },
  {
    name: 'multisignature with something in the dummy',
    forbiddenBy: F.NULLDUMMY,
    script: concatBytes(op(O.OP_1), push(KEY), op(O.OP_1, O.OP_CHECKMULTISIGVERIFY)),
    witness: (signer) => [Uint8Array.of(1), signer.ecdsa(1)],
  },
  {
    name: 'multisignature that fails',
    forbiddenBy: F.NULLFAIL,
    script: concatBytes(op(O.OP_1), push(KEY), op(O.OP_1, O.OP_CHECKMULTISIG, O.OP_DROP)),
    witness: (signer) => [new Uint8Array(), mislabelled(signer)],
  },
  {
    name: 'condition that is not 1',
    forbiddenBy: F.MINIMALIF,
    script: op(O.OP_IF, O.OP_ENDIF),
    witness: () => [Uint8Array.of(2)],
  },
]

const TAPSCRIPT_PARTS: readonly Part[] = [
  ...SHARED_PARTS,
  {
    name: 'signature',
    forbiddenBy: 0,
    script: checkSig(X_ONLY, O.OP_CHECKSIGVERIFY),
    witness: (signer) => [signer.schnorr()],
  },
  {
    name: 'counted signature',
    forbiddenBy: 0,
    script: concatBytes(op(O.OP_0), checkSig(X_ONLY, O.OP_CHECKSIGADD, O.OP_VERIFY)),
    witness: (signer) => [signer.schnorr()],
  },
  {
    name: 'no signature',
    forbiddenBy: 0,
    script: checkSig(X_ONLY, O.OP_CHECKSIG, O.OP_DROP),
    witness: () => [new Uint8Array()],
  },
  {
    name: 'key of an unknown type',
    forbiddenBy: F.DISCOURAGE_UPGRADABLE_PUBKEYTYPE,
    script: checkSig(KEY, O.OP_CHECKSIGVERIFY),
    witness: () => [Uint8Array.of(1)],
  },
  {
    name: 'more hashing than the witness pays for',
    forbiddenBy: F.HASH_BUDGET,
    script: concatBytes(op(O.OP_1), new Uint8Array(2_000).fill(O.OP_SHA256), op(O.OP_DROP)),
  },
]

const UNSIGNED: Transaction = {
  version: 2,
  inputs: [
    {
      prevout: { txid: toTxid('ab'.repeat(32)), vout: 0 },
      scriptSig: new Uint8Array(),
      sequence: 0xffff_fffe,
      witness: [],
    },
  ],
  outputs: [{ value: sats(9_000), script: P2A_SCRIPT }],
  lockTime: 0,
}
const VALUE = sats(10_000)

function ecdsa(digest: Uint8Array, hashType: number, high: boolean): Uint8Array {
  const signature = secp256k1.Signature.fromBytes(
    secp256k1.sign(digest, SECRET, { prehash: false, lowS: true }),
  )
  const { r, s } = signature
  const chosen = high ? new secp256k1.Signature(r, ORDER - s) : signature
  return concatBytes(chosen.toBytes('der'), Uint8Array.of(hashType))
}

const scriptOf = (parts: readonly Part[]): Uint8Array =>
  concatBytes(...parts.map((part) => part.script), op(O.OP_1))

/** The first part runs first, so its items are on top. */
const itemsOf = (parts: readonly Part[], signer: Signer): readonly Uint8Array[] =>
  parts.toReversed().flatMap((part) => part.witness?.(signer) ?? [])

const forbidden = (parts: readonly Part[]): number =>
  parts.reduce((flags, part) => flags | part.forbiddenBy, 0)

function spendOf(
  script: Uint8Array,
  witness: readonly Uint8Array[],
): Pick<Spend, 'transaction' | 'index' | 'spent'> {
  const transaction = withInput(UNSIGNED, 0, new Uint8Array(), witness)
  return { transaction, index: 0, spent: [{ value: VALUE, script }] }
}

function witnessV0(parts: readonly Part[]): Pick<Spend, 'transaction' | 'index' | 'spent'> {
  const script = scriptOf(parts)
  const signer: Signer = {
    ecdsa: (type, high = false) =>
      ecdsa(witnessV0Sighash(UNSIGNED, 0, script, VALUE, type), type, high),
    schnorr: () => new Uint8Array(),
  }
  return spendOf(p2wshScript(sha256(script)), [...itemsOf(parts, signer), script])
}

interface TapscriptOptions {
  readonly leafVersion: number
  readonly annex: Uint8Array | undefined
}

function tapscript(
  parts: readonly Part[],
  tail: Uint8Array,
  { leafVersion, annex }: TapscriptOptions,
): Pick<Spend, 'transaction' | 'index' | 'spent'> {
  const script = concatBytes(scriptOf(parts), tail)
  const leafHash = tapLeafHash(script, leafVersion)
  const output = taprootOutputKey(INTERNAL, leafHash)
  if (output === undefined) throw new TypeError('no output key')
  const spent = [{ value: VALUE, script: p2trScript(output.key) }]
  const annexHash =
    annex === undefined ? {} : { annexHash: sha256(encodeWith((w) => w.varBytes(annex))) }
  const signer: Signer = {
    ecdsa: () => new Uint8Array(),
    schnorr() {
      const digest = taprootSighash(UNSIGNED, 0, spent, 0, {
        tapscript: { leafHash, codeSeparator: 0xffff_ffff },
        ...annexHash,
      })
      if (digest === undefined) throw new TypeError('no digest')
      return schnorr.sign(digest, SECRET, AUX)
    },
  }
  const control = controlBlock(INTERNAL, output.parity, [], leafVersion)
  const tailItems = annex === undefined ? [] : [annex]
  const witness = [...itemsOf(parts, signer), script, control, ...tailItems]
  return { ...spendOf(new Uint8Array(), witness), spent }
}

const some = (parts: readonly Part[]) =>
  fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 5 })

describe('a spend fails exactly under the flags that forbid a part of it', () => {
  it('in witness v0', () => {
    let accepted = 0
    fc.assert(
      fc.property(some(V0_PARTS), subsets, (parts, flags) => {
        const passed = passes(witnessV0(parts), flags)
        expect(passed, parts.map((part) => part.name).join(', ')).toBe(
          (flags & forbidden(parts)) === 0,
        )
        if (passed) accepted += 1
      }),
      { numRuns: 800 },
    )
    expect(accepted).toBeGreaterThan(50)
  })

  it('in tapscript, where an OP_SUCCESS or another leaf version outweighs the script', () => {
    const options = fc.record({
      leafVersion: fc.constantFrom(0xc0, 0xc0, 0xc0, 0xc2),
      annex: fc.option(fc.constant(Uint8Array.of(0x50, 1, 2)), { nil: undefined, freq: 3 }),
    })
    // OP_CAT is an OP_SUCCESS here.
    const tails = fc.constantFrom(op(), op(), op(O.OP_CAT))
    let accepted = 0
    fc.assert(
      fc.property(some(TAPSCRIPT_PARTS), tails, options, subsets, (parts, tail, chosen, flags) => {
        let expected = forbidden(parts)
        if (tail.length > 0) expected = F.DISCOURAGE_OP_SUCCESS
        if (chosen.leafVersion !== 0xc0) expected = F.DISCOURAGE_UPGRADABLE_TAPROOT_VERSION
        if (chosen.annex !== undefined) expected |= F.NO_ANNEX
        const passed = passes(tapscript(parts, tail, chosen), flags)
        expect(passed, parts.map((part) => part.name).join(', ')).toBe((flags & expected) === 0)
        if (passed) accepted += 1
      }),
      { numRuns: 800 },
    )
    expect(accepted).toBeGreaterThan(50)
  })

  it('in witness v0 with more hashing than its witness pays for', () => {
    const hashing: Part = {
      name: 'hashing',
      forbiddenBy: F.HASH_BUDGET,
      script: concatBytes(op(O.OP_1), new Uint8Array(190).fill(O.OP_SHA256), op(O.OP_DROP)),
    }
    for (const flags of [CONSENSUS_FLAGS, F.HASH_BUDGET, CONSENSUS_FLAGS & ~F.HASH_BUDGET, 0]) {
      expect(passes(witnessV0([hashing]), flags)).toBe(!hasFlag(flags, F.HASH_BUDGET))
    }
  })

  it('at an anchor', () => {
    for (const flags of [CONSENSUS_FLAGS, F.EMPTY_ANCHOR, CONSENSUS_FLAGS & ~F.EMPTY_ANCHOR, 0]) {
      expect(passes(spendOf(P2A_SCRIPT, []), flags)).toBe(true)
      expect(passes(spendOf(P2A_SCRIPT, [Uint8Array.of(1)]), flags)).toBe(
        !hasFlag(flags, F.EMPTY_ANCHOR),
      )
    }
  })
})

import { secp256k1 } from '@noble/curves/secp256k1.js'
import * as btc from '@scure/btc-signer'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tapLeafHash } from '../../../src/bitcoin/taproot.ts'
import {
  CHANGE_RECIPIENT,
  type DepositTerms,
  depositControlBlock,
  depositScript,
  depositTweaks,
  type RecoveryPolicy,
  recoveryLeafScript,
} from '../../../src/chain/peg/deposit-address.ts'
import {
  applyPlainTweak,
  applyXOnlyTweak,
  GROUP_ORDER,
  hasOddY,
  identityTweak,
  type KeyTweak,
  withEvenY,
  xOnly,
} from '../../../src/chain/peg/key-tweak.ts'
import { bytesToHex, concatBytes, hexToBytes, utf8 } from '../../../src/primitives/bytes.ts'
import { hash32FromBytes, type XOnlyKey } from '../../../src/primitives/hashes.ts'
import { checkTweak, xOnlyPublicKey } from '../../../src/primitives/secp256k1.ts'
import { sha256, taggedHash } from '../../../src/primitives/sha256.ts'

const CHAIN_ID = hash32FromBytes(sha256(utf8('a chain')))
const secretOf = (name: string): Uint8Array => sha256(utf8(name))
const keyOf = (name: string): XOnlyKey => xOnlyPublicKey(secretOf(name))
const RECOVERY: RecoveryPolicy = {
  delayBlocks: 26_280,
  threshold: 2,
  keys: ['r1', 'r2', 'r3'].map(keyOf),
}

function terms(changes: Partial<DepositTerms> = {}, seed = 'group'): DepositTerms {
  return {
    chainId: CHAIN_ID,
    epoch: 3,
    groupKey: secp256k1.getPublicKey(secretOf(seed), true),
    recovery: RECOVERY,
    recipient: hexToBytes(`0014${'ab'.repeat(20)}`),
    ...changes,
  }
}

const asBytes = (value: bigint): Uint8Array => hexToBytes(value.toString(16).padStart(64, '0'))

/** g·secret + τ, as a compressed point. */
function pointOf(secret: Uint8Array, tweak: KeyTweak): string {
  const { Fn, BASE } = secp256k1.Point
  const scalar = Fn.mul(Fn.create(BigInt(tweak.sign)), Fn.fromBytes(secret))
  return bytesToHex(BASE.multiply(Fn.add(scalar, tweak.offset)).toBytes(true))
}

describe('a deposit address', () => {
  it('is what another implementation of BIP341 makes of the internal key and the recovery leaf', () => {
    for (const seed of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const given = terms({}, seed)
      // P = Y + h1·G straight from the formula
      const epoch = Uint8Array.of(0, 0, 0, given.epoch)
      const length = Uint8Array.of(0, given.recipient.length)
      const h1 = taggedHash(
        'causeway/deposit/v1',
        concatBytes(hexToBytes(CHAIN_ID), epoch, given.groupKey, length, given.recipient),
      )
      const { Point } = secp256k1
      const internal = Point.fromBytes(given.groupKey)
        .add(Point.BASE.multiply(Point.Fn.fromBytes(h1)))
        .toBytes(true)
      const leaf = { script: recoveryLeafScript(given.recovery) }
      const payment = btc.p2tr(internal.subarray(1), leaf, undefined, true)
      expect(depositScript(given)).toEqual(payment.script)
      const [control] = payment.tapLeafScript![0]!
      expect(depositControlBlock(given)).toEqual(btc.TaprootControlBlock.encode(control))
    }
  })

  it('never changes', () => {
    // Money was paid to these: a change of any is a loss.
    expect(bytesToHex(depositScript(terms()))).toBe(
      '5120bd80baa1fdc017938aeaacb99627b6ad266ff81cf5c2a74d743ef6ba9bc41620',
    )
    expect(bytesToHex(depositScript(terms({ recipient: CHANGE_RECIPIENT })))).toBe(
      '512037151d85f66c6de2347b401e3c817a9d4fd35c23090ded7d83a341c7eae19459',
    )
    expect(bytesToHex(recoveryLeafScript(RECOVERY))).toBe(
      '02a866b27520cfcf8ccbd1e13ae4c5d451e5bda277adaf127491404db82dd3636895f1a4f586ac20454ea2759ccf242de3d6b1070f83774bf25a130381d030b785ea7027a431dac0ba20244fcc0eac83e8a292c1dff4ce88b0228acb1052833265e21a600a62b8ea8576ba529c',
    )
  })

  it('differs for every chain, epoch, key, recipient and recovery policy', () => {
    const scripts = [
      terms(),
      terms({ chainId: hash32FromBytes(sha256(utf8('another chain'))) }),
      terms({ epoch: 4 }),
      terms({}, 'another group'),
      terms({ recipient: CHANGE_RECIPIENT }),
      terms({ recipient: hexToBytes(`0014${'ac'.repeat(20)}`) }),
      terms({ recovery: { ...RECOVERY, delayBlocks: 26_281 } }),
      terms({ recovery: { ...RECOVERY, threshold: 3 } }),
      terms({ recovery: { ...RECOVERY, keys: RECOVERY.keys.toReversed() } }),
    ].map((given) => bytesToHex(depositScript(given)))
    expect(new Set(scripts).size).toBe(scripts.length)
  })

  it('is the tweak of the group secret that its tweaks say', () => {
    fc.assert(
      fc.property(fc.string(), fc.uint8Array({ maxLength: 42 }), (seed, recipient) => {
        const tweak = depositTweaks(terms({ recipient }, seed))
        expect(pointOf(secretOf(seed), tweak)).toBe(bytesToHex(tweak.point))
        expect(tweak.offset >= 0n && tweak.offset < GROUP_ORDER).toBe(true)
        expect(depositScript(terms({ recipient }, seed)).subarray(2)).toEqual(xOnly(tweak.point))
      }),
      { numRuns: 40 },
    )
  })

  it('commits to the recovery leaf', () => {
    const given = terms()
    const control = depositControlBlock(given)
    const script = depositScript(given)
    const root = tapLeafHash(recoveryLeafScript(given.recovery))
    const internal = control.subarray(1)
    const parity = (control[0]! & 1) === 1 ? 1 : 0
    expect(control[0]! & 0xfe).toBe(0xc0)
    const tweak = taggedHash('TapTweak', internal, root)
    expect(checkTweak(internal, tweak, script.subarray(2), parity)).toBe(true)
  })

  it('needs terms that make sense', () => {
    expect(() => depositScript(terms({ groupKey: new Uint8Array(32) }))).toThrow('33 bytes')
    expect(() => depositScript(terms({ groupKey: new Uint8Array(33) }))).toThrow('missing')
    expect(() => depositScript(terms({ epoch: -1 }))).toThrow('epoch out of range')
    expect(() => depositScript(terms({ epoch: 2 ** 32 }))).toThrow('epoch out of range')
    expect(() => depositScript(terms({ recipient: new Uint8Array(65_536) }))).toThrow('too long')
  })
})

describe('the recovery leaf', () => {
  it('pushes its numbers as shortly as Bitcoin wants', () => {
    const [key] = RECOVERY.keys
    for (const [delayBlocks, push] of [
      [1, '51'],
      [16, '60'],
      [17, '0111'],
      [127, '017f'],
      [128, '028000'],
      [255, '02ff00'],
      [256, '020001'],
      [32_767, '02ff7f'],
      [32_768, '03008000'],
      [65_535, '03ffff00'],
    ] as const) {
      const script = recoveryLeafScript({ delayBlocks, threshold: 1, keys: [key!] })
      expect(bytesToHex(script)).toBe(`${push}b27520${key}ac519c`)
      expect(btc.Script.encode(btc.Script.decode(script))).toEqual(script)
    }
  })

  it('asks for k of m keys in their order', () => {
    const [a, b, c] = RECOVERY.keys
    const script = recoveryLeafScript({ ...RECOVERY, delayBlocks: 10 })
    expect(bytesToHex(script)).toBe(`5ab27520${a}ac20${b}ba20${c}ba529c`)
  })

  it('refuses impossible policies', () => {
    for (const change of [
      { delayBlocks: 0 },
      { delayBlocks: 65_536 },
      { delayBlocks: 1.5 },
      { threshold: 0 },
      { threshold: 4 },
      { keys: [] },
      { keys: Array.from({ length: 33 }, () => RECOVERY.keys[0]!) },
    ]) {
      expect(() => recoveryLeafScript({ ...RECOVERY, ...change })).toThrow('out of range')
    }
  })
})

describe('key tweaks', () => {
  const hash = fc.uint8Array({ minLength: 31, maxLength: 31 }).map((tail) => {
    const out = new Uint8Array(32)
    out.set(tail, 1)
    return out
  })

  it('keep the relation between the point and its two scalars through any sequence', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.array(fc.tuple(fc.boolean(), hash), { maxLength: 4 }),
        (seed, steps) => {
          let tweak = identityTweak(secp256k1.getPublicKey(secretOf(seed), true))
          for (const [plain, h] of steps) {
            tweak = plain ? applyPlainTweak(tweak, h) : applyXOnlyTweak(tweak, h)
          }
          expect(pointOf(secretOf(seed), tweak)).toBe(bytesToHex(tweak.point))
          const even = withEvenY(tweak)
          expect(hasOddY(even.point)).toBe(false)
          expect(xOnly(even.point)).toEqual(xOnly(tweak.point))
          expect(pointOf(secretOf(seed), even)).toBe(bytesToHex(even.point))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('do not exist at or above the group order, or to infinity', () => {
    const secret = secretOf('edge')
    const start = identityTweak(secp256k1.getPublicKey(secret, true))
    expect(() => applyPlainTweak(start, asBytes(GROUP_ORDER))).toThrow('missing')
    const opposite = GROUP_ORDER - BigInt(`0x${bytesToHex(secret)}`)
    expect(() => applyPlainTweak(start, asBytes(opposite))).toThrow('missing')
    expect(applyPlainTweak(start, new Uint8Array(32))).toEqual(start)
  })
})

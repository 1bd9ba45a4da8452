import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readExtension, writeExtension } from '../../src/chain/extension.ts'
import { genesisBlock } from '../../src/chain/genesis-state.ts'
import {
  EMPTY_L1_SECTION,
  encodeL1Section,
  fitsL1Section,
  isEmptyL1Section,
  type L1Section,
  l1SectionHash,
  readL1Section,
} from '../../src/chain/l1-section.ts'
import { MAX_L1_TRANSACTION_BYTES } from '../../src/chain/params.ts'
import { DecodeError, decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import { toTxid } from '../../src/primitives/hashes.ts'
import { MAX_SATS, sats } from '../../src/primitives/units.ts'
import { aKeyEpoch, testParams } from '../support/chain-world.ts'

const params = testParams()
const proof = {
  l1Height: 7,
  transaction: new Uint8Array(100).fill(9),
  merkle: { position: 2, branch: [toTxid('01'.repeat(32)), toTxid('02'.repeat(32))] },
}
const claim = { vout: 1, keyEpoch: 0, recipient: new Uint8Array(34) }
const section: L1Section = {
  headers: [new Uint8Array(80).fill(1), new Uint8Array(80).fill(2)],
  memberChanges: [
    {
      epoch: 1,
      threshold: 3,
      members: params.validators,
      approvals: [{ signer: 2, signature: new Uint8Array(64).fill(7) }],
    },
  ],
  keyEpochs: [aKeyEpoch(params).announcement],
  confirmations: [proof],
  deposits: [{ ...proof, claims: [claim, { ...claim, vout: 2 }] }],
}

const many = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item)
const decode = (bytes: Uint8Array): L1Section => decodeAll(bytes, readL1Section)

describe('the L1 section', () => {
  it('comes back as it was', () => {
    expect(decode(encodeL1Section(section))).toEqual(section)
    expect(decode(encodeL1Section(EMPTY_L1_SECTION))).toEqual(EMPTY_L1_SECTION)
    expect([isEmptyL1Section(section), isEmptyL1Section(EMPTY_L1_SECTION)]).toEqual([false, true])
  })

  it('has one encoding and one hash', () => {
    const bytes = encodeL1Section(section)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const altered = bytes.slice()
        altered[at] = (altered[at] ?? 0) ^ flip
        try {
          const decoded = decode(altered)
          expect(encodeL1Section(decoded)).toEqual(altered)
          expect(l1SectionHash(decoded)).not.toBe(l1SectionHash(section))
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('throws nothing but DecodeError at garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          decode(bytes)
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error
        }
      }),
    )
  })

  it.each<[string, Partial<L1Section>, Partial<L1Section>]>([
    [
      'headers',
      { headers: many(2_016, new Uint8Array(80)) },
      { headers: many(2_017, new Uint8Array(80)) },
    ],
    [
      'key epochs',
      { keyEpochs: section.keyEpochs },
      { keyEpochs: [...section.keyEpochs, ...section.keyEpochs] },
    ],
    ['confirmations', { confirmations: many(16, proof) }, { confirmations: many(17, proof) }],
    [
      'deposits',
      { deposits: many(500, { ...proof, claims: [claim] }) },
      { deposits: many(501, { ...proof, claims: [claim] }) },
    ],
    [
      'claims',
      { deposits: [{ ...proof, claims: many(500, claim) }] },
      { deposits: [{ ...proof, claims: many(501, claim) }] },
    ],
    [
      'transaction bytes',
      { confirmations: [{ ...proof, transaction: new Uint8Array(MAX_L1_TRANSACTION_BYTES) }] },
      { confirmations: [{ ...proof, transaction: new Uint8Array(MAX_L1_TRANSACTION_BYTES + 1) }] },
    ],
  ])('is bounded in its %s', (_what, most, over) => {
    const fits = { ...EMPTY_L1_SECTION, ...most }
    expect(fitsL1Section(fits)).toBe(true)
    expect(decode(encodeL1Section(fits))).toEqual(fits)
    const exceeds = { ...EMPTY_L1_SECTION, ...over }
    expect(fitsL1Section(exceeds)).toBe(false)
    expect(() => decode(encodeL1Section(exceeds))).toThrow(DecodeError)
  })

  it('is bounded as a whole', () => {
    const large = { ...proof, transaction: new Uint8Array(350_000) }
    expect(fitsL1Section({ ...EMPTY_L1_SECTION, confirmations: many(2, large) })).toBe(true)
    expect(fitsL1Section({ ...EMPTY_L1_SECTION, confirmations: many(3, large) })).toBe(false)
  })
})

describe('the extension', () => {
  const { extension } = genesisBlock(params)
  const encode = (part: Partial<typeof extension> = {}): Uint8Array =>
    encodeWith((writer) => writeExtension(writer, { ...extension, ...part }))

  function altered(at: number, ...bytes: number[]): Uint8Array {
    const out = encode()
    out.set(bytes, at)
    return out
  }

  it('comes back as it was, in 261 bytes without evidence and votes', () => {
    const totals = { ...extension.totals, supply: sats(MAX_SATS), feeReserve: sats(1) }
    const full = {
      ...extension,
      height: 0xffff_ffff,
      view: 0xffff_ffff,
      timeMs: Number.MAX_SAFE_INTEGER,
      proposer: 0xffff,
      l1Height: 0xffff_ffff,
      feeRate: 0xffff_ffff,
      totals,
    }
    expect(decodeAll(encode(full), readExtension)).toEqual(full)
    expect(encode()).toHaveLength(261)
  })

  it('refuses another version, amounts that cannot be, and unsafe times', () => {
    expect(() => decodeAll(altered(0, 2), readExtension)).toThrow(DecodeError)
    expect(() => decodeAll(altered(9, ...many(8, 0xff)), readExtension)).toThrow(DecodeError)
    expect(() => decodeAll(altered(259 - 8, ...many(8, 0x7f)), readExtension)).toThrow(DecodeError)
  })
})

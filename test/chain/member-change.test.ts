import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import {
  checkMemberChange,
  checkMemberTerms,
  decodeMemberChange,
  encodeMemberChange,
  type MemberChange,
} from '../../src/chain/member-change.ts'
import { findMemberSet, getEpochBooks, pendingMemberSet } from '../../src/chain/member-sets.ts'
import { activeKeyEpoch, findKeyEpoch } from '../../src/chain/peg/key-epochs.ts'
import {
  currentValidators,
  hashOfSet,
  namedKeys,
  validatorSetAt,
} from '../../src/chain/validators.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { TestChain, testParams, validatorKey } from '../support/chain-world.ts'
import { aMemberChange, type Crew, keyOfCrew, setOfCrew } from '../support/member-changes.ts'

const params = testParams()
const founders: Crew = { epoch: 0, threshold: 3, members: [0, 1, 2, 3] }
const five: Crew = { epoch: 1, threshold: 3, members: [0, 1, 2, 3, 4] }
const change = aMemberChange(params, founders, five)
const context = {
  chainId: params.chainId,
  setHash: hashOfSet(setOfCrew(founders)),
  validators: params.validators,
}

const members = (count: number) => Array.from({ length: count }, (_, i) => validatorKey(i))

function codeOf(altered: Partial<MemberChange>): string {
  const checked = checkMemberChange(context, { ...change, ...altered })
  return checked.ok ? 'ok' : checked.error.code
}

describe('a change of members', () => {
  it('is approved by a quorum of the present validators, each once', () => {
    expect(codeOf({})).toBe('ok')
    expect(codeOf({ approvals: change.approvals.slice(1) })).toBe('ok')
    expect(codeOf({ approvals: change.approvals.slice(2) })).toBe('member-approvals-missing')
    const [first, ...rest] = change.approvals
    expect(codeOf({ approvals: [...rest, first!] })).toBe('member-approval-order')
    expect(codeOf({ approvals: [first!, first!, ...rest] })).toBe('member-approval-order')
    const forged = { signer: 3, signature: first!.signature }
    expect(codeOf({ approvals: [...change.approvals.slice(0, 3), forged] })).toBe('member-approval')
    const stranger = { signer: 4, signature: first!.signature }
    expect(codeOf({ approvals: [...change.approvals, stranger] })).toBe('member-approval')
  })

  it('binds every word of it, the chain, and who approves', () => {
    const key = validatorKey(9)
    expect(codeOf({ epoch: 2 })).toBe('member-approval')
    expect(codeOf({ threshold: 4 })).toBe('member-approval')
    expect(codeOf({ members: [...change.members.slice(0, 4), key] })).toBe('member-approval')
    expect(codeOf({ members: change.members.toReversed() })).toBe('member-approval')
    const elsewhere = { ...context, chainId: params.paramsHash }
    expect(checkMemberChange(elsewhere, change)).toMatchObject({
      error: { code: 'member-approval' },
    })
    const later = { ...context, setHash: hashOfSet(setOfCrew({ ...founders, epoch: 7 })) }
    expect(checkMemberChange(later, change)).toMatchObject({ error: { code: 'member-approval' } })
  })

  it('leads to a federation that f members cannot sign for or stop', () => {
    const code = (count: number, threshold: number): string => {
      const checked = checkMemberTerms({ members: members(count), threshold })
      return checked.ok ? 'ok' : checked.error.code
    }
    expect([code(3, 2), code(101, 50)]).toEqual(['member-count', 'member-count'])
    expect([code(4, 1), code(4, 2), code(4, 3), code(4, 4)]).toEqual([
      'member-threshold',
      'ok',
      'ok',
      'member-threshold',
    ])
    expect([code(7, 2), code(7, 3), code(7, 5), code(7, 6)]).toEqual([
      'member-threshold',
      'ok',
      'ok',
      'member-threshold',
    ])
    const twice = [...members(4), validatorKey(0)]
    expect(checkMemberTerms({ members: twice, threshold: 3 }).ok).toBe(false)
  })

  it('comes back as it was written, and reads nothing else', () => {
    const bytes = encodeMemberChange(change)
    expect(decodeMemberChange(bytes)).toEqual(change)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const altered = bytes.slice()
        altered[at] = (altered[at] ?? 0) ^ flip
        try {
          const decoded = decodeMemberChange(altered)
          expect(encodeMemberChange(decoded)).toEqual(altered)
          expect(checkMemberChange(context, decoded).ok).toBe(false)
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error
        }
      }),
      { numRuns: 200 },
    )
  })
})

const withChange = (one: MemberChange) => ({
  l1Section: { ...EMPTY_L1_SECTION, memberChanges: [one] },
})
const withKey = (crew: Crew) => ({
  l1Section: { ...EMPTY_L1_SECTION, keyEpochs: [keyOfCrew(params, crew)] },
})

function refusal(chain: TestChain, part: Parameters<TestChain['build']>[0]): string {
  const built = chain.build(part)
  return built.ok ? 'ok' : built.error.code
}

describe('a chain', () => {
  it('names the set that is to come, and goes on with the one that is', () => {
    const chain = new TestChain(params)
    chain.extend(withKey(founders))
    const block = chain.extend(withChange(change))
    const { view } = chain.state
    expect(pendingMemberSet(view)).toMatchObject({ epoch: 1, status: 'pending', approvedHeight: 2 })
    expect(currentValidators(view)).toEqual(setOfCrew(founders))
    expect(block.extension.nextValidatorSetHash).toBe(block.extension.validatorSetHash)
    expect(namedKeys(view)).toContain(validatorKey(4))
    expect(refusal(chain, withChange(change))).toBe('member-change-epoch')
  })

  it('replaces a set whose key is not there by a later one, and uses no number again', () => {
    const chain = new TestChain(params)
    chain.extend(withKey(founders))
    chain.extend(withChange(change))
    const four: Crew = { epoch: 2, threshold: 3, members: [0, 1, 2, 4] }
    chain.extend(withChange(aMemberChange(params, founders, four)))
    const { view } = chain.state
    expect(findMemberSet(view, 1)?.status).toBe('abandoned')
    expect(pendingMemberSet(view)?.epoch).toBe(2)
    expect(getEpochBooks(view).next).toBe(3)
    expect(refusal(chain, withKey(five))).toBe('key-epoch-unexpected')
    expect(refusal(chain, withChange(change))).toBe('member-change-epoch')
  })

  it('takes the new key as announced, and keeps the old one until the new one has proved itself', () => {
    const chain = new TestChain(params)
    chain.extend(withKey(founders))
    const both = {
      l1Section: {
        ...EMPTY_L1_SECTION,
        memberChanges: [change],
        keyEpochs: [keyOfCrew(params, five)],
      },
    }
    expect(refusal(chain, both)).toBe('key-epoch-unexpected')
    chain.extend(withChange(change))
    const wrong = keyOfCrew(params, { ...five, threshold: 4 })
    const other = keyOfCrew(params, { ...five, members: [0, 1, 2, 3, 5] })
    for (const [announcement, code] of [
      [wrong, 'key-epoch-threshold'],
      [other, 'key-epoch-unproved'],
    ] as const) {
      const l1Section = { ...EMPTY_L1_SECTION, keyEpochs: [announcement] }
      expect(refusal(chain, { l1Section })).toBe(code)
    }
    chain.extend(withKey(five))
    const { view } = chain.state
    expect(pendingMemberSet(view)).toMatchObject({ epoch: 1, status: 'announced' })
    expect(findKeyEpoch(view, 1)).toBeDefined()
    expect(activeKeyEpoch(view)?.epoch).toBe(0)
    expect(currentValidators(view).epoch).toBe(0)
    expect(refusal(chain, withKey(five))).toBe('key-epoch-unexpected')
  })

  it('without a key changes sets as soon as the new one has made one', () => {
    const chain = new TestChain(params)
    chain.extend(withChange(change))
    const last = chain.extend(withKey(five))
    const { view, tip } = chain.state
    expect(last.extension.nextValidatorSetHash).toBe(hashOfSet(setOfCrew(five)))
    expect(last.extension.validatorSetHash).toBe(hashOfSet(setOfCrew(founders)))
    expect(activeKeyEpoch(view)?.epoch).toBe(1)
    expect(validatorSetAt(view, tip.height)).toEqual(setOfCrew(founders))
    expect(validatorSetAt(view, tip.height + 1)).toEqual(setOfCrew(five))
    expect(refusal(chain, { proposer: 4 })).toBe('ok')
    expect(refusal(chain, { proposer: 5 })).toBe('bad-proposer')
    const next = chain.extend({ proposer: 4 })
    expect(next.extension.validatorSetHash).toBe(last.extension.nextValidatorSetHash)
    // Those who approve are the present ones.
    const six: Crew = { epoch: 2, threshold: 4, members: [1, 2, 3, 4, 5, 6] }
    expect(refusal(chain, withChange(aMemberChange(params, founders, six)))).not.toBe('ok')
    expect(refusal(chain, withChange(aMemberChange(params, five, six, [0, 2, 3, 4])))).toBe('ok')
    expect(refusal(chain, withKey(founders))).toBe('key-epoch-unexpected')
  })
})

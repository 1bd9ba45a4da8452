import { describe, expect, it } from 'vitest'
import type { Statement, Vote } from '../../src/consensus/votes.ts'
import { verifyVote } from '../../src/consensus/votes.ts'
import type { WalRecord } from '../../src/consensus/wal-record.ts'
import { createSignGuard } from '../../src/node/sign-guard.ts'
import { type BlockHash, toBlockHash } from '../../src/primitives/hashes.ts'
import { testParams } from '../support/chain-world.ts'
import { validatorIdentity } from '../support/node-world.ts'

const params = testParams()
const identity = { ...validatorIdentity(1), index: 1 }
const context = { chainId: params.chainId, epoch: 0, validators: params.validators }
const a: BlockHash = toBlockHash('aa'.repeat(32))
const b: BlockHash = toBlockHash('bb'.repeat(32))

const guard = (records: readonly WalRecord[] = [], decided = 4) =>
  createSignGuard(identity, context, decided, records)
const notarize = (blockHash: BlockHash, view = 0): Statement => ({
  type: 'notarize',
  height: 5,
  view,
  blockHash,
})
const finalize = (blockHash: BlockHash): Statement => ({ ...notarize(blockHash), type: 'finalize' })
const nullify: Statement = { type: 'nullify', height: 5, view: 0 }
const recordOf = (statement: Statement, signer = 1): WalRecord => {
  const vote: Vote = { ...statement, signer, signature: new Uint8Array(64) }
  return { kind: 'vote', height: statement.height, vote }
}

describe('the sign guard', () => {
  it('signs what verifies, and the same again', () => {
    const guarded = guard()
    const signature = guarded.sign(notarize(a))
    if (signature === undefined) throw new TypeError('refused')
    expect(verifyVote({ ...notarize(a), signer: 1, signature }, context)).toBe(true)
    expect(guarded.sign(notarize(a))).toBeDefined()
  })

  it('refuses a second block in a view, and takes one in the next', () => {
    const guarded = guard()
    guarded.sign(notarize(a))
    expect(guarded.sign(notarize(b))).toBeUndefined()
    expect(guarded.sign(notarize(b, 1))).toBeDefined()
  })

  it('refuses both ways out of a view, in either order', () => {
    const first = guard()
    first.sign(nullify)
    expect(first.sign(finalize(a))).toBeUndefined()
    const second = guard()
    second.sign(finalize(a))
    expect(second.sign(nullify)).toBeUndefined()
    expect(second.sign(finalize(b))).toBeUndefined()
  })

  it('lets notarize go with either', () => {
    const guarded = guard()
    guarded.sign(notarize(a))
    expect(guarded.sign(nullify)).toBeDefined()
  })

  it('signs nothing about decided heights', () => {
    expect(guard([], 5).sign(nullify)).toBeUndefined()
    const guarded = guard()
    guarded.decided(5)
    expect(guarded.sign(nullify)).toBeUndefined()
    guarded.decided(3)
    expect(guarded.sign(nullify)).toBeUndefined()
    expect(guarded.sign({ ...nullify, height: 6 })).toBeDefined()
  })

  it('remembers over a restart, also votes of a later height', () => {
    const guarded = guard([
      recordOf(notarize(a)),
      recordOf(finalize(a)),
      recordOf({ ...notarize(a), height: 6 }),
    ])
    expect(guarded.sign(notarize(b))).toBeUndefined()
    expect(guarded.sign(nullify)).toBeUndefined()
    expect(guarded.sign(notarize(a))).toBeDefined()
    guarded.decided(5)
    expect(guarded.sign({ ...notarize(b), height: 6 })).toBeUndefined()
  })

  it('takes no notice of what others have signed', () => {
    expect(guard([recordOf(notarize(a), 2)]).sign(notarize(b))).toBeDefined()
  })

  it('knows a certificate with a signature by its key that it has not made', () => {
    const certificate = { ...finalize(a), bitmap: Uint8Array.of(0b0111), signatures: [] }
    const guarded = guard()
    expect(guarded.isForeign(certificate)).toBe(true)
    expect(guarded.isForeign({ ...certificate, bitmap: Uint8Array.of(0b1101) })).toBe(false)
    guarded.sign(finalize(a))
    expect(guarded.isForeign(certificate)).toBe(false)
    expect(guarded.isForeign({ ...certificate, ...finalize(b) })).toBe(true)
    expect(guard([recordOf(finalize(a))]).isForeign(certificate)).toBe(false)
    expect(guard([recordOf(finalize(a), 2)]).isForeign(certificate)).toBe(true)
  })
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withdrawScript } from '../../../src/bitcoin/script.ts'
import { EMPTY_L1_SECTION } from '../../../src/chain/l1-section.ts'
import {
  decidesFreeze,
  findFreeze,
  findFreezeVote,
  isFrozen,
} from '../../../src/chain/peg/freeze.ts'
import {
  decodeFreezeVote,
  encodeFreezeVote,
  FREEZE_VOTE_BYTES,
  type FreezeVote,
} from '../../../src/chain/peg/freeze-vote.ts'
import { findRelease } from '../../../src/chain/peg/releases.ts'
import { DecodeError } from '../../../src/primitives/codec.ts'
import { sats } from '../../../src/primitives/units.ts'
import { aUser, mintedWorld, spend, TestChain, testParams } from '../../support/chain-world.ts'
import { freezeVote, freezeVotes } from '../../support/freeze-votes.ts'

const params = testParams()
const stop = { serial: 10, freeze: true }
const go = { serial: 11, freeze: false }

function codeOf(chain: TestChain, votes: readonly FreezeVote[]): string {
  const built = chain.build({ freezeVotes: votes })
  return built.ok ? 'ok' : built.error.code
}

describe('freeze votes in blocks', () => {
  it('freeze with a quorum and not with fewer, across blocks', () => {
    const chain = new TestChain(params)
    chain.extend({ freezeVotes: freezeVotes(params, [0, 1], stop) })
    expect(isFrozen(chain.state.view)).toBe(false)
    chain.extend()
    const block = chain.extend({ freezeVotes: freezeVotes(params, [3], stop) })
    expect(findFreeze(chain.state.view)).toEqual({
      height: 3,
      timeMs: block.extension.timeMs,
      l1Height: 0,
    })
    const vote = freezeVote(params, { validator: 3, ...stop })
    expect(findFreezeVote(chain.state.view, vote.validator)).toEqual({ ...vote, height: 3 })
  })

  it('stay frozen until a quorum says go on, whoever changes his mind', () => {
    const chain = new TestChain(params)
    chain.extend({ freezeVotes: freezeVotes(params, [0, 1, 2], stop) })
    chain.extend({ freezeVotes: freezeVotes(params, [0, 1], go) })
    expect(findFreeze(chain.state.view)?.height).toBe(1)
    chain.extend({ freezeVotes: freezeVotes(params, [1], { serial: 12, freeze: true }) })
    chain.extend({ freezeVotes: freezeVotes(params, [3], go) })
    expect(isFrozen(chain.state.view)).toBe(true)
    chain.extend({ freezeVotes: freezeVotes(params, [2], go) })
    expect(isFrozen(chain.state.view)).toBe(false)
    // Again later: since then.
    chain.extend({ freezeVotes: freezeVotes(params, [0, 2], { serial: 20, freeze: true }) })
    expect(findFreeze(chain.state.view)?.height).toBe(6)
  })

  it('are known to decide, before a block carries them', () => {
    const chain = new TestChain(params)
    const decides = (votes: readonly FreezeVote[]) => decidesFreeze(chain.state.view, votes)
    expect(decides([])).toBe(false)
    expect(decides(freezeVotes(params, [0, 1], stop))).toBe(false)
    expect(decides(freezeVotes(params, [0, 1, 2], stop))).toBe(true)
    expect(decides(freezeVotes(params, [0, 1, 2], go))).toBe(false)
    chain.extend({ freezeVotes: freezeVotes(params, [0, 1, 2], stop) })
    expect(decides([])).toBe(false)
    expect(decides(freezeVotes(params, [3], stop))).toBe(false)
    expect(decides(freezeVotes(params, [0, 1], go))).toBe(false)
    expect(decides(freezeVotes(params, [0, 1, 3], go))).toBe(true)
  })

  it('count the newest of each validator, and cannot be played again', () => {
    const chain = new TestChain(params)
    const votes = freezeVotes(params, [0, 1, 2], stop)
    chain.extend({ freezeVotes: votes })
    chain.extend({ freezeVotes: freezeVotes(params, [0, 1, 2], go) })
    expect(codeOf(chain, votes)).toBe('bad-freeze-vote-known')
    expect(codeOf(chain, freezeVotes(params, [0], { serial: 11, freeze: true }))).toBe(
      'bad-freeze-vote-known',
    )
    expect(isFrozen(chain.state.view)).toBe(false)
  })

  it('are of validators of this chain, signed, one of each, in order', () => {
    const chain = new TestChain(params)
    const votes = freezeVotes(params, [0, 1], stop)
    const [first, second] = votes
    if (first === undefined || second === undefined) throw new TypeError('two votes')
    expect(codeOf(chain, votes)).toBe('ok')
    expect(codeOf(chain, [second, first])).toBe('bad-freeze-vote-order')
    expect(codeOf(chain, [first, first])).toBe('bad-freeze-vote-order')
    expect(codeOf(chain, [{ ...first, signature: second.signature }])).toBe('bad-freeze-vote')
    expect(codeOf(chain, [{ ...first, serial: 11 }])).toBe('bad-freeze-vote')
    expect(codeOf(chain, [{ ...first, freeze: false }])).toBe('bad-freeze-vote')
    const stranger = freezeVote(testParams(5), { validator: 4, ...stop })
    expect(codeOf(chain, [stranger])).toBe('bad-freeze-vote-known')
    const elsewhere = freezeVote(testParams(5), { validator: 0, ...stop })
    expect(codeOf(chain, [elsewhere])).toBe('bad-freeze-vote')
  })

  it('decode to what was encoded, and fail in one way only', () => {
    const vote = freezeVote(params, { validator: 2, ...stop })
    const bytes = encodeFreezeVote(vote)
    expect(bytes).toHaveLength(FREEZE_VOTE_BYTES)
    expect(decodeFreezeVote(bytes)).toEqual(vote)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2 * FREEZE_VOTE_BYTES }), (noise) => {
        try {
          expect(encodeFreezeVote(decodeFreezeVote(noise))).toEqual(noise)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
    )
  })
})

describe('a frozen peg', () => {
  it('builds no batch, and pays what has queued up when it goes on', () => {
    const { chain, l1, coin } = mintedWorld(1_000_000n)
    chain.extend({ freezeVotes: freezeVotes(params, [0, 1, 2], stop) })
    const burn = {
      value: sats(400_000),
      script: withdrawScript(aUser('bob on l1').script),
    }
    const rest = { value: sats(599_000), script: aUser('alice').script }
    chain.extend({ transactions: [spend(aUser('alice'), [coin], [burn, rest])] })
    l1.mine()
    chain.extend({ l1Section: { ...EMPTY_L1_SECTION, headers: chain.headersTo(l1) } })
    chain.extend()
    const stage = () => findRelease(chain.state.view, 0)?.stage.kind
    expect(stage()).toBe('queued')
    chain.extend({ freezeVotes: freezeVotes(params, [0, 1, 3], go) })
    expect(stage()).toBe('batched')
  })
})

import { describe, expect, it } from 'vitest'
import { LAN_TIMINGS } from '../../src/consensus/config.ts'
import type { Effect } from '../../src/consensus/events-and-effects.ts'
import { findContradiction } from '../../src/consensus/evidence.ts'
import { createConsensus } from '../../src/consensus/step.ts'
import type { Vote } from '../../src/consensus/votes.ts'
import type { WalRecord } from '../../src/consensus/wal-record.ts'
import { ZERO_BLOCK_HASH } from '../../src/primitives/hashes.ts'
import { openCounterBlock } from '../../src/simulator/counter-block.ts'
import { CoreHarness, type HarnessOptions } from '../support/core-harness.ts'

const work = { kind: 'work', present: true } as const

/** Votes that may have left: those behind the first `durable` records. */
function released(effects: readonly Effect[], durable: number): Vote[] {
  const votes: Vote[] = []
  let records = 0
  for (const effect of effects) {
    if (effect.kind === 'persist') records++
    if (records > durable) break
    if (effect.kind !== 'broadcast') continue
    if (effect.message.kind === 'vote') votes.push(effect.message.vote)
    if (effect.message.kind === 'propose') votes.push(effect.message.leaderVote)
  }
  return votes
}

/** A height with everything in it; the world is not the same after the crash. */
function story(options: HarnessOptions, transaction: number): CoreHarness {
  const h = new CoreHarness({ ...options, builds: [transaction] })
  h.step(work)
  const block = h.block(0, [transaction])
  if (h.leader(0) !== h.self) h.receive(h.proposal(0, block), h.leader(0))
  if (transaction % 2 === 0) h.timer('notarize', 0)
  const proposed = h.votesCast().find((vote) => vote.type === 'notarize')?.blockHash
  h.receiveVotes(h.others, 'notarize', 0, proposed ?? block.hash)
  h.timer('finalize', 0)
  h.receiveVotes(h.others, 'nullify', 1)
  h.timer('notarize', 2)
  return h
}

describe('restart', () => {
  it('comes before everything else', () => {
    const h = new CoreHarness()
    const core = createConsensus(
      {
        chainId: h.context.chainId,
        validatorSet: { epoch: 0, keys: h.context.validators },
        self: 0,
        height: 1,
        parentHash: ZERO_BLOCK_HASH,
        voteFromHeight: 0,
        minBlockIntervalMs: 0,
        timings: LAN_TIMINGS,
      },
      { sign: () => undefined, openBlock: openCounterBlock },
    )
    const vote = h.vote(0, 'nullify', 0)
    const message = { kind: 'message', from: 0, message: { kind: 'vote', vote } } as const
    expect(() => core.step(0, message)).toThrow('before the start')
  })

  it.each(['notarize', 'nullify', 'finalize'] as const)(
    'of everybody after %s: own votes count again, and f silent validators stop nobody',
    (type) => {
      const before = new CoreHarness()
      const block = before.block(0, [1])
      before.step(work)
      if (type === 'nullify') before.timer('propose', 0)
      else before.receive(before.proposal(0, block), before.leader(0))
      if (type === 'finalize') before.receiveVotes(before.others, 'notarize', 0, block.hash)
      expect(before.said().at(-1)).toBe(`${type}/0`)

      const after = new CoreHarness({ records: before.records })
      const hash = type === 'nullify' ? undefined : block.hash
      // Two others and the own vote of the log are a quorum; the fourth validator is silent.
      after.receiveVotes(after.others.slice(0, 2), type, 0, hash)
      if (type === 'notarize') expect(after.said()).toEqual(['finalize/0'])
      if (type === 'nullify') expect(after.core.snapshot().view).toBe(1)
      if (type === 'finalize') expect(after.of('commit')).toHaveLength(1)
    },
  )

  it('in a later view comes back to it, with its own proposal for whoever lacks it', () => {
    const before = new CoreHarness({ leadsView: 1, builds: [5] })
    before.receiveVotes(before.others, 'nullify', 0)
    expect(before.said()).toEqual(['nullify/0', 'notarize/1'])
    const after = new CoreHarness({ leadsView: 1, builds: [6], records: before.records })
    expect(after.core.snapshot()).toMatchObject({ view: 1, active: true })
    expect(after.of('build')).toEqual([])
    const detail = {
      notarize: new Uint8Array(1),
      nullify: new Uint8Array(1),
      finalize: [],
      hasProposal: false,
      hasNotarization: false,
    }
    const status = { kind: 'status', height: 1, view: 1, detail } as const
    const sent = after
      .of('send', after.receive(status, after.others[0]))
      .map(({ message }) => message)
    const proposal = sent.find((message) => message.kind === 'propose')
    expect(proposal).toMatchObject({
      leaderVote: { view: 1 },
      justification: { nulls: [{ view: 0 }] },
    })
  })

  it('ignores records of other heights', () => {
    const h = new CoreHarness()
    const vote = h.vote(h.self, 'nullify', 4, undefined, 2)
    const after = new CoreHarness({ records: [{ kind: 'vote', height: 2, vote }] })
    expect(after.core.snapshot()).toMatchObject({ view: 0, active: false })
  })

  it('at every point of the log leads to no second, different vote', () => {
    for (const leadsView of [0, 1, 2, 3]) {
      for (const [first, second] of [
        [1, 3],
        [1, 2],
        [2, 1],
        [2, 4],
      ] as const) {
        const before = story({ leadsView }, first)
        const log: readonly WalRecord[] = before.records
        for (let durable = 0; durable <= log.length; durable++) {
          const after = story({ leadsView, records: log.slice(0, durable) }, second)
          const votes = [...released(before.effects, durable), ...after.votesCast()]
          for (const a of votes) {
            for (const b of votes) {
              const place = `view ${leadsView}, ${first} then ${second}, ${durable} durable`
              expect(findContradiction(a, b), place).toBeUndefined()
            }
          }
        }
      }
    }
  })
})

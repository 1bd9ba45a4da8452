/**
 * Mistakes that other systems have shipped: each row of the list is a test here or in
 * `bug-checklist-runs.test.ts`, or names the test that covers it where the code is. Row 28, the price
 * of worker threads, is measured by the benchmarks: no test may time anything.
 */

import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { bitmapIndexes } from '../../src/consensus/certificate.ts'
import { faultTolerance, quorumSize } from '../../src/consensus/quorum.ts'
import { verifyMessage } from '../../src/consensus/verify-message.ts'
import { simulateConsensus } from '../../src/simulator/consensus-simulation.ts'
import { CoreHarness } from '../support/core-harness.ts'

const work = { kind: 'work', present: true } as const
const NOTHING_KNOWN = { hasVote: () => false, hasCertificate: () => false }

describe('1 · the quorum where n is not 3f + 1', () => {
  it('is n − f: two of them share an honest validator, and the honest ones are one', () => {
    for (let n = 1; n <= 100; n++) {
      const [f, q] = [faultTolerance(n), quorumSize(n)]
      expect(2 * q - n, `n = ${n}`).toBeGreaterThanOrEqual(f + 1)
      expect(n - f, `n = ${n}`).toBeGreaterThanOrEqual(q)
    }
    expect([4, 5, 6, 8, 9].map(quorumSize)).toEqual([3, 4, 5, 6, 7])
  })
})

describe('6 · a hidden notarization', () => {
  it.each([1, 2])(
    'that one node alone saw, at the place %i of the order, stops nobody',
    (place) => {
      const h = new CoreHarness({ leadsView: place, builds: [9] })
      const seen = h.block(0, [1])
      h.receive(h.proposal(0, seen), h.leader(0))
      h.receiveVotes(h.others, 'notarize', 0, seen.hash)
      h.receiveVotes(h.others, 'nullify', 0)
      expect(h.core.snapshot().view).toBe(1)
      if (place === 1) {
        const own = h.votesCast().find((vote) => vote.type === 'notarize' && vote.view === 1)
        expect(own?.blockHash).toBe(seen.hash)
        return
      }
      const fresh = h.block(1, [2])
      h.receive(h.proposal(1, fresh, { nulls: [h.certificate('nullify', 0)] }), h.leader(1))
      expect(h.said().at(-1)).toBe('notarize/1')
    },
  )
})

describe('8 · a decision in another view than the own one', () => {
  it('is taken, vote by vote, from a view far ahead and from one left behind', () => {
    for (const view of [0, 30]) {
      const h = new CoreHarness({ leadsView: 3 })
      const block = h.block(0, [1])
      h.receive(h.proposal(0, block), h.leader(0))
      h.receiveVotes(h.others, 'nullify', 0)
      expect(h.core.snapshot().view).toBe(1)
      for (const signer of h.others) h.receiveVotes([signer], 'finalize', view, block.hash)
      expect(h.of('commit')).toMatchObject([{ certificate: { view } }])
    }
  })
})

describe('9 · state of an old height or view in the new one', () => {
  it('is nowhere: a late vote, timer, body or verdict of the old height does nothing', () => {
    const h = new CoreHarness({ leadsView: 3 })
    const block = h.block(0, [1])
    h.receive(h.proposal(0, block), h.leader(0))
    h.step({ kind: 'decided', block, certificate: h.certificate('finalize', 0, block.hash) })
    expect(h.core.snapshot()).toMatchObject({ height: 2, view: 0, active: false, bodies: 0 })
    const before = h.effects.length
    h.receiveVotes(h.others, 'nullify', 0)
    h.receive({ kind: 'block', height: 1, block: block.bytes }, h.others[0])
    h.timer('notarize', 0)
    h.step({ kind: 'block-ready', hash: block.hash, fresh: true, verdict: 'invalid' })
    expect(h.effects.length).toBe(before)
    expect(h.core.snapshot()).toMatchObject({ height: 2, view: 0, active: false, bodies: 0 })
  })
})

describe('10 · one signer counted twice', () => {
  it('does not happen: two signatures of one on a statement are one vote', () => {
    const h = new CoreHarness({ leadsView: 0 })
    const [a, b] = h.others as [number, number]
    h.receiveVotes([a, b], 'nullify', 0)
    const again = { ...h.vote(a, 'nullify', 0), signature: new Uint8Array(64).fill(1) }
    h.step({ kind: 'message', from: b, message: { kind: 'vote', vote: again } })
    expect(h.core.snapshot().view).toBe(0)
  })

  it('does not happen in a certificate: it has one bit and one signature for each', () => {
    const h = new CoreHarness()
    const certificate = h.certificate('nullify', 0)
    const [first = new Uint8Array(64)] = certificate.signatures
    const twice = { ...certificate, signatures: [...certificate.signatures.slice(0, 2), first] }
    expect(bitmapIndexes(certificate.bitmap)).toHaveLength(3)
    const message = { kind: 'enter', height: 1, view: 1, certificates: [twice] } as const
    expect(verifyMessage(message, h.context, NOTHING_KNOWN)).toBe(false)
  })
})

describe('11 · a certificate with some bad signatures', () => {
  it('is refused whole, and its good votes do not count', () => {
    const h = new CoreHarness({ leadsView: 3 })
    const good = h.certificate('nullify', 0)
    const signatures = good.signatures.with(2, new Uint8Array(64).fill(7))
    const certificates = [{ ...good, signatures }]
    h.receive({ kind: 'enter', height: 1, view: 1, certificates }, h.others[0])
    expect(h.core.snapshot().view).toBe(0)
    h.receiveVotes(h.others.slice(0, 1), 'nullify', 0)
    expect(h.core.snapshot().view).toBe(0)
  })
})

describe('13 · a body that is not the proposal’s', () => {
  it('is no proposal, and no verdict on the hash', () => {
    const h = new CoreHarness({ leadsView: 3 })
    const [voted, other] = [h.block(0, [1]), h.block(0, [2])]
    h.receive({ ...h.proposal(0, voted), block: other.bytes }, h.leader(0))
    expect(h.of('validate')).toEqual([])
    expect(h.said()).toEqual([])
    h.receive(h.proposal(0, voted), h.leader(0))
    expect(h.said()).toEqual(['notarize/0'])
  })
})

describe('14 · heights that peers claim', () => {
  it('are believed by nobody, and the runs with a liar come to the same end', () => {
    const h = new CoreHarness({ leadsView: 3 })
    h.receive({ kind: 'status', height: 1_000_000, view: 9 }, h.others[0])
    expect(h.core.snapshot()).toMatchObject({ height: 1, view: 0, active: false })
    for (let seed = 400; seed < 405; seed++) {
      const options = { seed, validators: 4, faultyMs: 5_000, transactions: 20, byzantine: 1 }
      expect(
        simulateConsensus({ ...options, adversaries: ['height-liar'] }).height,
      ).toBeGreaterThan(0)
    }
  })
})

describe('18 · what was sent is taken for delivered', () => {
  it('is not: a peer that still lacks it gets it again', () => {
    const h = new CoreHarness({ leadsView: 0 })
    h.receiveVotes(h.others.slice(0, 2), 'nullify', 0)
    const peer = h.others[0] as number
    const nothing = new Uint8Array(1)
    const status = {
      kind: 'status',
      height: 1,
      view: 0,
      detail: {
        notarize: nothing,
        nullify: nothing,
        finalize: [],
        hasProposal: false,
        hasNotarization: false,
      },
    } as const
    for (let i = 0; i < 3; i++) {
      h.nowMs += 1_000
      expect(h.of('send', h.receive(status, peer))).toHaveLength(2)
    }
  })
})

describe('20 · timers of an old view', () => {
  it('do nothing in the new one, in any number and order', () => {
    const h = new CoreHarness({ leadsView: 3 })
    h.step(work)
    h.receiveVotes(h.others, 'nullify', 0)
    const before = h.said().length
    for (let i = 0; i < 50; i++) {
      for (const timer of ['finalize', 'notarize', 'propose'] as const) h.timer(timer, 0)
    }
    expect(h.said()).toHaveLength(before)
    expect(h.core.snapshot().view).toBe(1)
  })
})

describe('21 · a verdict that changes', () => {
  it('is not asked of a block that was notarized before, and the first answer stays', () => {
    const h = new CoreHarness({ leadsView: 3, verdict: 'none' })
    const block = h.block(0, [1])
    h.receive(h.proposal(0, block), h.leader(0))
    h.step({ kind: 'block-ready', hash: block.hash, fresh: true, verdict: 'invalid' })
    expect(h.said()).toEqual(['nullify/0'])
    const base = h.certificate('notarize', 0, block.hash)
    h.receive(h.proposal(1, block, { base, nulls: [] }), h.leader(1))
    expect(h.of('validate').map(({ fresh }) => fresh)).toEqual([true, false])
    h.step({ kind: 'block-ready', hash: block.hash, fresh: false, verdict: 'valid' })
    h.step({ kind: 'block-ready', hash: block.hash, fresh: false, verdict: 'invalid' })
    expect(h.said()).toEqual(['nullify/0', 'notarize/1'])
    expect(h.core.snapshot().halted).toBeUndefined()
  })
})

describe('26 · messages about heights to come', () => {
  it('are kept for the next one only, and few of each sender', () => {
    const h = new CoreHarness()
    const [a, b] = h.others as [number, number]
    for (let height = 2; height < 1_000; height++) {
      for (const signer of [a, b]) {
        const vote = h.vote(signer, 'nullify', height % 3, undefined, height)
        h.receive({ kind: 'vote', vote }, signer)
      }
    }
    for (let view = 0; view < 100; view++) {
      h.receive({ kind: 'vote', vote: h.vote(a, 'nullify', view, undefined, 2) }, a)
    }
    expect(h.core.snapshot().bufferedMessages).toBe(9)
  })
})

/** Row, what it is about, the file of the test, and its title. */
const ELSEWHERE: readonly (readonly [string, string, string])[] = [
  [
    '3 · a second vote after a crash anywhere',
    'test/consensus/restart.test.ts',
    'at every point of the log leads to no second, different vote',
  ],
  [
    '4 · votes handled before the log is read',
    'test/consensus/restart.test.ts',
    'comes before everything else',
  ],
  [
    '5 · a torn log',
    'test/storage/append-log.test.ts',
    'drops the torn last append and nothing else, at every byte',
  ],
  [
    '5 · a flipped bit',
    'test/storage/append-log.test.ts',
    'never drops an append but the last, whichever bit flips',
  ],
  [
    '5 · a full or broken disk',
    'test/storage/append-log.test.ts',
    'rejects the write that failed and everything after it',
  ],
  [
    '5 · records under a wrong height',
    'test/consensus/wal-record.test.ts',
    'under another height than their contents are refused',
  ],
  [
    '5 · a node on a disk that fails',
    'test/node/node.test.ts',
    'halts, says why, and sends nothing that depends on it',
  ],
  [
    '12 · malformed messages',
    'test/consensus/messages.test.ts',
    'decoding spoiled bytes throws nothing but DecodeError, and is canonical',
  ],
  [
    '12 · bitmaps and indexes out of range',
    'test/consensus/certificate.test.ts',
    'of a size that no set has is refused before its signatures are read',
  ],
  [
    '15 · answers with gaps',
    'test/consensus/sync-messages.test.ts',
    'answers with contiguous heights only',
  ],
  ['15 · bad servers', 'test/node/hostile-peers.test.ts', 'is sent away, and another one is asked'],
  ['15 · all restart at once', 'test/node/node.test.ts', 'comes back when all crash at once'],
  [
    '16 · a crash between decision and commit',
    'test/node/chain-service.test.ts',
    'goes on after a crash at any commit',
  ],
  [
    '23 · evidence of nothing',
    'test/consensus/evidence.test.ts',
    'is not made of votes that an honest validator may cast',
  ],
  [
    '23 · evidence twice or too old',
    'test/chain/evidence.test.ts',
    'is about the block’s own height at most, and not too old',
  ],
  ['24 · an empty set', 'test/consensus/quorum.test.ts', 'refuses an empty set'],
  [
    '29 · streams that do not drain',
    'test/p2p/network.test.ts',
    'hold a bounded queue for a peer that does not read, then try a new stream',
  ],
  [
    '29 · dead sockets',
    'test/p2p/network.test.ts',
    'are made anew when the wire goes dead without a word',
  ],
  [
    '30 · gossip that eats a repetition',
    'test/p2p/gossip.test.ts',
    'delivers the same payload again when it is published again',
  ],
  [
    '30 · a poisoned first copy',
    'test/node/hostile-peers.test.ts',
    'of a decided block with another body is rejected, and the good copy still travels',
  ],
  [
    '30 · an observer behind those that had it directly',
    'test/node/node.test.ts',
    'follows a validator that was not the proposer',
  ],
]

describe('where its code is, there is a test of', () => {
  it.each(ELSEWHERE)('%s', (_, file, title) => {
    expect(existsSync(file), file).toBe(true)
    expect(readFileSync(file, 'utf8')).toContain(title)
  })
})

describe('22 · time from what certificates say', () => {
  it('has no place: a block’s hash is the same whoever has signed for it', () => {
    const committed = [
      [0, 1, 2],
      [1, 2, 3],
    ].map((signers) => {
      const h = new CoreHarness({ leadsView: 3, follower: true })
      const block = h.block(0, [1])
      h.receive(h.proposal(0, block), h.leader(0))
      h.receiveVotes(signers, 'finalize', 0, block.hash)
      return h.of('commit')[0]
    })
    expect(committed[0]?.certificate).not.toEqual(committed[1]?.certificate)
    expect(committed[0]?.block).toEqual(committed[1]?.block)
  })
})

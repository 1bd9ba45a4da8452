import { describe, expect, it } from 'vitest'
import type { Message } from '../../src/consensus/messages.ts'
import { verifyMessage } from '../../src/consensus/verify-message.ts'
import { CoreHarness } from '../support/core-harness.ts'

const h = new CoreHarness()
const nothing = { hasVote: () => false, hasCertificate: () => false }
const block = h.block(1, [1])
const vote = h.vote(1, 'nullify', 0)
const forged = { ...vote, signature: new Uint8Array(64) }
const nullify = h.certificate('nullify', 0)
const badCertificate = { ...nullify, signatures: nullify.signatures.map(() => new Uint8Array(64)) }
const proposal = h.proposal(1, block, { nulls: [nullify] })
const finality = h.certificate('finalize', 1, block.hash)

const cases: [string, Message, boolean][] = [
  ['a vote', { kind: 'vote', vote }, true],
  ['a forged vote', { kind: 'vote', vote: forged }, false],
  ['a vote of nobody', { kind: 'vote', vote: { ...vote, signer: 9 } }, false],
  ['a proposal', proposal, true],
  [
    'a proposal with a forged justification',
    { ...proposal, justification: { nulls: [badCertificate] } },
    false,
  ],
  [
    'a proposal with a forged vote',
    { ...proposal, leaderVote: { ...proposal.leaderVote, view: 2 } },
    false,
  ],
  ['an entry', { kind: 'enter', height: 1, view: 1, certificates: [nullify] }, true],
  [
    'an entry with one bad certificate',
    { kind: 'enter', height: 1, view: 1, certificates: [nullify, badCertificate] },
    false,
  ],
  ['a decided block', { kind: 'decided', block: block.bytes, certificate: finality }, true],
  [
    'a decided block with a bad certificate',
    { kind: 'decided', block: block.bytes, certificate: { ...finality, height: 2 } },
    false,
  ],
  [
    'evidence',
    { kind: 'evidence', first: vote, second: h.vote(1, 'finalize', 0, block.hash) },
    true,
  ],
  ['evidence of nothing', { kind: 'evidence', first: vote, second: vote }, false],
  [
    'evidence against two',
    { kind: 'evidence', first: vote, second: h.vote(2, 'finalize', 0, block.hash) },
    false,
  ],
  [
    'evidence with a forged vote',
    { kind: 'evidence', first: forged, second: h.vote(1, 'finalize', 0, block.hash) },
    false,
  ],
  ['a status', { kind: 'status', height: 1, view: 0 }, true],
]

describe('signatures of messages', () => {
  it.each(cases)('%s', (_, message, valid) => {
    expect(verifyMessage(message, h.context, nothing)).toBe(valid)
  })

  it('of statements that the core holds are not checked again, and its own copies are used', () => {
    const core = new CoreHarness({ leadsView: 2 })
    core.receiveVotes(core.others, 'nullify', 0)
    const again = { ...proposal, justification: { nulls: [badCertificate] } }
    expect(verifyMessage(again, core.context, core.core)).toBe(true)
    core.receive(again, core.leader(1))
    const record = core.records.find((found) => found.kind === 'vote' && found.vote.view === 1)
    const kept = record?.kind === 'vote' ? record.justification?.nulls[0] : undefined
    expect(kept).toBeDefined()
    expect(kept).not.toEqual(badCertificate)
  })
})

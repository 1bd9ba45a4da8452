import { describe, expect, it } from 'vitest'
import type { Vote } from '../../src/consensus/votes.ts'
import { GossipForwarding } from '../../src/node/gossip-forwarding.ts'
import { toBlockHash } from '../../src/primitives/hashes.ts'

function aMemory() {
  const world = { nowMs: 0 }
  return { world, forwarding: new GossipForwarding({ pauseMs: 1_000 }, () => world.nowMs) }
}

function aVote(view: number, signer = 3, block = 1): Vote {
  const blockHash = toBlockHash(block.toString(16).padStart(64, '0'))
  const signature = new Uint8Array(64)
  return { type: 'notarize', height: 9, view, blockHash, signer, signature }
}

describe('what is forwarded', () => {
  it('is a statement once per pause', () => {
    const { world, forwarding } = aMemory()
    expect(forwarding.mayForwardVote(aVote(0))).toBe(true)
    forwarding.forwardedVote(aVote(0))
    world.nowMs = 999
    expect(forwarding.mayForwardVote(aVote(0))).toBe(false)
    expect(forwarding.mayForwardVote(aVote(0, 2))).toBe(true)
    expect(forwarding.mayForwardVote(aVote(1))).toBe(true)
    world.nowMs = 1_000
    expect(forwarding.mayForwardVote(aVote(0))).toBe(true)
  })

  it('is two proposals of a view, each once', () => {
    const { forwarding } = aMemory()
    for (const block of [1, 2]) {
      expect(forwarding.mayForwardProposal(aVote(0, 3, block))).toBe(true)
      forwarding.forwardedProposal(aVote(0, 3, block))
      expect(forwarding.mayForwardProposal(aVote(0, 3, block))).toBe(false)
    }
    expect(forwarding.mayForwardProposal(aVote(0, 3, 3))).toBe(false)
    expect(forwarding.mayForwardProposal(aVote(1, 3, 3))).toBe(true)
  })

  it('is bounded for a validator that signs without end, and for nobody else', () => {
    const { world, forwarding } = aMemory()
    let votes = 0
    let proposals = 0
    for (let view = 0; view < 10_000; view++) {
      world.nowMs += 1
      if (forwarding.mayForwardVote(aVote(view))) {
        forwarding.forwardedVote(aVote(view))
        votes += 1
      }
      if (forwarding.mayForwardProposal(aVote(view))) {
        forwarding.forwardedProposal(aVote(view))
        proposals += 1
      }
    }
    // Ten seconds.
    expect(votes).toBeLessThanOrEqual(64 + 80)
    expect(proposals).toBeLessThanOrEqual(8 + 10)
    expect(forwarding.mayForwardVote(aVote(0, 2))).toBe(true)
    expect(forwarding.mayForwardProposal(aVote(0, 2))).toBe(true)
    world.nowMs += 3_600_000
    for (let view = 10_000; view < 20_000; view++) {
      world.nowMs += 1_000
      if (!forwarding.mayForwardVote(aVote(view))) continue
      forwarding.forwardedVote(aVote(view))
      votes += 1
    }
    expect(votes).toBe(512)
    forwarding.decided(9)
    expect(forwarding.mayForwardVote(aVote(0))).toBe(true)
  })
})

/**
 * What a node passes on by topic, so that nobody makes the network repeat itself: a proposal once, two
 * of a view at most (the second is evidence); a statement once per pause, whatever byte makes its
 * message new; a decided block once. One faulty validator can sign statements and proposals for views
 * without end, so each signer has a rate of its own for new ones, and a bounded place in this memory.
 */

import type { Vote } from '../consensus/votes.ts'
import { type Rate, TokenBucket } from '../p2p/token-bucket.ts'
import type { BlockHash } from '../primitives/hashes.ts'

const PROPOSALS_PER_VIEW_MAX = 2
/** Proposals of one signer: views take at least as long, and it leads one of n. */
const PROPOSALS: Rate = { burst: 8, perSecond: 1 }
/** New statements of one signer: three for a view. */
const STATEMENTS: Rate = { burst: 64, perSecond: 8 }
/** Remembered of one signer; with more, nothing further of it is forwarded at this height. */
const STATEMENTS_MAX = 512

interface Signer {
  readonly proposals: TokenBucket
  readonly newStatements: TokenBucket
  /** Statement to when it was last forwarded (monotonic ms). */
  readonly statements: Map<string, { readonly height: number; readonly atMs: number }>
  /** `height:view` to the blocks proposed there. */
  readonly proposed: Map<string, { readonly height: number; readonly blocks: Set<BlockHash> }>
}

export class GossipForwarding {
  readonly #pauseMs: number
  readonly #monotonicMs: () => number
  /** By index of validator; only verified statements get an entry. */
  readonly #signers = new Map<number, Signer>()

  constructor(options: { readonly pauseMs: number }, monotonicMs: () => number) {
    this.#pauseMs = options.pauseMs
    this.#monotonicMs = monotonicMs
  }

  /** Ask before the signature is checked: false means ignore it. */
  mayForwardProposal(vote: Vote): boolean {
    const signer = this.#signers.get(vote.signer)
    if (signer === undefined) return true
    const blocks = signer.proposed.get(placeOf(vote))?.blocks
    if (blocks !== undefined && vote.blockHash !== undefined) {
      if (blocks.has(vote.blockHash) || blocks.size >= PROPOSALS_PER_VIEW_MAX) return false
    }
    return signer.proposals.waitMs(this.#monotonicMs()) === 0
  }

  /** Ask before the signature is checked: false means ignore it. */
  mayForwardVote(vote: Vote): boolean {
    const signer = this.#signers.get(vote.signer)
    const nowMs = this.#monotonicMs()
    const known = signer?.statements.get(statementKey(vote))
    if (known !== undefined) return nowMs - known.atMs >= this.#pauseMs
    if (signer === undefined) return true
    return signer.statements.size < STATEMENTS_MAX && signer.newStatements.waitMs(nowMs) === 0
  }

  /** A verified proposal is passed on. */
  forwardedProposal(vote: Vote): void {
    const signer = this.#signerOf(vote)
    signer.proposals.charge(this.#monotonicMs(), 1)
    const place = signer.proposed.get(placeOf(vote)) ?? { height: vote.height, blocks: new Set() }
    if (vote.blockHash !== undefined) place.blocks.add(vote.blockHash)
    signer.proposed.set(placeOf(vote), place)
  }

  /** A verified vote is passed on. */
  forwardedVote(vote: Vote): void {
    const signer = this.#signerOf(vote)
    const nowMs = this.#monotonicMs()
    const key = statementKey(vote)
    if (!signer.statements.has(key)) signer.newStatements.charge(nowMs, 1)
    signer.statements.set(key, { height: vote.height, atMs: nowMs })
  }

  /** Heights up to this one are decided: nothing about them is forwarded again anyway. */
  decided(height: number): void {
    for (const { statements, proposed } of this.#signers.values()) {
      for (const [key, about] of statements) if (about.height <= height) statements.delete(key)
      for (const [key, about] of proposed) if (about.height <= height) proposed.delete(key)
    }
  }

  #signerOf({ signer: index }: Vote): Signer {
    const nowMs = this.#monotonicMs()
    const signer = this.#signers.get(index) ?? {
      proposals: new TokenBucket(PROPOSALS, nowMs),
      newStatements: new TokenBucket(STATEMENTS, nowMs),
      statements: new Map(),
      proposed: new Map(),
    }
    this.#signers.set(index, signer)
    return signer
  }
}

const placeOf = (vote: Vote): string => `${vote.height}:${vote.view}`

function statementKey(vote: Vote): string {
  return `${placeOf(vote)}:${vote.type}:${vote.blockHash ?? ''}`
}

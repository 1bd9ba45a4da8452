/**
 * Everything a node knows about one undecided height. A new height gets a new object, so nothing of
 * the old one can leak. Only data and questions about it: the rules are in the files that change it.
 */

import type { BlockHash } from '../primitives/hashes.ts'
import type { ConsensusBlock } from './block.ts'
import type { Certificate } from './certificate.ts'
import type { Justification, ViewCertificates } from './justification.ts'
import { leaderOfView } from './leader.ts'
import type { Statement, Vote, VoteType } from './votes.ts'

/** Bodies kept for an undecided height, beyond those that something still refers to. */
const MAX_BODIES = 8

export interface ViewVotes {
  readonly notarize: Map<number, Vote>
  readonly nullify: Map<number, Vote>
  readonly finalize: Map<number, Vote>
}

/** What this node has said about a view. */
export interface OwnVotes {
  notarize?: BlockHash
  nullify: boolean
  finalize?: BlockHash
  /** The sign guard refused these: not asked again. */
  readonly refused: Set<VoteType>
}

export interface Proposal {
  readonly hash: BlockHash
  readonly justification: Justification
}

/** `asked`: the driver owes an answer; `pending`: it has answered that it does not know yet. */
export type BodyVerdict = 'asked' | 'pending' | 'valid' | 'invalid'

export class HeightState implements ViewCertificates {
  view = 0
  /** Awake: timers run and blocks may be made. */
  active = false
  /** The least interval since the last block has passed. */
  batchReady = false
  finality: Certificate | undefined
  /** View whose block the driver is building. */
  building: number | undefined
  readonly votes = new Map<number, ViewVotes>()
  readonly notarizations = new Map<number, Certificate>()
  readonly nullifications = new Map<number, Certificate>()
  readonly proposals = new Map<number, Proposal>()
  readonly own = new Map<number, OwnVotes>()
  readonly bodies = new Map<BlockHash, ConsensusBlock>()
  readonly persistedBodies = new Set<BlockHash>()
  readonly hardVerdicts = new Map<BlockHash, BodyVerdict>()
  readonly freshVerdicts = new Map<BlockHash, BodyVerdict>()
  /** Views whose leader has shown that nothing will come of them. */
  readonly abandoned = new Set<number>()
  /** Distinct signers of any vote: f + 1 of them wake a sleeping node. */
  readonly signers = new Set<number>()
  /** "signer:height:view:kind" of contradictions already reported. */
  readonly reported = new Set<string>()
  /** When a body was last asked for, ms, and how often. */
  readonly bodyRequests = new Map<BlockHash, { atMs: number; count: number }>()

  readonly height: number
  readonly parentHash: BlockHash
  readonly #permutation: readonly number[]

  constructor(height: number, parentHash: BlockHash, permutation: readonly number[]) {
    this.height = height
    this.parentHash = parentHash
    this.#permutation = permutation
  }

  leader(view: number): number {
    return leaderOfView(this.#permutation, view)
  }

  votesAt(view: number): ViewVotes {
    let votes = this.votes.get(view)
    if (votes === undefined) {
      votes = { notarize: new Map(), nullify: new Map(), finalize: new Map() }
      this.votes.set(view, votes)
    }
    return votes
  }

  ownAt(view: number): OwnVotes {
    let own = this.own.get(view)
    if (own === undefined) {
      own = { nullify: false, refused: new Set() }
      this.own.set(view, own)
    }
    return own
  }

  findVote(statement: Statement, signer: number): Vote | undefined {
    return this.votes.get(statement.view)?.[statement.type].get(signer)
  }

  findNotarization(view: number): Certificate | undefined {
    return this.notarizations.get(view)
  }

  findNullification(view: number): Certificate | undefined {
    return this.nullifications.get(view)
  }

  hasBody(hash: BlockHash): boolean {
    return this.bodies.has(hash)
  }

  /** Is this hash certified here? */
  isCertified(hash: BlockHash): boolean {
    if (this.finality?.blockHash === hash) return true
    return [...this.notarizations.values()].some((certificate) => certificate.blockHash === hash)
  }

  /** Does any present or coming vote depend on this body? */
  #isNeeded(hash: BlockHash): boolean {
    if (this.isCertified(hash)) return true
    for (const [view, proposal] of this.proposals) {
      if (proposal.hash === hash && view >= this.view) return true
    }
    return [...this.own.values()].some((own) => own.notarize === hash)
  }

  /** Keeps a body; beyond the cap the oldest that nothing needs makes room. */
  storeBody(block: ConsensusBlock): void {
    this.bodies.set(block.hash, block)
    if (this.bodies.size <= MAX_BODIES) return
    for (const hash of this.bodies.keys()) {
      if (hash !== block.hash && !this.#isNeeded(hash)) {
        this.bodies.delete(hash)
        this.hardVerdicts.delete(hash)
        this.freshVerdicts.delete(hash)
        return
      }
    }
  }
}

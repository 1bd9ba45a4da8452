/** One agreement core under test, with everything around it scripted. */

import { assembleCertificate, type Certificate } from '../../src/consensus/certificate.ts'
import { LAN_TIMINGS } from '../../src/consensus/config.ts'
import type { Effect, Event, TimerId } from '../../src/consensus/events-and-effects.ts'
import { EMPTY_JUSTIFICATION, type Justification } from '../../src/consensus/justification.ts'
import { leaderPermutation } from '../../src/consensus/leader.ts'
import type { Message, ProposeMessage } from '../../src/consensus/messages.ts'
import { type Consensus, createConsensus } from '../../src/consensus/step.ts'
import { verifyMessage } from '../../src/consensus/verify-message.ts'
import type { Statement, Vote, VoteType } from '../../src/consensus/votes.ts'
import type { WalRecord } from '../../src/consensus/wal-record.ts'
import { type BlockHash, ZERO_BLOCK_HASH } from '../../src/primitives/hashes.ts'
import {
  type CounterBlock,
  makeCounterBlock,
  openCounterBlock,
} from '../../src/simulator/counter-block.ts'
import { fakeContext } from '../../src/simulator/fake-signatures.ts'

export interface HarnessOptions {
  readonly validators?: number
  /** Which place in the leader order of height 1 the core under test has; default 1. */
  readonly leadsView?: number
  readonly follower?: boolean
  readonly records?: readonly WalRecord[]
  readonly minBlockIntervalMs?: number
  readonly voteFromHeight?: number
  /** Answers `validate` at once; default 'valid'. */
  readonly verdict?: 'valid' | 'invalid' | 'pending' | 'none'
  /** Transactions of the blocks it builds; undefined: never answers `build`. */
  readonly builds?: readonly number[]
  readonly sign?: (statement: Statement) => Uint8Array | undefined
}

export class CoreHarness {
  readonly context: ReturnType<typeof fakeContext>
  readonly order: readonly number[]
  readonly self: number
  readonly core: Consensus
  readonly effects: Effect[] = []
  nowMs = 1_000
  readonly #options: HarnessOptions

  constructor(options: HarnessOptions = {}) {
    this.#options = options
    this.context = fakeContext(options.validators ?? 4)
    this.order = leaderPermutation(this.context, 1, this.context.validators.length)
    this.self = this.order[options.leadsView ?? 1]!
    this.core = createConsensus(
      {
        chainId: this.context.chainId,
        validatorSet: { epoch: 0, keys: this.context.validators },
        self: options.follower === true ? undefined : this.self,
        height: 1,
        parentHash: ZERO_BLOCK_HASH,
        voteFromHeight: options.voteFromHeight ?? 0,
        minBlockIntervalMs: options.minBlockIntervalMs ?? 0,
        timings: LAN_TIMINGS,
      },
      {
        sign: options.sign ?? ((statement) => this.context.sign(this.self, statement)),
        openBlock: openCounterBlock,
      },
    )
    this.step({ kind: 'start', records: options.records ?? [] })
  }

  get others(): number[] {
    return this.context.validators.map((_, i) => i).filter((i) => i !== this.self)
  }

  leader(view: number): number {
    return this.order[view % this.order.length]!
  }

  /** Steps the core and answers what it asks of its driver. Returns every effect of all that. */
  step(event: Event): Effect[] {
    const effects = this.core.step(this.nowMs, event)
    this.effects.push(...effects)
    const all = [...effects]
    for (const effect of effects) {
      const { verdict = 'valid', builds } = this.#options
      if (effect.kind === 'validate' && verdict !== 'none') {
        const { block, fresh } = effect
        all.push(...this.step({ kind: 'block-ready', hash: block.hash, fresh, verdict }))
      }
      if (effect.kind === 'build' && builds !== undefined) {
        const { height, view, parentHash } = effect
        const facts = { height, view, parentHash, proposer: this.self }
        const block = makeCounterBlock(facts, builds)
        all.push(...this.step({ kind: 'built', height, view, block }))
      }
    }
    return all
  }

  /** Delivers a message as a driver would: only if wanted and verified. */
  receive(message: Message, from?: number): Effect[] {
    if (!this.core.wants(message)) return []
    if (!verifyMessage(message, this.context, this.core)) return []
    return this.step({ kind: 'message', from, message })
  }

  timer(timer: TimerId, view: number, height = 1): Effect[] {
    return this.step({ kind: 'timer', timer, height, view })
  }

  vote(signer: number, type: VoteType, view: number, blockHash?: BlockHash, height = 1): Vote {
    const place = { type, height, view }
    const statement: Statement = blockHash === undefined ? place : { ...place, blockHash }
    return { ...statement, signer, signature: this.context.sign(signer, statement) }
  }

  receiveVotes(
    signers: readonly number[],
    type: VoteType,
    view: number,
    blockHash?: BlockHash,
  ): Effect[] {
    return signers.flatMap((signer) => {
      const vote = this.vote(signer, type, view, blockHash)
      return this.receive({ kind: 'vote', vote }, signer)
    })
  }

  certificate(type: VoteType, view: number, blockHash?: BlockHash, height = 1): Certificate {
    const count = this.context.validators.length
    const signers = this.context.validators
      .map((_, i) => i)
      .slice(0, count - Math.floor((count - 1) / 3))
    const votes = signers.map((signer) => this.vote(signer, type, view, blockHash, height))
    return assembleCertificate(votes, count)
  }

  block(view: number, transactions: readonly number[] = []): CounterBlock {
    const facts = { height: 1, view, proposer: this.leader(view), parentHash: ZERO_BLOCK_HASH }
    return makeCounterBlock(facts, transactions)
  }

  proposal(
    view: number,
    block: CounterBlock,
    justification: Justification = EMPTY_JUSTIFICATION,
  ): ProposeMessage {
    const leaderVote = this.vote(this.leader(view), 'notarize', view, block.hash)
    return { kind: 'propose', block: block.bytes, justification, leaderVote }
  }

  /** Own votes among effects, as statements; those inside proposals as well. */
  votesCast(effects: readonly Effect[] = this.effects): Vote[] {
    return effects.flatMap((effect) => {
      if (effect.kind !== 'broadcast') return []
      if (effect.message.kind === 'vote') return [effect.message.vote]
      return effect.message.kind === 'propose' ? [effect.message.leaderVote] : []
    })
  }

  /** "notarize/0", "nullify/1" … of the votes cast. */
  said(effects: readonly Effect[] = this.effects): string[] {
    return this.votesCast(effects).map((vote) => `${vote.type}/${vote.view}`)
  }

  of<K extends Effect['kind']>(
    kind: K,
    effects: readonly Effect[] = this.effects,
  ): Extract<Effect, { kind: K }>[] {
    return effects.filter((effect): effect is Extract<Effect, { kind: K }> => effect.kind === kind)
  }

  get records(): WalRecord[] {
    return this.of('persist').map((effect) => effect.record)
  }
}

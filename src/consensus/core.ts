/**
 * The state of the agreement core: the current height, and the little that outlives a height. The
 * rules are functions over it, in layers that only call downwards:
 * timers < view-change < tally < voting < proposing < receiving, status-repair < step.
 */

import type { BlockHash } from '../primitives/hashes.ts'
import type { ConsensusBlock } from './block.ts'
import type { Certificate } from './certificate.ts'
import type { ConsensusConfig, ConsensusDeps } from './config.ts'
import type { Effect, Event } from './events-and-effects.ts'
import { HeightState } from './height-state.ts'
import { leaderPermutation } from './leader.ts'
import type { Message } from './messages.ts'
import { faultTolerance, quorumSize } from './quorum.ts'

export interface Decided {
  readonly block: ConsensusBlock
  readonly certificate: Certificate
}

/** Answers to one peer are limited by kind. */
export type ReplyKind = 'status' | 'block' | 'catch-up' | 'decided'

export interface Peer {
  heardAtMs: number
  /** Consecutive views it led that were nullified. */
  missed: number
  readonly repliedAtMs: Map<ReplyKind, number>
}

export type BufferedMessage = Extract<Event, { kind: 'message' }>

/** Decided blocks kept for fast answers. */
const DECIDED_KEPT = 2

export class Core {
  nowMs = 0
  started = false
  /** Why the core is dead, if it is. */
  halted: string | undefined
  /** The epoch's last height is decided: the next one is another core's. */
  ended = false
  hasWork = false
  height: HeightState
  lastCommitMs: number | undefined
  /** Height and view at the last retransmit tick. */
  lastTick: { readonly height: number; readonly view: number } | undefined
  ticks = 0
  /** Counts votes cast and certificates learned, so that `progress` knows when to look again. */
  revision = 0
  decided: readonly Decided[] = []
  /** Messages for the next height, by sender (−1: no validator's link). */
  buffered = new Map<number, BufferedMessage[]>()
  readonly peers: readonly Peer[]
  readonly validatorCount: number
  readonly quorum: number
  readonly faults: number
  readonly config: ConsensusConfig
  readonly deps: ConsensusDeps
  #effects: Effect[] = []

  constructor(config: ConsensusConfig, deps: ConsensusDeps) {
    this.config = config
    this.deps = deps
    this.validatorCount = config.validatorSet.keys.length
    this.quorum = quorumSize(this.validatorCount)
    this.faults = faultTolerance(this.validatorCount)
    this.peers = config.validatorSet.keys.map(() => ({
      heardAtMs: 0,
      missed: 0,
      repliedAtMs: new Map<ReplyKind, number>(),
    }))
    this.height = this.#newHeight(config.height, config.parentHash)
  }

  #newHeight(height: number, parentHash: BlockHash): HeightState {
    const context = { chainId: this.config.chainId, epoch: this.config.validatorSet.epoch }
    const permutation = leaderPermutation(context, height, this.validatorCount)
    return new HeightState(height, parentHash, permutation)
  }

  get self(): number | undefined {
    return this.config.self
  }

  /** May this node sign at the current height? */
  get isVoting(): boolean {
    return this.self !== undefined && this.height.height >= this.config.voteFromHeight
  }

  /** Nothing more will come of this core. */
  get isOver(): boolean {
    return this.halted !== undefined || this.ended
  }

  /** Handlers stop working on a height that is decided, and on anything once halted. */
  get isSettled(): boolean {
    return this.isOver || this.height.finality !== undefined
  }

  /** Only the drain loop of `step` calls this. */
  openNextHeight(decided: Decided): void {
    this.decided = [...this.decided, decided].slice(-DECIDED_KEPT)
    this.lastCommitMs = this.nowMs
    this.hasWork = false
    this.height = this.#newHeight(this.height.height + 1, decided.block.hash)
  }

  emit(effect: Effect): void {
    this.#effects.push(effect)
  }

  /** The effects since the last call. */
  takeEffects(): Effect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  /** To all other validators. A node that follows only listens. */
  broadcast(message: Message): void {
    if (this.self !== undefined && this.validatorCount > 1)
      this.emit({ kind: 'broadcast', message })
  }

  send(to: number, message: Message): void {
    if (this.self !== undefined && to !== this.self) this.emit({ kind: 'send', to, message })
  }

  halt(reason: string): void {
    if (this.halted !== undefined) return
    this.halted = reason
    this.emit({ kind: 'halt', reason })
  }

  /** One reply of a kind to a peer per half a retransmit interval. */
  mayReply(peer: number, kind: ReplyKind): boolean {
    const replied = this.peers[peer]?.repliedAtMs
    if (replied === undefined || peer === this.self) return false
    const last = replied.get(kind)
    if (last !== undefined && this.nowMs - last < this.config.timings.retransmitMs / 2) return false
    replied.set(kind, this.nowMs)
    return true
  }
}

/**
 * What peers say about agreement, decoded, bounded and verified before the core sees it: direct
 * frames of validators, and the topics `proposals`, `votes` and `blocks`.
 *
 * Frames: a peer is nobody until its HELLO has proved a validator, and nothing else is read of it. A
 * malformed frame or a wrong signature ends the connection.
 * Topics: reject only what is valid under no state; ignore what cannot be judged here; accept, which
 * forwards it, what has not just been forwarded (`gossip-forwarding.ts`), even when a direct stream
 * has brought it before. A block further ahead is a hint: its certificate shows that the chain is
 * ahead, and its sender may have what is missing. A decided message without a body is the same hint,
 * for a block that is too long for a topic.
 */

import type { ConsensusBlock } from '../consensus/block.ts'
import type { Certificate } from '../consensus/certificate.ts'
import type { Evidence } from '../consensus/evidence.ts'
import { decodeMessage, type Message } from '../consensus/messages.ts'
import type { Consensus } from '../consensus/step.ts'
import { signedHeight, verifyMessage } from '../consensus/verify-message.ts'
import type { Vote, VoteContext } from '../consensus/votes.ts'
import { equalBytes } from '../primitives/bytes.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { GossipVerdict, Network, PeerId, Topic } from '../runtime/runtime.ts'
import { GossipForwarding } from './gossip-forwarding.ts'
import type { ValidatorLinks } from './validator-links.ts'

interface InboxEpoch {
  readonly core: Pick<Consensus, 'wants' | 'hasVote' | 'hasCertificate'>
  readonly context: VoteContext
  readonly self: number | undefined
}

export interface InboxParts {
  readonly network: Network
  readonly links: ValidatorLinks
  /** Agreement on the next height. */
  readonly epoch: () => InboxEpoch
  /** The validators of a decided height; of later ones, those of the next. */
  readonly contextAt: (height: number) => VoteContext
  /** True when the next block may be the last of its validators. */
  readonly mayChangeValidators: () => boolean
  readonly monotonicMs: () => number
  readonly tipHeight: () => number
  /** One of the last decided blocks. */
  readonly recentAt: (height: number) => ConsensusBlock | undefined
  /** Is it worth the check of its signatures? */
  readonly wantsEvidence: (evidence: Evidence) => boolean
  readonly open: (bytes: Uint8Array) => ConsensusBlock | undefined
  /** The same statement is forwarded again after this long. */
  readonly forwardPauseMs: number
}

export interface InboxHandlers {
  /** Verified. `from` is the validator whose link brought it. */
  message(from: number | undefined, message: Message): void
  /** The next block, final, from a topic; its certificate is verified and names it. */
  decided(block: ConsensusBlock, certificate: Certificate): void
  transactions(transactions: readonly Uint8Array[]): GossipVerdict
  /** A good copy of this decided block travels on its topic. */
  heardDecided(height: number): void
  /** The chain has reached this height, which is not the next one here; the peer says so. */
  heardAhead(height: number, peer: PeerId): void
  /** A peer speaks of a height whose validators are not known here: it may be ahead. */
  heardUnknown(peer: PeerId): void
  /** Proof that this node must stop. */
  alarm(reason: string): void
}

const KINDS: Readonly<Record<'proposals' | 'votes' | 'blocks', Message['kind']>> = {
  proposals: 'propose',
  votes: 'vote',
  blocks: 'decided',
}

/** A HELLO has about 270 bytes. Longer frames of strangers are not even decoded. */
const STRANGER_FRAME_BYTES_MAX = 512
/** Decided blocks of the last heights are still forwarded: others may not have them. */
export const FORWARDED_HEIGHTS = 2
/** Certificates of one peer that cannot be judged here are not looked at more often than this. */
const UNJUDGED_PAUSE_MS = 1_000
const UNJUDGED_PEERS_MAX = 256

export class ConsensusInbox {
  readonly #parts: InboxParts
  readonly #handlers: InboxHandlers
  readonly #forwarding: GossipForwarding
  readonly #forwardedDecided = new Set<number>()
  /** Peers whose last certificate could not be judged: not before then (monotonic ms) another. */
  readonly #unjudged = new Map<PeerId, number>()
  /** The highest of the verified certificates that came without their block. */
  #certifiedHeight = 0

  constructor(parts: InboxParts, handlers: InboxHandlers) {
    this.#parts = parts
    this.#handlers = handlers
    this.#forwarding = new GossipForwarding({ pauseMs: parts.forwardPauseMs }, parts.monotonicMs)
  }

  start(): void {
    const { network } = this.#parts
    for (const channel of ['consensus', 'bulk'] as const) {
      network.onFrame(channel, (from, frame) => this.#receiveFrame(from, frame))
    }
    for (const topic of ['proposals', 'votes', 'blocks'] as const) {
      network.onGossip(topic, (from, payload) => this.#judgeGossip(topic, from, payload))
    }
  }

  /** A block has been decided: what was remembered about its height goes. */
  tipMoved(): void {
    const height = this.#parts.tipHeight()
    this.#forwarding.decided(height)
    for (const old of this.#forwardedDecided) {
      if (old <= height - FORWARDED_HEIGHTS) this.#forwardedDecided.delete(old)
    }
  }

  // --- direct frames ------------------------------------------------------------------------

  #receiveFrame(from: PeerId, frame: Uint8Array): void {
    const { links, network } = this.#parts
    const { core } = this.#parts.epoch()
    const index = links.indexOf(from)
    if (index === undefined && frame.length > STRANGER_FRAME_BYTES_MAX) return
    const message = decodeOrUndefined(frame)
    if (message === undefined) {
      network.disconnect(from, 'malformed consensus message')
      return
    }
    if (message.kind === 'hello') {
      if (!links.onHello(from, message)) network.disconnect(from, 'invalid hello')
      return
    }
    // Not its fault: a HELLO may be overtaken or lost.
    if (index === undefined) return
    if (message.kind === 'transactions') {
      if (this.#handlers.transactions(message.transactions) === 'reject') {
        network.disconnect(from, 'invalid transactions')
      }
      return
    }
    if (message.kind === 'evidence' && !this.#parts.wantsEvidence(message)) return
    if (!core.wants(message)) return
    if (!this.#verify(message)) {
      if (this.#isBeyondJudgement(message)) return
      network.disconnect(from, `invalid signature in ${message.kind}`)
      return
    }
    if (this.#isOwnVoteOfAnother(message)) return
    this.#handlers.message(index, message)
  }

  // --- topics -------------------------------------------------------------------------------

  #judgeGossip(
    topic: keyof typeof KINDS & Topic,
    from: PeerId,
    payload: Uint8Array,
  ): GossipVerdict {
    const message = decodeOrUndefined(payload)
    if (message?.kind !== KINDS[topic]) return 'reject'
    if (message.kind === 'propose') {
      const { leaderVote } = message
      if (!this.#isNear(leaderVote)) return 'ignore'
      if (!this.#forwarding.mayForwardProposal(leaderVote)) return 'ignore'
      return this.#judgeStatement(message, () => this.#forwarding.forwardedProposal(leaderVote))
    }
    if (message.kind === 'vote') {
      const { vote } = message
      if (!this.#isNear(vote) || !this.#forwarding.mayForwardVote(vote)) return 'ignore'
      return this.#judgeStatement(message, () => this.#forwarding.forwardedVote(vote))
    }
    return message.kind === 'decided' ? this.#judgeDecided(from, message) : 'reject'
  }

  /** Too old is stale, too new cannot be judged. */
  #isNear(vote: Vote): boolean {
    const next = this.#parts.tipHeight() + 1
    return vote.height === next || vote.height === next + 1
  }

  #judgeStatement(message: Message, forwarded: () => void): GossipVerdict {
    if (!this.#parts.epoch().core.wants(message)) return 'ignore'
    if (!this.#verify(message)) return this.#isBeyondJudgement(message) ? 'ignore' : 'reject'
    if (this.#isOwnVoteOfAnother(message)) return 'ignore'
    forwarded()
    this.#handlers.message(undefined, message)
    return 'accept'
  }

  #judgeDecided(from: PeerId, message: Extract<Message, { kind: 'decided' }>): GossipVerdict {
    const { certificate } = message
    const { height } = certificate
    const tip = this.#parts.tipHeight()
    const isHint = height > tip + 1 || message.block.length === 0
    if (isHint) return this.#judgeHint(from, message)
    if (height <= tip - FORWARDED_HEIGHTS || this.#forwardedDecided.has(height)) return 'ignore'
    if (!this.#verify(message)) return 'reject'
    const recent = this.#parts.recentAt(height)
    if (recent !== undefined && recent.hash !== certificate.blockHash) {
      const hashes = `${recent.hash} and ${certificate.blockHash ?? ''}`
      this.#handlers.alarm(`two final blocks at height ${height}: ${hashes}`)
      return 'ignore'
    }
    // The certificate must not carry a foreign body along.
    const isCopy = recent !== undefined && equalBytes(recent.bytes, message.block)
    const block = isCopy ? recent : this.#parts.open(message.block)
    if (block === undefined || block.hash !== certificate.blockHash) return 'reject'
    this.#forwardedDecided.add(height)
    this.#handlers.heardDecided(height)
    if (height === tip + 1) this.#handlers.decided(block, certificate)
    return 'accept'
  }

  /** The chain is ahead, and the peer says that it has what is missing: nothing to pass on. */
  #judgeHint(from: PeerId, message: Extract<Message, { kind: 'decided' }>): GossipVerdict {
    const { tipHeight, monotonicMs } = this.#parts
    const { height } = message.certificate
    if (height <= tipHeight()) return 'ignore'
    // Once is enough to know how far the chain is; its q signatures are not checked for every peer.
    if (height > this.#certifiedHeight) {
      const isNext = height === tipHeight() + 1
      if (!isNext && monotonicMs() < (this.#unjudged.get(from) ?? 0)) return 'ignore'
      if (!this.#verify(message)) {
        if (isNext) return 'reject'
        // Later validators may have signed it: the peer is asked, and nothing is believed.
        if (this.#unjudged.size >= UNJUDGED_PEERS_MAX) this.#unjudged.clear()
        this.#unjudged.set(from, monotonicMs() + UNJUDGED_PAUSE_MS)
        this.#handlers.heardUnknown(from)
        return 'ignore'
      }
      this.#certifiedHeight = height
    }
    this.#handlers.heardAhead(height, from)
    return 'ignore'
  }

  /** Under the validators of its height. */
  #verify(message: Message): boolean {
    const { core } = this.#parts.epoch()
    return verifyMessage(message, this.#parts.contextAt(signedHeight(message) ?? Infinity), core)
  }

  /** A wrong signature proves nothing when other validators may agree on that height. */
  #isBeyondJudgement(message: Message): boolean {
    const height = signedHeight(message)
    if (height === undefined || height <= this.#parts.tipHeight() + 1) return false
    return this.#parts.mayChangeValidators()
  }

  /**
   * A valid vote by the own key that this node does not remember: the key is used elsewhere, or the
   * disk is an old copy. Whatever this node signed next might contradict it.
   */
  #isOwnVoteOfAnother(message: Message): boolean {
    const { tipHeight } = this.#parts
    const { self, core } = this.#parts.epoch()
    const vote = voteOf(message)
    if (vote === undefined || vote.signer !== self || vote.height <= tipHeight()) return false
    if (core.hasVote(vote)) return false
    this.#handlers.alarm(
      `a vote of this validator at height ${vote.height} is not in its journal: ` +
        'its key runs elsewhere as well, or its disk is an old copy',
    )
    return true
  }
}

function voteOf(message: Message): Vote | undefined {
  if (message.kind === 'vote') return message.vote
  return message.kind === 'propose' ? message.leaderVote : undefined
}

function decodeOrUndefined(bytes: Uint8Array): Message | undefined {
  try {
    return decodeMessage(bytes)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

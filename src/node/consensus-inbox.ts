/**
 * What peers say about agreement, decoded, bounded and verified before the core sees it: direct
 * frames of validators, and the topics `proposals`, `votes` and `blocks`.
 *
 * Frames: a peer is nobody until its HELLO has proved a validator, and nothing else is read of it. A
 * malformed frame or a wrong signature ends the connection.
 * Topics: reject only what is valid under no state; ignore what cannot be judged here; accept, which
 * forwards it, a proposal once (two of a view at most: the second is evidence), a statement once per
 * pause, a decided block once per height. A block further ahead is a hint: its certificate shows that
 * the chain is ahead, and its sender may have what is missing.
 */

import type { ConsensusBlock } from '../consensus/block.ts'
import type { Certificate } from '../consensus/certificate.ts'
import { decodeMessage, type Message } from '../consensus/messages.ts'
import type { Consensus } from '../consensus/step.ts'
import { verifyMessage } from '../consensus/verify-message.ts'
import type { Vote, VoteContext } from '../consensus/votes.ts'
import { equalBytes } from '../primitives/bytes.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import type { GossipVerdict, Network, PeerId, Topic } from '../runtime/runtime.ts'
import type { ValidatorLinks } from './validator-links.ts'

export interface InboxParts {
  readonly network: Network
  readonly links: ValidatorLinks
  readonly core: Pick<Consensus, 'wants' | 'hasVote' | 'hasCertificate'>
  readonly context: VoteContext
  readonly self: number | undefined
  readonly monotonicMs: () => number
  readonly tipHeight: () => number
  /** One of the last decided blocks. */
  readonly recentAt: (height: number) => ConsensusBlock | undefined
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
const PROPOSALS_PER_VIEW_MAX = 2
/** Statements remembered as forwarded; with more, nothing further is forwarded at this height. */
const FORWARDED_MAX = 4_096

export class ConsensusInbox {
  readonly #parts: InboxParts
  readonly #handlers: InboxHandlers
  /** What was forwarded at undecided heights, and when (monotonic ms). */
  readonly #forwarded = new Map<string, { readonly height: number; readonly atMs: number }>()
  readonly #proposalsSeen = new Map<string, Set<BlockHash>>()
  readonly #forwardedDecided = new Set<number>()

  constructor(parts: InboxParts, handlers: InboxHandlers) {
    this.#parts = parts
    this.#handlers = handlers
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
    for (const [key, { height: about }] of this.#forwarded) {
      if (about <= height) this.#forwarded.delete(key)
    }
    this.#proposalsSeen.clear()
    for (const old of this.#forwardedDecided) {
      if (old <= height - FORWARDED_HEIGHTS) this.#forwardedDecided.delete(old)
    }
  }

  // --- direct frames ------------------------------------------------------------------------

  #receiveFrame(from: PeerId, frame: Uint8Array): void {
    const { links, network, core, context } = this.#parts
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
    if (!core.wants(message)) return
    if (!verifyMessage(message, context, core)) {
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
      return this.#judgeStatement(message, leaderVote, this.#mayForwardProposal(leaderVote))
    }
    if (message.kind === 'vote') {
      if (!this.#isNear(message.vote)) return 'ignore'
      return this.#judgeStatement(message, message.vote, this.#mayForwardVote(message.vote))
    }
    return message.kind === 'decided' ? this.#judgeDecided(from, message) : 'reject'
  }

  /** Too old is stale, too new cannot be judged. */
  #isNear(vote: Vote): boolean {
    const next = this.#parts.tipHeight() + 1
    return vote.height === next || vote.height === next + 1
  }

  #judgeStatement(message: Message, vote: Vote, mayForward: boolean): GossipVerdict {
    const { core, context } = this.#parts
    if (!mayForward || !core.wants(message)) return 'ignore'
    if (!verifyMessage(message, context, core)) return 'reject'
    if (this.#isOwnVoteOfAnother(message)) return 'ignore'
    this.#remember(message, vote)
    this.#handlers.message(undefined, message)
    return 'accept'
  }

  #mayForwardProposal(vote: Vote): boolean {
    const seen = this.#proposalsSeen.get(placeOf(vote))
    if (seen === undefined || vote.blockHash === undefined) return true
    return !seen.has(vote.blockHash) && seen.size < PROPOSALS_PER_VIEW_MAX
  }

  #mayForwardVote(vote: Vote): boolean {
    const known = this.#forwarded.get(statementKey(vote))
    if (known === undefined) return this.#forwarded.size < FORWARDED_MAX
    return this.#parts.monotonicMs() - known.atMs >= this.#parts.forwardPauseMs
  }

  #remember(message: Message, vote: Vote): void {
    if (message.kind !== 'propose') {
      const atMs = this.#parts.monotonicMs()
      this.#forwarded.set(statementKey(vote), { height: vote.height, atMs })
      return
    }
    const seen = this.#proposalsSeen.get(placeOf(vote)) ?? new Set()
    if (vote.blockHash !== undefined) seen.add(vote.blockHash)
    this.#proposalsSeen.set(placeOf(vote), seen)
  }

  #judgeDecided(from: PeerId, message: Extract<Message, { kind: 'decided' }>): GossipVerdict {
    const { core, context, tipHeight } = this.#parts
    const { certificate } = message
    const { height } = certificate
    const tip = tipHeight()
    if (height <= tip - FORWARDED_HEIGHTS || this.#forwardedDecided.has(height)) return 'ignore'
    if (!verifyMessage(message, context, core)) return 'reject'
    if (height > tip + 1) {
      this.#handlers.heardAhead(height, from)
      return 'ignore'
    }
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

  /**
   * A valid vote by the own key that this node does not remember: the key is used elsewhere, or the
   * disk is an old copy. Whatever this node signed next might contradict it.
   */
  #isOwnVoteOfAnother(message: Message): boolean {
    const { self, core, tipHeight } = this.#parts
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

const placeOf = (vote: Vote): string => `${vote.height}:${vote.view}`

function statementKey(vote: Vote): string {
  return `${placeOf(vote)}:${vote.type}:${vote.signer}:${vote.blockHash ?? ''}`
}

function decodeOrUndefined(bytes: Uint8Array): Message | undefined {
  try {
    return decodeMessage(bytes)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/**
 * Messages from others, their signatures verified. One idempotent path for whatever brought them: a
 * message may come twice, late, or from anybody. What is about the next height waits in a bounded
 * buffer; what is about an old one is dropped.
 */

import { present, unreachable } from '../primitives/assert.ts'
import type { ConsensusBlock } from './block.ts'
import type { Certificate } from './certificate.ts'
import type { BufferedMessage, Core } from './core.ts'
import {
  findJustification,
  type Justification,
  justificationCertificates,
  verifyJustification,
} from './justification.ts'
import type {
  BlockMessage,
  EnterMessage,
  GetBlockMessage,
  Message,
  ProposeMessage,
} from './messages.ts'
import { onStatus } from './status-repair.ts'
import { addVote, recordEvidence } from './tally.ts'
import { addCertificate, enterView, wake } from './view-change.ts'
import type { Vote } from './votes.ts'

/** Votes further ahead than this wait for the view to come. */
const VOTE_VIEWS_AHEAD = 2
/** A block may become final in a view that this node is far from. */
const FINALIZE_VIEWS_AHEAD = 50
/** Messages about the next height, per sender; of those that carry a body, fewer. */
const BUFFERED_MAX = 8
const BUFFERED_BODIES_MAX = 1
/** Sender of what no validator's link has brought. */
const STRANGER = -1

/** The height a message is about, for kinds that are of no use at another one. */
function heightOf(message: Message): number | undefined {
  switch (message.kind) {
    case 'vote':
      return message.vote.height
    case 'propose':
      return message.leaderVote.height
    case 'enter':
    case 'block':
      return message.height
    case 'decided':
      return message.certificate.height
    case 'evidence':
    case 'get-block':
    case 'hello':
    case 'status':
    case 'transactions':
      return undefined
    default:
      return unreachable(message)
  }
}

/**
 * Is there any use in a message, signatures aside? A driver asks before it verifies them. A negative
 * answer is no fault of the sender.
 */
export function wantsMessage(core: Core, message: Message): boolean {
  const height = heightOf(message)
  if (height === undefined) return true
  if (height === core.height.height + 1) return message.kind !== 'block'
  if (height !== core.height.height) return false
  if (message.kind === 'vote') return isVoteInRange(core, message.vote)
  if (message.kind === 'propose') {
    return message.leaderVote.signer === core.height.leader(message.leaderVote.view)
  }
  return true
}

function isVoteInRange(core: Core, vote: Vote): boolean {
  const ahead = vote.type === 'finalize' ? FINALIZE_VIEWS_AHEAD : VOTE_VIEWS_AHEAD
  return vote.view <= core.height.view + ahead
}

export function onMessage(core: Core, event: BufferedMessage): void {
  const { from, message } = event
  const peer = from === undefined ? undefined : core.peers[from]
  if (peer !== undefined) peer.heardAtMs = core.nowMs
  if (!wantsMessage(core, message)) return
  if (heightOf(message) === core.height.height + 1) return buffer(core, event)
  dispatch(core, message, peer === undefined ? undefined : from)
}

/** `link`: the validator whose link brought it; questions of anybody else get no answer. */
function dispatch(core: Core, message: Message, link: number | undefined): void {
  switch (message.kind) {
    case 'vote':
      return onVote(core, message.vote)
    case 'propose':
      return onPropose(core, message)
    case 'enter':
      return onEnter(core, message)
    case 'block':
      return onBlock(core, message)
    case 'decided':
      return onDecidedBytes(core, message.block, message.certificate)
    case 'status':
      return link === undefined ? undefined : onStatus(core, link, message)
    case 'get-block':
      return link === undefined ? undefined : onGetBlock(core, link, message)
    case 'evidence':
      recordEvidence(core, message)
      return
    case 'hello':
    case 'transactions':
      // The driver's.
      return
    default:
      return unreachable(message)
  }
}

function buffer(core: Core, event: BufferedMessage): void {
  const sender = event.from ?? STRANGER
  const queue = core.buffered.get(sender) ?? []
  const isHeavy = carriesBody(event.message)
  const heavy = queue.filter((waiting) => carriesBody(waiting.message)).length
  const room = sender === STRANGER ? BUFFERED_MAX * core.validatorCount : BUFFERED_MAX
  if (queue.length >= room || (isHeavy && heavy >= BUFFERED_BODIES_MAX)) return
  queue.push(event)
  core.buffered.set(sender, queue)
}

function carriesBody(message: Message): boolean {
  return message.kind === 'propose' || message.kind === 'decided'
}

/** What has waited for the height that has just begun, by sender. */
export function replayBuffered(core: Core): void {
  const waiting = [...core.buffered].toSorted(([a], [b]) => a - b)
  core.buffered = new Map()
  for (const [, events] of waiting) for (const event of events) onMessage(core, event)
}

/** onVote */
function onVote(core: Core, vote: Vote): void {
  if (core.height.findVote(vote, vote.signer) !== undefined) return addVote(core, vote)
  const signer = core.peers[vote.signer]
  if (signer !== undefined) signer.heardAtMs = core.nowMs
  addVote(core, vote)
}

/** onPropose: J makes the proposal acceptable, and moves this node to its view. */
function onPropose(core: Core, message: ProposeMessage): void {
  const { height } = core
  const { leaderVote } = message
  const { view } = leaderVote
  const hash = present(leaderVote.blockHash, 'hash of a notarize vote')
  if (!verifyJustification(message.justification, { height: height.height, view, hash })) return
  const block = height.bodies.get(hash) ?? core.deps.openBlock(message.block)
  if (block?.hash !== hash) return
  if (height.isCertified(hash)) height.storeBody(block)

  for (const certificate of justificationCertificates(message.justification)) {
    addCertificate(core, certificate)
  }
  if (core.isSettled) return
  if (view > height.view) enterView(core, view)
  if (view >= height.view) {
    if (!height.proposals.has(view)) {
      const justification = ownCopy(core, message.justification)
      height.proposals.set(view, { hash, justification })
    }
    height.storeBody(block)
    if (view === height.view) wake(core)
  }
  addVote(core, leaderVote)
}

/** The same justification out of the certificates that this node has verified itself. */
function ownCopy(core: Core, justification: Justification): Justification {
  const { height } = core
  const nulls = justification.nulls.map((null_) =>
    present(height.findNullification(null_.view), 'nullification just added'),
  )
  if (justification.base === undefined) return { nulls }
  const { view } = justification.base
  return { base: present(height.findNotarization(view), 'notarization just added'), nulls }
}

/** onEnter */
function onEnter(core: Core, message: EnterMessage): void {
  for (const certificate of message.certificates) addCertificate(core, certificate)
  if (core.isSettled || message.view <= core.height.view) return
  if (findJustification(core.height, message.view) !== undefined) enterView(core, message.view)
}

/** A body that was asked for. Nothing is decoded for peers that send one unasked. */
function onBlock(core: Core, message: BlockMessage): void {
  const { height } = core
  if (![...height.bodyRequests.keys()].some((hash) => !height.hasBody(hash))) return
  const block = core.deps.openBlock(message.block)
  if (block === undefined || height.hasBody(block.hash)) return
  const isProposed = [...height.proposals.values()].some((proposal) => proposal.hash === block.hash)
  if (isProposed || height.isCertified(block.hash)) height.storeBody(block)
}

function onGetBlock(core: Core, from: number, message: GetBlockMessage): void {
  const { hash } = message
  const decided = core.decided.find((candidate) => candidate.block.hash === hash)
  const block = core.height.bodies.get(hash) ?? decided?.block
  if (block === undefined || !core.mayReply(from, 'block')) return
  core.send(from, { kind: 'block', height: block.height, block: block.bytes })
}

function onDecidedBytes(core: Core, bytes: Uint8Array, certificate: Certificate): void {
  const block = core.deps.openBlock(bytes)
  if (block !== undefined) onDecided(core, block, certificate)
}

/** A final block from a peer or from the sync protocol: it takes the ordinary way to its commit. */
export function onDecided(core: Core, block: ConsensusBlock, certificate: Certificate): void {
  const { height } = core
  if (certificate.type !== 'finalize' || certificate.height !== height.height) return
  if (certificate.blockHash !== block.hash) return
  addCertificate(core, certificate)
  if (height.finality?.blockHash === block.hash) height.storeBody(block)
}

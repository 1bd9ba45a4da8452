/**
 * Agreement's messages on their way out: to validators over direct streams. While a direct link to some
 * validator is down, own proposals and votes travel by topic too; votes again with the full STATUS that
 * follows a stall. Those who only follow need neither: a decided block has a topic of its own.
 */

import { encodeMessage, type Message } from '../consensus/messages.ts'
import type { XOnlyKey } from '../primitives/hashes.ts'
import type { Channel, Network, PeerId } from '../runtime/runtime.ts'
import type { ValidatorLinks } from './validator-links.ts'

/** Own votes that are published again: those of the last few views. */
const REPEATED_VOTES_MAX = 6

export class ConsensusOutbox {
  readonly #network: Network
  readonly #links: ValidatorLinks
  /** Own votes of the current height, encoded, the newest last. */
  #votes: readonly Uint8Array[] = []

  constructor(network: Network, links: ValidatorLinks) {
    this.#network = network
    this.#links = links
  }

  send(to: XOnlyKey, message: Message): void {
    const peer = this.#links.peerOfKey(to)
    if (peer === undefined) return
    this.#sendTo(peer, message, encodeMessage(message))
  }

  /** `validators`: those whom the message concerns, this one among them. */
  broadcast(message: Message, validators: readonly XOnlyKey[]): void {
    const bytes = encodeMessage(message)
    let connected = 0
    for (const key of validators) {
      const peer = this.#links.peerOfKey(key)
      if (peer === undefined) continue
      connected += 1
      this.#sendTo(peer, message, bytes)
    }
    if (message.kind === 'vote') {
      this.#votes = [...this.#votes, bytes].slice(-REPEATED_VOTES_MAX)
    }
    if (connected >= validators.length - 1) return
    if (message.kind === 'propose') void this.#network.publish('proposals', bytes)
    if (message.kind === 'vote') void this.#network.publish('votes', bytes)
    if (message.kind === 'status' && message.detail !== undefined) {
      for (const vote of this.#votes) void this.#network.publish('votes', vote)
    }
  }

  #sendTo(peer: PeerId, message: Message, bytes: Uint8Array): void {
    this.#network.send(peer, channelOf(message), bytes, replacedBy(message))
  }

  /** Votes of the decided height are of no use any more. */
  decided(): void {
    this.#votes = []
  }
}

/** A status says all that an earlier one of its form did, and what a peer did not read is out of date. */
function replacedBy(message: Message): string | undefined {
  if (message.kind !== 'status') return undefined
  return message.detail === undefined ? 'status' : 'full status'
}

/** Large messages must not hold up votes. */
function channelOf(message: Message): Channel {
  switch (message.kind) {
    case 'propose':
    case 'block':
    case 'decided':
    case 'transactions':
      return 'bulk'
    case 'hello':
    case 'vote':
    case 'enter':
    case 'status':
    case 'get-block':
    case 'evidence':
      return 'consensus'
  }
}

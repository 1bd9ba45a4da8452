/**
 * What a Byzantine validator may do as a whole node. It runs the production node and member, so that its
 * lies are plausible, and stands between them and the world. It signs with its own key only.
 */

import type { ChainState } from '../../../chain/connect-block.ts'
import type { ChainParams } from '../../../chain/params.ts'
import type { PegProposal } from '../../../node/peg-side.ts'
import type { Channel, Network, PeerId, Topic } from '../../../runtime/runtime.ts'
import type { SeededRandom } from '../../seeded-random.ts'

/** What an adversary has in its hands. */
export interface NodeAdversaryTools {
  readonly self: number
  readonly params: ChainParams
  readonly random: SeededRandom
  /** Signs anything with its own key. */
  readonly sign: (digest: Uint8Array) => Uint8Array
  /** Where its own agreement is; undefined while it does not run. */
  place(): { readonly height: number; readonly view: number } | undefined
  /** Hash of its last block. */
  parentHash(): string | undefined
}

export interface NodeAdversary {
  /** What it sends to one peer instead of a frame. */
  frame?(to: number, channel: Channel, frame: Uint8Array): readonly Uint8Array[]
  /** What it publishes instead. */
  gossip?(topic: Topic, payload: Uint8Array): readonly Uint8Array[]
  /** Whatever comes in over direct streams. */
  overhear?(channel: Channel, frame: Uint8Array): void
  /** What it answers to one who is behind; undefined: it declines. */
  answer?(question: Uint8Array, honest: Uint8Array): Uint8Array | undefined
  /** What it proposes about L1. */
  propose?(state: ChainState, honest: PegProposal): PegProposal
  /** It always has something to propose. */
  readonly alwaysWorks?: boolean
  /** Called several times a second, with its network as it is without lies. */
  speak?(network: Network, peers: readonly PeerId[]): void
}

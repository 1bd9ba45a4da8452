/** All adversaries of whole nodes by name. */

import type { DepositProof } from '../../../chain/l1-section.ts'
import { createGarbageSender } from './garbage-sender.ts'
import { createBlockSpoiler, createPegLiar } from './hostile-proposer.ts'
import { createMuteNode } from './mute-node.ts'
import type { NodeAdversary, NodeAdversaryTools } from './node-adversary.ts'
import { createProtocolLiar, PROTOCOL_LIARS } from './protocol-liar.ts'
import { createSigningSaboteur } from './signing-saboteur.ts'
import { createSyncLiar } from './sync-liar.ts'

const ALL_CHANNELS = ['consensus', 'bulk', 'federation'] as const

export const NODE_ADVERSARY_KINDS = [
  'mute',
  'mute-in-bulk',
  'mute-member',
  'sync-liar',
  'garbage-sender',
  'bad-shares',
  'bad-nonces',
  'silent-after-commitment',
  'replays',
  'asks-else',
  'peg-liar',
  'block-spoiler',
  'lying-l1',
  ...PROTOCOL_LIARS,
] as const

export type NodeAdversaryKind = (typeof NODE_ADVERSARY_KINDS)[number]

/** `deposits`: proofs that the chain has had already. */
export function createNodeAdversary(
  kind: NodeAdversaryKind,
  tools: NodeAdversaryTools,
  deposits: () => readonly DepositProof[],
): NodeAdversary {
  switch (kind) {
    case 'mute':
      return createMuteNode(ALL_CHANNELS, true)
    case 'mute-in-bulk':
      return createMuteNode(['bulk'], true)
    case 'mute-member':
      return createMuteNode(['federation'], false)
    case 'sync-liar':
      return createSyncLiar(tools)
    case 'garbage-sender':
      return createGarbageSender(tools)
    case 'bad-shares':
    case 'bad-nonces':
    case 'silent-after-commitment':
    case 'replays':
    case 'asks-else':
      return createSigningSaboteur(kind, tools)
    case 'peg-liar':
      return createPegLiar(tools, deposits)
    case 'block-spoiler':
      return createBlockSpoiler(tools)
    // It believes what its own L1 node says, and that is a branch of its own.
    case 'lying-l1':
      return {}
    default:
      return createProtocolLiar(kind, tools)
  }
}

/** All adversaries of whole nodes by name. */

import type { DepositProof } from '../../../chain/l1-section.ts'
import { present } from '../../../primitives/assert.ts'
import { createGarbageSender } from './garbage-sender.ts'
import { createBlockSpoiler, createPegLiar } from './hostile-proposer.ts'
import { createMuteNode } from './mute-node.ts'
import type { NodeAdversary, NodeAdversaryTools } from './node-adversary.ts'
import { createProtocolLiar, PROTOCOL_LIARS } from './protocol-liar.ts'
import { createSigningSaboteur } from './signing-saboteur.ts'
import { createSyncLiar } from './sync-liar.ts'

const ALL_CHANNELS = ['consensus', 'bulk', 'federation'] as const

type Factory = (tools: NodeAdversaryTools, deposits: () => readonly DepositProof[]) => NodeAdversary

const WHOLE_LIARS = {
  mute: () => createMuteNode(ALL_CHANNELS, true),
  'mute-in-bulk': () => createMuteNode(['bulk'], true),
  'mute-member': () => createMuteNode(['federation'], false),
  'sync-liar': createSyncLiar,
  'garbage-sender': createGarbageSender,
  'bad-shares': (tools) => createSigningSaboteur('bad-shares', tools),
  'bad-nonces': (tools) => createSigningSaboteur('bad-nonces', tools),
  'silent-after-commitment': (tools) => createSigningSaboteur('silent-after-commitment', tools),
  replays: (tools) => createSigningSaboteur('replays', tools),
  'asks-else': (tools) => createSigningSaboteur('asks-else', tools),
  'peg-liar': createPegLiar,
  'block-spoiler': createBlockSpoiler,
  // It believes what its own L1 node says, and that is a branch of its own.
  'lying-l1': () => ({}),
} as const satisfies Readonly<Record<string, Factory>>

const FACTORIES: ReadonlyMap<string, Factory> = new Map<string, Factory>([
  ...Object.entries(WHOLE_LIARS),
  ...PROTOCOL_LIARS.map((kind): [string, Factory] => [
    kind,
    (tools) => createProtocolLiar(kind, tools),
  ]),
])

export type NodeAdversaryKind = keyof typeof WHOLE_LIARS | (typeof PROTOCOL_LIARS)[number]

export const NODE_ADVERSARY_KINDS: readonly NodeAdversaryKind[] = [
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
]

/** `deposits`: proofs that the chain has had already. */
export function createNodeAdversary(
  kind: NodeAdversaryKind,
  tools: NodeAdversaryTools,
  deposits: () => readonly DepositProof[],
): NodeAdversary {
  return present(FACTORIES.get(kind), 'adversary')(tools, deposits)
}

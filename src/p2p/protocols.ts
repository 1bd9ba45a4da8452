/**
 * The names of everything on the wire: stream protocols and gossip topics. Both carry the first
 * eight hex digits of the chain id, so that nodes of two chains never mistake each other's bytes;
 * statements inside carry the whole id.
 */

import type { Hash32 } from '../primitives/hashes.ts'
import type { Channel, Topic } from '../runtime/runtime.ts'

export const CHANNELS: readonly Channel[] = ['consensus', 'bulk', 'federation']

export const TOPICS: readonly Topic[] = [
  'transactions',
  'proposals',
  'blocks',
  'votes',
  'federation',
  'freeze',
  'members',
]

export interface ProtocolNames {
  readonly channels: Readonly<Record<Channel, string>>
  readonly sync: string
  readonly topics: Readonly<Record<Topic, string>>
}

/** The wire names of one chain, for example `/causeway/0f9188f1/bulk/1`. */
export function protocolNames(chainId: Hash32): ProtocolNames {
  const chain8 = chainId.slice(0, 8)
  const protocol = (name: string): string => `/causeway/${chain8}/${name}/1`
  const topic = (name: Topic): string => `causeway/${chain8}/${name}/1`
  return {
    channels: {
      consensus: protocol('consensus'),
      bulk: protocol('bulk'),
      federation: protocol('federation'),
    },
    sync: protocol('sync'),
    topics: {
      transactions: topic('transactions'),
      proposals: topic('proposals'),
      blocks: topic('blocks'),
      votes: topic('votes'),
      federation: topic('federation'),
      freeze: topic('freeze'),
      members: topic('members'),
    },
  }
}

/** Says nothing to anybody once the peg is open, or nothing of one kind; it still listens. */

import type { Channel } from '../../../runtime/runtime.ts'
import type { NodeAdversary } from './node-adversary.ts'

/** `channels`: those that it is silent on. */
export function createMuteNode(channels: readonly Channel[], isDeafToSync: boolean): NodeAdversary {
  return {
    frame: (_to, channel, frame) => (channels.includes(channel) ? [] : [frame]),
    gossip: (_topic, payload) => (channels.length > 1 ? [] : [payload]),
    ...(isDeafToSync ? { answer: () => undefined } : {}),
  }
}

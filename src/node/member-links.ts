/** The member's network out of the node's: direct streams to the validators behind the links. */

import type { Network } from '../runtime/runtime.ts'
import type { ValidatorLinks } from './validator-links.ts'

/** What the member calls its network, by member index. */
export interface MemberLinks {
  /** Best effort; losing a frame is allowed. */
  send(member: number, frame: Uint8Array): void
  /** To all other members. */
  broadcast(frame: Uint8Array): void
  onFrame(handler: (frame: Uint8Array) => void): void
  /** Members with a live link. */
  connected(): readonly number[]
}

export function connectedMembers(
  network: Pick<Network, 'send' | 'onFrame'>,
  links: Pick<ValidatorLinks, 'peerOf' | 'indexOf' | 'connected'>,
  memberCount: number,
): MemberLinks {
  const send = (member: number, frame: Uint8Array): void => {
    const peer = links.peerOf(member)
    if (peer !== undefined) network.send(peer, 'federation', frame)
  }
  return {
    send,
    broadcast(frame) {
      for (let member = 0; member < memberCount; member++) send(member, frame)
    },
    // Only validators have anything to say here; what they say is signed besides.
    onFrame: (handler) =>
      network.onFrame('federation', (from, frame) => {
        if (links.indexOf(from) !== undefined) handler(frame)
      }),
    connected: () => links.connected(),
  }
}

/** The member's network out of the node's: direct streams to the keys behind the links. */

import type { XOnlyKey } from '../primitives/hashes.ts'
import type { Network } from '../runtime/runtime.ts'
import type { ValidatorLinks } from './validator-links.ts'

/** What the member calls its network, by validator key. */
export interface MemberLinks {
  /** Best effort; losing a frame is allowed. */
  send(to: XOnlyKey, frame: Uint8Array): void
  onFrame(handler: (frame: Uint8Array) => void): void
}

export function connectedMembers(
  network: Pick<Network, 'send' | 'onFrame'>,
  links: Pick<ValidatorLinks, 'peerOfKey' | 'keyOf'>,
): MemberLinks {
  return {
    send(to, frame) {
      const peer = links.peerOfKey(to)
      if (peer !== undefined) network.send(peer, 'federation', frame)
    },
    // Only members have anything to say here; what they say is signed besides.
    onFrame: (handler) =>
      network.onFrame('federation', (from, frame) => {
        if (links.keyOf(from) !== undefined) handler(frame)
      }),
  }
}

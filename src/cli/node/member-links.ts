/** The member's network out of the node's: direct streams to the keys behind the links. */

import type { MemberNetwork } from '../../../federation/member-network.ts'
import type { ValidatorLinks } from '../../node/validator-links.ts'
import type { Network } from '../../runtime/runtime.ts'

export function connectedMembers(
  network: Network,
  links: Pick<ValidatorLinks, 'peerOfKey' | 'keyOf'>,
): MemberNetwork {
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

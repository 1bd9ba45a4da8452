/** The member's network out of the node's: direct streams to the validators behind the links. */

import type { MemberNetwork } from '../../../federation/member-network.ts'
import type { ValidatorLinks } from '../../node/validator-links.ts'
import type { Network } from '../../runtime/runtime.ts'

export function connectedMembers(
  network: Network,
  links: ValidatorLinks,
  memberCount: number,
): MemberNetwork {
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

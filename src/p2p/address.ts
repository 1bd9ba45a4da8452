/** Multiaddrs (libp2p's self-describing addresses) of peers. */

import { CODE_P2P, multiaddr } from '@multiformats/multiaddr'
import type { PeerId } from '../runtime/runtime.ts'

export class AddressError extends Error {
  override readonly name = 'AddressError'
}

/**
 * The peer id at the end of `/ip4/…/tcp/…/p2p/<peer id>`.
 * @throws AddressError when the text is not a multiaddr or names no peer.
 */
export function peerIdOfAddress(address: string): PeerId {
  let components: ReturnType<ReturnType<typeof multiaddr>['getComponents']>
  try {
    components = multiaddr(address).getComponents()
  } catch (cause) {
    throw new AddressError(`not a multiaddr: ${address}`, { cause })
  }
  const peer = components.findLast((component) => component.code === CODE_P2P)?.value
  if (peer === undefined) throw new AddressError(`no /p2p/ part in ${address}`)
  return peer
}

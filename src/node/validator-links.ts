/**
 * Which connected peer is which validator. Each side's first frame on the consensus channel is a
 * HELLO: the transport has proved the peer id, the signature proves that the validator vouches for
 * it. Of several peers claiming one validator the highest sequence wins.
 */

import { helloDigest, verifyHello } from '../consensus/hello.ts'
import { encodeMessage, type HelloMessage } from '../consensus/messages.ts'
import type { VoteContext } from '../consensus/votes.ts'
import type { XOnlyKey } from '../primitives/hashes.ts'
import type { Network, PeerId } from '../runtime/runtime.ts'

export interface ValidatorIdentity {
  readonly index: number
  readonly publicKey: XOnlyKey
  /** BIP340 signature by the validator key over a 32-byte tagged hash. */
  sign(digest: Uint8Array): Uint8Array
}

export interface ValidatorLinks {
  /** The validator behind a peer, if it has said so. */
  indexOf(peer: PeerId): number | undefined
  peerOf(index: number): PeerId | undefined
  /** Indexes of the validators with a live link. */
  connected(): readonly number[]
  /** False when the HELLO proves nothing. */
  onHello(from: PeerId, hello: HelloMessage): boolean
  onLinked(handler: (index: number, peer: PeerId) => void): void
}

interface Link {
  readonly peer: PeerId
  readonly sequence: number
}

export function createValidatorLinks(
  network: Network,
  context: VoteContext,
  self: ValidatorIdentity | undefined,
  startedAtMs: number,
): ValidatorLinks {
  const links = new Map<number, Link>()
  const indexes = new Map<PeerId, number>()
  const handlers: ((index: number, peer: PeerId) => void)[] = []

  network.onPeerConnected((peer) => {
    if (self === undefined) return
    const fields = {
      chainId: context.chainId,
      validatorKey: self.publicKey,
      peerId: network.peerId,
      sequence: startedAtMs,
    }
    const signature = self.sign(helloDigest(fields))
    network.send(peer, 'consensus', encodeMessage({ kind: 'hello', ...fields, signature }))
  })
  network.onPeerDisconnected((peer) => {
    const index = indexes.get(peer)
    indexes.delete(peer)
    if (index !== undefined && links.get(index)?.peer === peer) links.delete(index)
  })

  return {
    indexOf: (peer) => indexes.get(peer),
    peerOf: (index) => links.get(index)?.peer,
    connected: () => [...links.keys()].toSorted((a, b) => a - b),
    onLinked(handler) {
      handlers.push(handler)
    },
    onHello(from, hello) {
      if (!verifyHello(hello, from, context)) return false
      const index = context.validators.indexOf(hello.validatorKey)
      if (index === self?.index) return false
      const known = links.get(index)
      if (known !== undefined && known.peer !== from && known.sequence > hello.sequence) return true
      if (known !== undefined) indexes.delete(known.peer)
      links.set(index, { peer: from, sequence: hello.sequence })
      indexes.set(from, index)
      for (const handler of handlers) handler(index, from)
      return true
    },
  }
}

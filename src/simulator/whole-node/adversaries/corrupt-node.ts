/** Puts an adversary between a node and its network, and between a node and its member. */

import type { PegSide } from '../../../node/peg-side.ts'
import { RequestError } from '../../../p2p/request-error.ts'
import type { Channel, Network, PeerId, Topic } from '../../../runtime/runtime.ts'
import type { Corruption } from '../whole-node.ts'
import type { NodeAdversary } from './node-adversary.ts'

const CHANNELS: ReadonlySet<Channel> = new Set(['consensus', 'bulk', 'federation'])

/** `isActive`: until then the node is honest. `onNetwork`: the network of each of its lives. */
export function corruptionBy(
  adversary: NodeAdversary,
  isActive: () => boolean,
  onNetwork: (network: Network) => void,
): Corruption {
  return {
    network(real) {
      onNetwork(real)
      return corruptNetwork(real, adversary, isActive)
    },
    pegSide: (real) => corruptPegSide(real, adversary, isActive),
  }
}

function corruptNetwork(real: Network, adversary: NodeAdversary, isActive: () => boolean): Network {
  return {
    peerId: real.peerId,
    start: () => real.start(),
    stop: () => real.stop(),
    addresses: () => real.addresses(),
    keepConnected: (address) => real.keepConnected(address),
    peers: () => real.peers(),
    disconnect: (peer, reason) => real.disconnect(peer, reason),
    setTrusted: (peer, isTrusted) => real.setTrusted(peer, isTrusted),
    send(peer, channel, frame, replaces) {
      const frames = isActive() ? adversary.frame?.(placeOf(peer), channel, frame) : undefined
      if (frames === undefined) return real.send(peer, channel, frame, replaces)
      for (const lie of frames) real.send(peer, channel, lie)
      return true
    },
    onFrame(channel, handler) {
      real.onFrame(channel, (from, frame) => {
        if (isActive() && CHANNELS.has(channel)) adversary.overhear?.(channel, frame)
        handler(from, frame)
      })
    },
    async publish(topic: Topic, payload) {
      const payloads = isActive() ? adversary.gossip?.(topic, payload) : undefined
      if (payloads === undefined) return real.publish(topic, payload)
      for (const lie of payloads) await real.publish(topic, lie)
      return true
    },
    onGossip: (topic, handler) => real.onGossip(topic, handler),
    request: (peer, question, timeoutMs) => real.request(peer, question, timeoutMs),
    onRequest(handler) {
      real.onRequest(async (from, question) => {
        const honest = await handler(from, question)
        if (!isActive() || adversary.answer === undefined) return honest
        const lie = adversary.answer(question, honest)
        if (lie === undefined) throw new RequestError('refused', 'not for you')
        return lie
      })
    },
    onPeerConnected: (handler) => real.onPeerConnected(handler),
    onPeerDisconnected: (handler) => real.onPeerDisconnected(handler),
  }
}

function corruptPegSide(real: PegSide, adversary: NodeAdversary, isActive: () => boolean): PegSide {
  return {
    async propose(state) {
      const honest = await real.propose(state)
      return isActive() ? (adversary.propose?.(state, honest) ?? honest) : honest
    },
    judge: (state, proposal) => real.judge(state, proposal),
    hasWork: (state) => (isActive() && adversary.alwaysWorks === true) || real.hasWork(state),
    onChange: (handler) => real.onChange(handler),
    onCommitted: (block, state) => real.onCommitted(block, state),
  }
}

/** Of a peer, by its name in a run. */
export function placeOf(peer: PeerId): number {
  return Number(peer.slice(1))
}

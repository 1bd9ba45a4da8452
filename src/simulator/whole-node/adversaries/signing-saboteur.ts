/**
 * A member that sabotages signatures: bad shares, bad nonces, silence after it has committed, old
 * messages again, and requests to sign something else. Everything is sealed with its own key.
 */

import { decodeEnvelope, sealMessage } from '../../../../federation/signing/envelope.ts'
import {
  decodeSigningMessage,
  encodeSigningMessage,
  type SigningMessage,
} from '../../../../federation/signing/signing-messages.ts'
import { hash32FromBytes } from '../../../primitives/hashes.ts'
import type { SeededRandom } from '../../seeded-random.ts'
import type { NodeAdversary, NodeAdversaryTools } from './node-adversary.ts'

export type Sabotage =
  | 'bad-shares'
  | 'bad-nonces'
  | 'silent-after-commitment'
  | 'replays'
  | 'asks-else'

const KEPT_MAX = 40

export function createSigningSaboteur(
  sabotage: Sabotage,
  { random, params, sign }: NodeAdversaryTools,
): NodeAdversary {
  const kept: Uint8Array[] = []
  return {
    frame(_to, channel, frame) {
      if (channel !== 'federation') return [frame]
      const envelope = decodeEnvelope(frame)
      if (envelope.protocol !== 'signing') return [frame]
      const message = decodeSigningMessage(envelope.body)
      if (sabotage === 'silent-after-commitment') return message.kind === 'share' ? [] : [frame]
      if (sabotage === 'replays') {
        kept[random.below(Math.min(kept.length + 1, KEPT_MAX))] = frame.slice()
        return [frame, random.pick(kept), random.pick(kept)]
      }
      const lie = spoil(message, sabotage, random)
      if (lie === undefined) return [frame]
      return [sealMessage({ ...envelope, body: encodeSigningMessage(lie) }, params.chainId, sign)]
    },
  }
}

function spoil(
  message: SigningMessage,
  sabotage: Sabotage,
  random: SeededRandom,
): SigningMessage | undefined {
  const scalar = (): Uint8Array => Uint8Array.from({ length: 32 }, () => random.below(256))
  if (sabotage === 'bad-shares' && message.kind === 'share') {
    return { ...message, shares: message.shares.map(scalar) }
  }
  if (sabotage === 'bad-nonces' && (message.kind === 'hello' || message.kind === 'share')) {
    const offer = message.kind === 'hello' ? message.offer : message.next
    if (offer === undefined) return undefined
    const spoilt = { ...offer, nonces: offer.nonces.toReversed().map(swapped) }
    return message.kind === 'hello' ? { ...message, offer: spoilt } : { ...message, next: spoilt }
  }
  if (sabotage === 'asks-else' && message.kind === 'start') {
    const batchId = random.chance(0.5) ? hash32FromBytes(scalar()) : message.batchId
    return { ...message, batchId, version: message.version + random.below(3) }
  }
  return undefined
}

/** The other nonce in each one's place: points all of them, and not what was committed to. */
function swapped<N extends { readonly hiding: Uint8Array; readonly binding: Uint8Array }>(
  nonce: N,
): N {
  return { ...nonce, hiding: nonce.binding, binding: nonce.hiding }
}

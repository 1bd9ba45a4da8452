/** Offers nonces that are no points: off the curve, or what one would write for infinity. */

import type { NonceOffer } from '../../../federation/signing/signing-messages.ts'
import { type CreateAdversary, messageIn, reworded } from './member-adversary.ts'

function spoiling(
  spoil: (offer: NonceOffer) => NonceOffer,
  name: string,
  fault: string,
): CreateAdversary {
  return () => ({
    name,
    role: 'signer',
    fault,
    send(frame) {
      const message = messageIn(frame.sealed)
      if (message.kind !== 'hello') return [frame]
      return [reworded(frame, { ...message, offer: spoil(message.offer) })]
    },
  })
}

export const createOffCurve = spoiling(
  ({ handle, nonces }) => ({
    handle,
    nonces: nonces.map(({ hiding, binding }) => ({ hiding: hiding.with(0, 5), binding })),
  }),
  'nonces off the curve',
  'bad-nonce',
)

export const createInfinity = spoiling(
  ({ handle, nonces }) => ({
    handle,
    nonces: nonces.with(0, { hiding: new Uint8Array(33), binding: new Uint8Array(33) }),
  }),
  'nonces at infinity',
  'bad-nonce',
)

export const createRepeatedNonces = spoiling(
  ({ handle, nonces }) => ({ handle, nonces: nonces.map(() => nonces[0]!) }),
  'one nonce for all inputs',
  'repeated-nonce',
)

export const createTooFewNonces = spoiling(
  ({ handle, nonces }) => ({ handle, nonces: nonces.slice(0, 1) }),
  'too few nonces',
  'bad-nonce',
)

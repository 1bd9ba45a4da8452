/** Offers another member's commitments as its own, and cannot sign under them. */

import type { NonceCommitment } from '../../../federation/signing/frost.ts'
import { type CreateAdversary, messageIn, reworded } from './member-adversary.ts'

export const createNonceCopier: CreateAdversary = () => {
  let stolen: readonly NonceCommitment[] | undefined
  return {
    name: 'copied nonces',
    role: 'coordinator',
    fault: undefined,
    hear(sealed) {
      const message = messageIn(sealed)
      if (message.kind === 'hello') stolen = message.offer.nonces
      return []
    },
    send(frame) {
      const message = messageIn(frame.sealed)
      if (message.kind !== 'hello' || stolen === undefined) return [frame]
      return [reworded(frame, { ...message, offer: { ...message.offer, nonces: stolen } })]
    },
  }
}

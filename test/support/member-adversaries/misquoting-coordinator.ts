/** Attributes to its signers nonces that they have not offered. */

import { type CreateAdversary, messageIn, reworded } from './member-adversary.ts'

export const createMisquotingCoordinator: CreateAdversary = () => ({
  name: 'misquoted nonces',
  role: 'coordinator',
  fault: 'bad-start',
  send(frame) {
    const message = messageIn(frame.sealed)
    if (message.kind !== 'start') return [frame]
    const participants = message.participants.map(({ member, offer }) => ({
      member,
      offer: { handle: offer.handle, nonces: offer.nonces.toReversed() },
    }))
    return [reworded(frame, { ...message, participants })]
  },
})

/** Sends shares that verify for nothing. */

import { type CreateAdversary, messageIn, reworded } from './member-adversary.ts'

export const createBadShares: CreateAdversary = ({ random }) => ({
  name: 'bad shares',
  role: 'signer',
  fault: 'bad-share',
  send(frame) {
    const message = messageIn(frame.sealed)
    if (message.kind !== 'share') return [frame]
    return [reworded(frame, { ...message, shares: message.shares.with(0, random(32)) })]
  },
})

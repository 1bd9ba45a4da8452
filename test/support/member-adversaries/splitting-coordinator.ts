/** Tells each signer of a session something else: other sessions, other nonces of the others. */

import { type CreateAdversary, messageIn, reworded } from './member-adversary.ts'

export const createSplittingCoordinator: CreateAdversary = ({ self, random }) => ({
  name: 'another START for each signer',
  role: 'coordinator',
  fault: undefined,
  send(frame) {
    const message = messageIn(frame.sealed)
    if (message.kind === 'signed') return []
    if (message.kind !== 'start') return [frame]
    const session = new DataView(random(8).slice().buffer).getBigUint64(0)
    const participants = message.participants.map((participant) => {
      if (participant.member !== self) return participant
      const { handle, nonces } = participant.offer
      // The same points, in places that differ from signer to signer.
      const turned = frame.to % 2 === 0 ? nonces.toReversed() : nonces
      return { member: self, offer: { handle, nonces: turned } }
    })
    return [reworded(frame, { ...message, session, participants })]
  },
})

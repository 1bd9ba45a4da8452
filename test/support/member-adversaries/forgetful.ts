/** Commits, never signs, and commits again under another handle: as if it restarted all the time. */

import { type CreateAdversary, type Frame, messageIn, reworded } from './member-adversary.ts'

export const createForgetful: CreateAdversary = ({ random }) => {
  let last: Frame | undefined
  return {
    name: 'commitments without end',
    role: 'signer',
    fault: undefined,
    send(frame) {
      const { kind } = messageIn(frame.sealed)
      if (kind === 'share') return []
      if (kind === 'hello') last = frame
      return [frame]
    },
    tick() {
      const message = last === undefined ? undefined : messageIn(last.sealed)
      if (last === undefined || message?.kind !== 'hello') return []
      const handle = new DataView(random(8).slice().buffer).getBigUint64(0)
      // Other commitments each time, so that it cannot be caught at repeating itself.
      const nonces = message.offer.nonces.map(() => ({
        hiding: point(random),
        binding: point(random),
      }))
      return [reworded(last, { ...message, offer: { handle, nonces } })]
    },
  }
}

/** Looks like a point; about every second one is. */
function point(random: (length: number) => Uint8Array): Uint8Array {
  return random(33).with(0, 2)
}

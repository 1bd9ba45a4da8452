/** Commits to nonces and is never heard again. */

import { type CreateAdversary, messageIn } from './member-adversary.ts'

export const createMuteAfterCommitment: CreateAdversary = () => ({
  name: 'silence after commitment',
  role: 'signer',
  fault: undefined,
  send: (frame) => (messageIn(frame.sealed).kind === 'hello' ? [frame] : []),
})

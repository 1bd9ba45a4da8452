/** Sends nonsense under its seal, and noise without one. */

import { type CreateAdversary, othersOf, sealAs } from './member-adversary.ts'

export const createGarbage: CreateAdversary = (tools) => ({
  name: 'garbage',
  role: 'signer',
  fault: 'malformed',
  send: ({ to }) => [{ to, sealed: sealAs(tools.self, to, tools.random(60)) }],
  tick: () =>
    othersOf(tools).flatMap((to) => [
      { to, sealed: tools.random(200) },
      { to, sealed: sealAs(tools.self, to, tools.random(60)) },
    ]),
})

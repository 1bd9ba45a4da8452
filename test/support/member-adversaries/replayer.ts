/** Says again, to everybody, what it and others have said. */

import { type CreateAdversary, othersOf } from './member-adversary.ts'

const KEPT = 40

export const createReplayer: CreateAdversary = (tools) => {
  const kept: Uint8Array[] = []
  const keep = (sealed: Uint8Array): void => {
    kept.push(sealed)
    if (kept.length > KEPT) kept.shift()
  }
  return {
    name: 'replays',
    role: 'coordinator',
    fault: undefined,
    send(frame) {
      keep(frame.sealed)
      return [frame, frame]
    },
    hear(sealed) {
      keep(sealed)
      return []
    },
    tick: () => kept.flatMap((sealed) => othersOf(tools).map((to) => ({ to, sealed }))),
  }
}

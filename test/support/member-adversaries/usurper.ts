/** Asks for signatures of something else: another task, another version, inputs that nobody spends. */

import { hash32FromBytes } from '../../../src/primitives/hashes.ts'
import { type CreateAdversary, messageIn, othersOf, reworded } from './member-adversary.ts'

export const createUsurper: CreateAdversary = (tools) => ({
  name: 'requests to sign something else',
  role: 'coordinator',
  fault: undefined,
  send(frame) {
    const message = messageIn(frame.sealed)
    if (message.kind === 'hello') return [frame]
    const batchId = hash32FromBytes(tools.random(32))
    return [
      reworded(frame, { ...message, batchId }),
      reworded(frame, { ...message, version: message.version + 1 }),
      ...othersOf(tools).map((to) =>
        reworded(
          { ...frame, to },
          {
            kind: 'signed',
            batchId: message.batchId,
            version: message.version,
            signatures: [tools.random(64), tools.random(64)],
          },
        ),
      ),
    ]
  },
})

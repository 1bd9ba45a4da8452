/**
 * To those who are behind it declines, says that there is nothing, cuts its answer short, gives another
 * height's blocks, or puts another block under a certificate.
 */

import { decodeDecidedAnswer, encodeDecidedAnswer } from '../../../consensus/sync-messages.ts'
import type { NodeAdversary, NodeAdversaryTools } from './node-adversary.ts'

export function createSyncLiar({ random }: NodeAdversaryTools): NodeAdversary {
  return {
    answer(_question, honest) {
      const blocks = decodeDecidedAnswer(honest)
      switch (random.below(6)) {
        case 0:
          return undefined
        case 1:
          return encodeDecidedAnswer([])
        case 2:
          return encodeDecidedAnswer(blocks.slice(1))
        case 3:
          return honest.slice(0, random.below(honest.length + 1))
        case 4: {
          const bodies = random.shuffle(blocks.map(({ block }) => block))
          return encodeDecidedAnswer(
            blocks.map(({ certificate, block }, i) => ({ certificate, block: bodies[i] ?? block })),
          )
        }
        default:
          // A certificate whose signatures are somebody's dreams.
          return encodeDecidedAnswer(
            blocks.map(({ certificate, block }) => ({
              block,
              certificate: {
                ...certificate,
                signatures: certificate.signatures.map((bytes) => bytes.map((byte) => byte ^ 1)),
              },
            })),
          )
      }
    },
  }
}

/** Collects shares for ever: answers each with a START among strangers' nonces, and never finishes. */

import type { NonceOffer } from '../../../federation/signing/signing-messages.ts'
import { type CreateAdversary, decodeSender, encodeStart, messageIn } from './member-adversary.ts'

export interface EndlessCoordinatorCount {
  shares: number
}

/** `count`: how many shares it was given. */
export function endlessCoordinator(count: EndlessCoordinatorCount): CreateAdversary {
  return ({ self, random }) => {
    const offers = new Map<number, NonceOffer>()
    return {
      name: 'sessions without end',
      role: 'coordinator',
      fault: undefined,
      send: (frame) => (messageIn(frame.sealed).kind === 'hello' ? [frame] : []),
      hear(sealed) {
        const message = messageIn(sealed)
        const from = decodeSender(sealed)
        if (message.kind === 'share') count.shares += 1
        const offer =
          message.kind === 'hello'
            ? message.offer
            : message.kind === 'share' || message.kind === 'gone'
              ? message.next
              : undefined
        if (offer === undefined) return []
        offers.set(from, offer)
        if (offers.size < 5) return []
        const session = new DataView(random(8).slice().buffer).getBigUint64(0)
        const participants = [...offers]
          .map(([member, of]) => ({ member, offer: of }))
          .toSorted((a, b) => a.member - b.member)
        const { batchId, version } = message
        const start = { kind: 'start', batchId, version, session, participants } as const
        return [{ to: from, sealed: encodeStart(self, start) }]
      },
    }
  }
}

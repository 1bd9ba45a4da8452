/** Says everything late: honest otherwise. */

import type { CreateAdversary, Frame } from './member-adversary.ts'

const DELAY_TICKS = 7

export const createSlow: CreateAdversary = () => {
  let tick = 0
  const queue: { readonly at: number; readonly frame: Frame }[] = []
  return {
    name: 'slowness',
    role: 'signer',
    fault: undefined,
    send(frame) {
      queue.push({ at: tick + DELAY_TICKS, frame })
      return []
    },
    tick() {
      tick += 1
      const due = queue.filter(({ at }) => at <= tick)
      queue.splice(0, due.length)
      return due.map(({ frame }) => frame)
    },
  }
}

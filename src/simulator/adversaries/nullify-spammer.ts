/** Nullifies this view, the next ones and those of the next height, all the time, also in idle. */

import { type Adversary, type AdversaryTools, toEverybody } from './adversary.ts'

export function createNullifySpammer(tools: AdversaryTools): Adversary {
  return {
    speak() {
      const place = tools.place()
      if (place === undefined) return []
      return [0, 1, 2, 3].flatMap((ahead) => {
        const height = place.height + (ahead & 1)
        const vote = tools.vote({ type: 'nullify', height, view: place.view + (ahead >> 1) })
        return toEverybody(tools, { kind: 'vote', vote })
      })
    },
  }
}

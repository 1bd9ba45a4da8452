/**
 * Over everything that honest validators have said, with the Byzantine ones saying whatever helps:
 * no view could be both finalized and nullified, or notarized for two blocks.
 */

import { quorumSize } from '../../consensus/quorum.ts'
import type { Statement } from '../../consensus/votes.ts'
import type { Watch } from './watch.ts'

export class Formability {
  readonly #watch: Watch
  readonly #said: ReadonlyMap<string, Statement>

  /** `said`: by honest validators, one entry for each of them and statement. */
  constructor(watch: Watch, said: ReadonlyMap<string, Statement>) {
    this.#watch = watch
    this.#said = said
  }

  check(): void {
    const { byzantine, schedule, fail } = this.#watch
    const tallies = new Map<string, Map<string, number>>()
    const enough = new Map<string, number>()
    for (const vote of this.#said.values()) {
      const place = `${vote.height}:${vote.view}`
      const tally = tallies.get(place) ?? new Map<string, number>()
      const what = `${vote.type}:${vote.blockHash ?? ''}`
      tally.set(what, (tally.get(what) ?? 0) + 1)
      tallies.set(place, tally)
      const { validators } = schedule.at(vote.height)
      enough.set(place, quorumSize(validators.length) - byzantine.size)
    }
    for (const [place, tally] of tallies) {
      const formable = [...tally]
        .filter(([, votes]) => votes >= (enough.get(place) ?? 0))
        .map(([what]) => what)
      const ways = formable.filter((what) => !what.startsWith('notarize:'))
      const notarizations = formable.filter((what) => what.startsWith('notarize:'))
      if (ways.length > 1 || notarizations.length > 1) {
        fail(`contradicting certificates possible at ${place}: ${formable.join(' ')}`)
      }
    }
  }
}

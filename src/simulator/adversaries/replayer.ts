/**
 * Repeats what it has heard, of this height and of old ones; puts others' signatures under statements
 * of another height, view or type; and signs for epochs that are not.
 */

import type { Message } from '../../consensus/messages.ts'
import type { Vote } from '../../consensus/votes.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { type Adversary, type AdversaryTools, type Place, somebody } from './adversary.ts'

const HEARD_MAX = 200
const VOTES_MAX = 40
const REPEATED = 6

/** Somebody's signature, said to be about where things are now. */
function relabel(vote: Vote, place: Place, random: SeededRandom): Vote {
  const { signer, signature } = vote
  const height = random.chance(0.7) ? place.height : vote.height
  const view = random.chance(0.7) ? place.view : vote.view
  const type = random.chance(0.3) ? 'nullify' : vote.type
  const where = { type, height, view, signer, signature }
  return type === 'nullify' || vote.blockHash === undefined
    ? { ...where, type: 'nullify' }
    : { ...where, blockHash: vote.blockHash }
}

export function createReplayer(tools: AdversaryTools): Adversary {
  const { random } = tools
  const heard: Message[] = []
  const votes: Vote[] = []
  return {
    overhear(message) {
      if (message.kind === 'vote')
        votes[random.below(Math.min(votes.length + 1, VOTES_MAX))] = message.vote
      if (heard.length < HEARD_MAX) heard.push(message)
      else heard[random.below(HEARD_MAX)] = message
    },
    speak() {
      const place = tools.place()
      if (place === undefined || heard.length === 0) return []
      const { height, view } = place
      const vote = tools.voteOfEpoch(1, { type: 'nullify', height, view })
      return [
        { to: somebody(tools), message: { kind: 'vote', vote } },
        ...random
          .shuffle(votes)
          .slice(0, REPEATED)
          .map((stolen) => ({
            to: somebody(tools),
            message: { kind: 'vote' as const, vote: relabel(stolen, place, random) },
          })),
        ...Array.from({ length: REPEATED }, () => ({
          to: somebody(tools),
          message: random.pick(heard),
        })),
      ]
    },
  }
}

/** Sends bytes without meaning, and messages with a few bytes changed, on every channel and topic. */

import { RequestError } from '../../../p2p/request-error.ts'
import type { Channel, Topic } from '../../../runtime/runtime.ts'
import type { SeededRandom } from '../../seeded-random.ts'
import type { NodeAdversary, NodeAdversaryTools } from './node-adversary.ts'

const CHANNELS: readonly Channel[] = ['consensus', 'bulk', 'federation']
const TOPICS: readonly Topic[] = [
  'transactions',
  'proposals',
  'blocks',
  'votes',
  'federation',
  'freeze',
  'members',
]
const KEPT_MAX = 60
const BURST = 6

export function createGarbageSender({ random }: NodeAdversaryTools): NodeAdversary {
  const heard: Uint8Array[] = []
  const junk = (): Uint8Array => {
    const known = heard.length > 0 && random.chance(0.6) ? random.pick(heard) : undefined
    return known === undefined ? anything(random) : spoilt(known, random)
  }
  return {
    overhear(_channel, frame) {
      heard[random.below(Math.min(heard.length + 1, KEPT_MAX))] = frame.slice()
    },
    speak(network, peers) {
      for (let i = 0; i < BURST && peers.length > 0; i++) {
        const peer = random.pick(peers)
        const roll = random.below(3)
        if (roll === 0) network.send(peer, random.pick(CHANNELS), junk().subarray(0, 60_000))
        else if (roll === 1) void network.publish(random.pick(TOPICS), junk().subarray(0, 60_000))
        else {
          network.request(peer, junk().subarray(0, 1_000), 1_000).catch((error: unknown) => {
            if (!(error instanceof RequestError)) throw error
          })
        }
      }
    },
    answer: (_question, honest) => (random.chance(0.5) ? spoilt(honest, random) : anything(random)),
  }
}

function anything(random: SeededRandom): Uint8Array {
  return Uint8Array.from({ length: random.below(300) }, () => random.below(256))
}

function spoilt(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const copy = bytes.slice()
  for (let i = 0; i < 1 + random.below(4) && copy.length > 0; i++) {
    copy[random.below(copy.length)] = random.below(256)
  }
  return copy
}

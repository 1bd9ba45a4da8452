/**
 * The validators' operators, who vote now and then to stop all releases: one of them, or all, who change
 * their minds later. Once the world has healed everybody wants them to go on.
 */

import type { ChainParams } from '../../chain/params.ts'
import { freezeVoteDigest } from '../../chain/peg/freeze-vote.ts'
import type { XOnlyKey } from '../../primitives/hashes.ts'
import { fakeSignature } from '../fake-signatures.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { WholeNode } from './whole-node.ts'
import type { WorldTime } from './world-time.ts'

export interface FreezeVoterWorld {
  readonly time: WorldTime
  readonly random: SeededRandom
  readonly params: ChainParams
  /** Honest nodes that run. */
  readonly nodes: () => readonly WholeNode[]
  readonly note: (text: string) => void
}

const FREEZE_SHARE = 0.35
const HESITATION_MS = 2_000
const FROZEN_MS = [2_000, 12_000] as const

export class FreezeVoters {
  readonly #world: FreezeVoterWorld
  readonly #voters = new Set<XOnlyKey>()
  #serial = 0
  #isHealed = false

  constructor(world: FreezeVoterWorld) {
    this.#world = world
  }

  /** In some runs, once or twice. */
  schedule(untilMs: number): void {
    const { time, random, params } = this.#world
    while (random.chance(FREEZE_SHARE)) {
      const isAll = random.chance(0.7)
      const keys = isAll ? params.validators : [random.pick(params.validators)]
      const atMs = random.between(0.2, 0.9) * untilMs
      const thawMs = atMs + random.between(...FROZEN_MS)
      for (const key of keys) {
        const hesitate = (): number => random.between(0, HESITATION_MS)
        time.after(atMs + hesitate(), () => this.#vote(key, true))
        time.after(thawMs + hesitate(), () => this.#vote(key, false))
      }
    }
  }

  /** Whoever has ever voted says that releases shall go on. Called again: a vote may get lost. */
  thaw(): void {
    this.#isHealed = true
    for (const key of this.#voters) this.#vote(key, false)
  }

  #vote(validator: XOnlyKey, freeze: boolean): void {
    if (freeze && this.#isHealed) return
    const { params, random, nodes, note } = this.#world
    const running = nodes()
    if (running.length === 0) return
    const node = random.pick(running)
    this.#voters.add(validator)
    this.#serial += 1
    const wish = { serial: this.#serial, freeze }
    const signature = fakeSignature(validator, freezeVoteDigest(params.chainId, wish))
    const index = params.validators.indexOf(validator)
    note(`the operator of n${index} votes to ${freeze ? 'freeze' : 'go on'} through ${node.name}`)
    void node.running?.node.submitFreezeVote({ ...wish, validator, signature })
  }
}

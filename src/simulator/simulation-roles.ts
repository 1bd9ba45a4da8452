/** Who is what in a run: which validators are Byzantine and how, and which honest ones never recover. */

import { faultTolerance } from '../consensus/quorum.ts'
import { ADVERSARY_KINDS, type AdversaryKind } from './adversaries/create-adversary.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { HealingMode, SimulationOptions } from './simulation-options.ts'

export interface Roles {
  readonly mode: HealingMode
  readonly byzantine: ReadonlyMap<number, AdversaryKind>
  /** Honest validators that stay broken when the others heal; with the Byzantine ones at most f. */
  readonly lost: ReadonlySet<number>
  /** Validator → the second place of its key, above all validators' own. */
  readonly twins: ReadonlyMap<number, number>
}

const LIVENESS_SHARE = 0.3

export function castRoles(options: SimulationOptions, random: SeededRandom): Roles {
  const { validators, adversaries = ADVERSARY_KINDS } = options
  if (options.changes === true) {
    return { mode: 'safety', byzantine: new Map(), lost: new Set(), twins: new Map() }
  }
  const mode = options.mode ?? (random.chance(LIVENESS_SHARE) ? 'liveness' : 'safety')
  const order = random.shuffle(Array.from({ length: validators }, (_, i) => i))
  const tolerated = faultTolerance(validators)
  const drawn = mode === 'liveness' ? random.below(tolerated + 1) : tolerated
  const count = options.byzantine ?? drawn

  const byzantine = new Map(order.slice(0, count).map((index) => [index, random.pick(adversaries)]))
  const lost = mode === 'liveness' ? Math.max(0, tolerated - count) : 0
  const twins = [...byzantine].filter(([, kind]) => kind === 'twins').map(([index]) => index)
  return {
    mode,
    byzantine,
    lost: new Set(order.slice(count, count + lost)),
    twins: new Map(twins.map((index, i) => [index, validators + i])),
  }
}

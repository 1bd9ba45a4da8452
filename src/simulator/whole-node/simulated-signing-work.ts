/**
 * The thread that does a member's arithmetic, on virtual time: answers come later and in order, and now
 * and then the thread dies with all that it was asked, and another one begins with the shares alone.
 */

import type { KeyShare } from '../../../federation/signing/frost.ts'
import {
  keyName,
  type SigningWork,
  type WorkResult,
} from '../../../federation/signing/work-jobs.ts'
import { Workbench } from '../../../federation/signing/workbench.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { never, type ProcessLife } from './process-life.ts'
import type { WorldTime } from './world-time.ts'

export interface SigningWorld {
  readonly time: WorldTime
  readonly random: SeededRandom
}

/** What a job takes. */
const JOB_MS = [0.2, 8] as const
/** Of a job to be the last of its thread. */
const DEATH_SHARE = 0.004
const LOST: WorkResult = { kind: 'lost' }

export function createSimulatedSigningWork(
  { time, random }: SigningWorld,
  life: ProcessLife,
  died: () => void,
): SigningWork {
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.below(256))
  const shares = new Map<string, KeyShare>()
  let thread = 0
  let bench = freshBench()
  let earlier: Promise<void> = Promise.resolve()

  function freshBench(): Workbench {
    const fresh = new Workbench(bytes, bytes(32))
    for (const share of shares.values()) fresh.addShare(share)
    return fresh
  }

  return {
    addShare(share) {
      shares.set(keyName(share), share)
      bench.addShare(share)
    },
    async perform(job) {
      const asked = thread
      const mine = earlier.then(() => time.delay(random.between(...JOB_MS)))
      earlier = mine
      await mine
      if (!life.isAlive) return never()
      if (asked !== thread) return LOST
      if (!random.chance(DEATH_SHARE)) return bench.perform(job)
      thread += 1
      bench = freshBench()
      died()
      return LOST
    },
    problem: () => undefined,
  }
}

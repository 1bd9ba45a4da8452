/**
 * Puts a state machine that asks for jobs together with a place where they are done: at once, on the
 * calling thread, or elsewhere, in which case what follows from an answer comes later.
 */

import type { ComputeEffect } from './computations.ts'
import type { KeyShare } from './frost.ts'
import type { SigningWork, WorkResult } from './work-jobs.ts'
import { Workbench } from './workbench.ts'

/** Another place for the jobs, and who is to perform what follows from them. */
export interface Offload<Effect> {
  readonly work: SigningWork
  readonly later: (effects: Effect[]) => void
  /** Something went wrong that should not: our own mistake. */
  readonly failed: (error: unknown) => void
}

export interface WorkPlace<Inner, Outer> {
  addShare(share: KeyShare): void
  /** The effects without `compute`; those after jobs done elsewhere come later. */
  settle(effects: readonly (Inner | ComputeEffect)[]): Outer[]
}

export interface WorkPlaceParts<Inner, Outer> {
  readonly random: (length: number) => Uint8Array
  readonly offload: Offload<Outer> | undefined
  /** Answers a `compute` effect. */
  readonly answer: (token: number, result: WorkResult) => readonly (Inner | ComputeEffect)[]
  readonly outward: (effect: Inner) => Outer
}

export function createWorkPlace<Inner extends { readonly kind: string }, Outer>(
  parts: WorkPlaceParts<Inner, Outer>,
): WorkPlace<Inner, Outer> {
  const { offload, answer, outward } = parts
  const bench = offload === undefined ? new Workbench(parts.random, parts.random(32)) : undefined

  function settle(effects: readonly (Inner | ComputeEffect)[]): Outer[] {
    return effects.flatMap((effect) => {
      if (!isCompute(effect)) return [outward(effect)]
      if (bench !== undefined) return settle(answer(effect.token, bench.perform(effect.job)))
      if (offload !== undefined) void follow(offload, effect)
      return []
    })
  }

  async function follow(to: Offload<Outer>, { token, job }: ComputeEffect): Promise<void> {
    try {
      const effects = settle(answer(token, await to.work.perform(job)))
      if (effects.length > 0) to.later(effects)
    } catch (error) {
      to.failed(error)
    }
  }

  return {
    addShare: (share) => (offload?.work ?? bench)?.addShare(share),
    settle,
  }
}

function isCompute(effect: { readonly kind: string }): effect is ComputeEffect {
  return effect.kind === 'compute'
}

/**
 * The steps of a member's work, each for itself: when L1 fails, the step is simply done again later;
 * any other failure is kept by the step's name, for the operator, until the step succeeds.
 */

import type { Logger } from '../src/runtime/runtime.ts'
import { isL1Failure } from './l1-failure.ts'

export interface MemberSteps {
  /** Resolves with undefined when the step failed, or after `stop`; never rejects. */
  run<T>(name: string, step: () => Promise<T>): Promise<T | undefined>
  /** One line for each step that failed when it was last done. */
  problems(): readonly string[]
  /** No step begins from now on. */
  stop(): void
  /** Resolves when no step is under way. */
  settled(): Promise<void>
}

export function createMemberSteps(log: Logger): MemberSteps {
  const failures = new Map<string, string>()
  const underWay = new Set<Promise<unknown>>()
  let isStopped = false

  function failed(name: string, error: unknown): void {
    if (isL1Failure(error)) {
      log.debug({ step: name, error: error.message }, 'L1 failed; later again')
      return
    }
    const reason = error instanceof Error ? error.message : String(error)
    if (failures.get(name) === reason) return
    failures.set(name, reason)
    const stack = error instanceof Error ? error.stack : undefined
    log.error({ step: name, error: stack ?? reason }, 'a member step failed')
  }

  async function attempt<T>(name: string, step: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await step()
      failures.delete(name)
      return result
    } catch (error) {
      failed(name, error)
      return undefined
    }
  }

  return {
    async run(name, step) {
      if (isStopped) return undefined
      const work = attempt(name, step)
      underWay.add(work)
      try {
        return await work
      } finally {
        underWay.delete(work)
      }
    },
    problems: () => [...failures].map(([step, reason]) => `${step} failed: ${reason}`),
    stop() {
      isStopped = true
    },
    async settled() {
      await Promise.allSettled(underWay)
    },
  }
}

/**
 * How a state machine goes on after a job: it asks for the job as an effect and says what follows; the
 * answer comes with the token of the question. A question that is never answered costs its memory.
 */

import type { WorkJob, WorkResult } from './work-jobs.ts'

export interface ComputeEffect {
  readonly kind: 'compute'
  readonly token: number
  readonly job: WorkJob
}

export interface Asking<Effect> {
  ask(job: WorkJob, then: (result: WorkResult) => Effect[]): ComputeEffect
  /** A job whose answer changes nothing. */
  tell(job: WorkJob): ComputeEffect
}

export class Computations<Effect> implements Asking<Effect> {
  readonly #waiting = new Map<number, (result: WorkResult) => Effect[]>()
  #nextToken = 0

  ask(job: WorkJob, then: (result: WorkResult) => Effect[]): ComputeEffect {
    const token = this.#nextToken++
    this.#waiting.set(token, then)
    return { kind: 'compute', token, job }
  }

  tell(job: WorkJob): ComputeEffect {
    return { kind: 'compute', token: this.#nextToken++, job }
  }

  answer(token: number, result: WorkResult): Effect[] {
    const then = this.#waiting.get(token)
    this.#waiting.delete(token)
    return then?.(result) ?? []
  }
}

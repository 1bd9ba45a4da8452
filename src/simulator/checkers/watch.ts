/** What a checker knows of the run it watches. A checker is one thing that must hold in every run. */

import type { ValidatorSchedule } from '../validator-schedule.ts'

export interface Watch {
  readonly schedule: ValidatorSchedule
  readonly byzantine: ReadonlySet<number>
  /** Reports a broken promise: which, and where. */
  readonly fail: (message: string) => void
}

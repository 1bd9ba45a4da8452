/** What a checker knows of the run it watches. A checker is one thing that must hold in every run. */

import type { VoteContext } from '../../consensus/votes.ts'

export interface Watch {
  /** Who the validators are, height by height. */
  readonly schedule: { at(height: number): VoteContext }
  readonly byzantine: ReadonlySet<number>
  /** Reports a broken promise: which, and where. */
  readonly fail: (message: string) => void
}

/** What a checker of whole nodes knows of the run it watches. */

import type { ChainParams } from '../../../chain/params.ts'
import type { CanonicalChain } from '../canonical-chain.ts'
import type { SimulatedL1 } from '../simulated-l1.ts'
import type { ValidatorSets } from '../validator-sets.ts'

export interface WholeWatch {
  readonly params: ChainParams
  readonly byzantine: ReadonlySet<number>
  readonly sets: ValidatorSets
  readonly canonical: CanonicalChain
  readonly l1: SimulatedL1
  /** Scripts of the addresses that users were given, hex. */
  readonly depositScripts: ReadonlySet<string>
  /** Reports a broken promise: which, and where. */
  readonly fail: (message: string) => void
}

/** For whom the chain has keys, and for whom it wants one. */

import { type MemberSet, memberSets } from '../src/chain/member-sets.ts'
import { findKeyEpoch } from '../src/chain/peg/key-epochs.ts'
import type { StateView } from '../src/chain/state.ts'
import type { XOnlyKey } from '../src/primitives/hashes.ts'

/** For whom a key is made. */
export interface KeyTerms {
  readonly epoch: number
  /** Validator keys in the epoch's fixed order. */
  readonly members: readonly XOnlyKey[]
  /** Shares that sign. */
  readonly threshold: number
}

/** Of every key in the chain, oldest epoch first: also of keys that were retired or never proved themselves. */
export function announcedKeyTerms(view: StateView): readonly KeyTerms[] {
  return [...memberSets(view)].filter((set) => hasKey(view, set)).map(termsOf)
}

/** Of every key that the chain waits for: of the first members, or of a change that was approved. */
export function wantedKeyTerms(view: StateView): readonly KeyTerms[] {
  return [...memberSets(view)]
    .filter(({ status }) => status === 'pending' || status === 'active')
    .filter((set) => !hasKey(view, set))
    .map(termsOf)
}

function hasKey(view: StateView, { epoch }: MemberSet): boolean {
  return findKeyEpoch(view, epoch) !== undefined
}

function termsOf({ epoch, threshold, keys }: MemberSet): KeyTerms {
  return { epoch, threshold, members: keys }
}

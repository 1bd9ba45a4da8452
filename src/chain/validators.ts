/**
 * Which validators agree on which height, out of the state. The set changes with the block after the
 * one whose extension commits to another next set; `member-sets.ts` has the records.
 */

import { type ValidatorSet, validatorSetHash } from '../consensus/validator-set.ts'
import { present } from '../primitives/assert.ts'
import type { Hash32, XOnlyKey } from '../primitives/hashes.ts'
import { findMemberSet, getEpochBooks, type MemberSet, memberSets } from './member-sets.ts'
import type { ChainParams } from './params.ts'
import type { StateView } from './state.ts'

/** Those of the chain's first blocks. */
export function genesisValidators(params: Pick<ChainParams, 'validators'>): ValidatorSet {
  return { epoch: 0, keys: params.validators }
}

/** Those who agree on the block after the state's. */
export function currentValidators(view: StateView): ValidatorSet {
  return setOf(activeMemberSet(view))
}

/** The same with everything that the state says of them. */
export function activeMemberSet(view: StateView): MemberSet {
  return present(findMemberSet(view, getEpochBooks(view).validators), 'active member set')
}

/**
 * Those who agreed on a block, or will, as far as the state knows: of heights above the next one only
 * the state before them can tell.
 */
export function validatorSetAt(view: StateView, height: number): ValidatorSet {
  let set = activeMemberSet(view)
  while (set.activeFrom > height) {
    set = present(findMemberSet(view, set.previousEpoch), 'the set before')
  }
  return setOf(set)
}

function setOf({ epoch, keys }: MemberSet): ValidatorSet {
  return { epoch, keys }
}

/** Several per block, of very few sets. */
const hashes = new Map<string, Hash32>()
const HASHES_MAX = 64

/** `validatorSetHash`, remembered. */
export function hashOfSet(set: ValidatorSet): Hash32 {
  const key = `${set.epoch} ${set.keys.join('')}`
  const known = hashes.get(key)
  if (known !== undefined) return known
  const hash = validatorSetHash(set)
  if (hashes.size >= HASHES_MAX) hashes.clear()
  hashes.set(key, hash)
  return hash
}

/**
 * The keys that may have something to say: validators, those who are to become validators, and the
 * members of earlier keys, which sign for what is still paid to them. Abandoned sets without a key have
 * nothing to say.
 */
export function namedKeys(view: StateView): ReadonlySet<XOnlyKey> {
  const named = new Set<XOnlyKey>()
  for (const set of memberSets(view)) {
    const isSpeaking = set.status !== 'abandoned' || set.probeL1Height > 0
    if (isSpeaking) for (const key of set.keys) named.add(key)
  }
  return named
}

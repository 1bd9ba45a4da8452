/**
 * Topologically restricted transactions (TRUC, BIP431). Version 3 opts in: such a transaction waits alone,
 * or as one parent with one small child. In return it may pay nothing when its child pays for both,
 * and nobody can pin it. A new child may take the place of the one that is there (sibling eviction).
 */

import { type Err, ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import type { FamilyNode, MempoolEntry } from './entry-graph.ts'
import { TRUC_CHILD_VSIZE_MAX, TRUC_FAMILY_MAX, TRUC_VERSION, TRUC_VSIZE_MAX } from './policy.ts'

export function isTruc(entry: MempoolEntry): boolean {
  return entry.transaction.version === TRUC_VERSION
}

/** `parents`: the unconfirmed ones; `ancestorCount`: those and what they build on. */
export function checkTrucAncestry(
  entry: MempoolEntry,
  parents: readonly MempoolEntry[],
  ancestorCount: number,
): Result<void, Rejection> {
  // BIP431 rule 2: version 3 builds on version 3, and nothing else does.
  for (const parent of parents) {
    if (isTruc(parent) === isTruc(entry)) continue
    const how = isTruc(entry)
      ? 'version 3 builds on another'
      : 'another version builds on version 3'
    return trucViolation(`${how}, unconfirmed: ${parent.txid}`)
  }
  if (!isTruc(entry)) return ok(undefined)
  // Rule 4.
  if (entry.chargedVsize > TRUC_VSIZE_MAX) {
    return trucViolation(`${entry.chargedVsize} vB, at most ${TRUC_VSIZE_MAX}`)
  }
  // Rule 3.
  if (ancestorCount + 1 > TRUC_FAMILY_MAX)
    return trucViolation('more than one unconfirmed ancestor')
  // Rule 5.
  if (parents.length > 0 && entry.chargedVsize > TRUC_CHILD_VSIZE_MAX) {
    return trucViolation(`a child of ${entry.chargedVsize} vB, at most ${TRUC_CHILD_VSIZE_MAX}`)
  }
  return ok(undefined)
}

/**
 * Rule 3 from the parent's side: one child. Returns the one that has to go for this one, if it is not
 * replaced anyway; a family that is larger already (after a block was undone) is left alone.
 */
export function findSiblingToReplace(
  entry: MempoolEntry,
  parents: readonly FamilyNode[],
): Result<MempoolEntry | undefined, Rejection> {
  const [parent] = parents
  if (!isTruc(entry) || parent === undefined || parent.children.size === 0) return ok(undefined)
  const [sibling] = parent.children
  const isPair = parent.children.size === 1 && parent.descendants.count === TRUC_FAMILY_MAX
  if (!isPair || sibling === undefined) return trucViolation(`${parent.entry.txid} has a child`)
  return ok(sibling.entry)
}

/** The same for what is judged together, where no sibling is replaced. */
export function checkNoSibling(
  entry: MempoolEntry,
  parents: readonly FamilyNode[],
): Result<void, Rejection> {
  const busy = parents.find((parent) => parent.children.size > 0)
  if (!isTruc(entry) || busy === undefined) return ok(undefined)
  return trucViolation(`${busy.entry.txid} has a child`)
}

export function trucViolation(detail: string): Err<Rejection> {
  return reject('TRUC-violation', 'policy', detail)
}

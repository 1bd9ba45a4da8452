/**
 * Several transactions at once, as bitcoind does it: `submitpackage` for a child with the parents that it
 * pays for, as Lightning's commitments without fee need it, and `testmempoolaccept`, which changes
 * nothing.
 */

import { type Transaction, transactionId } from '../bitcoin/transaction.ts'
import type { Txid } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result } from '../primitives/result.ts'
import { type Admission, type AdmissionParts, checkAlone, checkTogether } from './admission.ts'
import type { AdmissionContext } from './describe-entry.ts'
import type { MempoolEntry } from './entry-graph.ts'
import { checkChildWithParents, checkPackage } from './package.ts'

/** What became of one transaction of a package. */
export type MemberOutcome =
  | {
      readonly kind: 'accepted'
      readonly entry: MempoolEntry
      /** Those whose fees were counted together, itself included. */
      readonly together: readonly MempoolEntry[]
    }
  /** Waited already: this, or the same with another witness. */
  | { readonly kind: 'known'; readonly entry: MempoolEntry }
  | { readonly kind: 'refused'; readonly error: Rejection }
  /** Another one is to blame. */
  | { readonly kind: 'unevaluated' }

export interface PackageOutcome {
  /** In the order of the package. */
  readonly members: readonly MemberOutcome[]
  /** What they push out by spending the same coins. */
  readonly replaced: readonly Txid[]
  /** Why the package as a whole is refused, when no single one is to blame. */
  readonly problem?: Rejection
}

/**
 * Each is tried alone first, and stays if it is good; those that pay too little are then judged together,
 * all of them or none. Fails when the transactions are no child with its parents. `take` puts what was
 * admitted into the pool.
 */
export function submitPackage(
  parts: AdmissionParts,
  transactions: readonly Transaction[],
  at: AdmissionContext,
  take: (admission: Admission) => void,
): Result<PackageOutcome, Rejection> {
  const shape = checkPackage(transactions)
  if (!shape.ok) return shape
  const family = checkChildWithParents(transactions)
  if (!family.ok) return family
  const members = new Map<Txid, MemberOutcome>()
  const replaced: Txid[] = []
  const admit = (admission: Admission): void => {
    take(admission)
    replaced.push(...admission.replaced.map(({ txid }) => txid))
    for (const [txid, outcome] of acceptedIn(admission)) members.set(txid, outcome)
  }
  const waiting: Transaction[] = []
  let isLost = false
  for (const transaction of transactions) {
    const checked = checkAlone(parts, transaction, at)
    if (checked.ok) {
      admit(checked.value)
      continue
    }
    const outcome = refusedOrKnown(parts, transaction, checked.error)
    members.set(transactionId(transaction), outcome)
    if (outcome.kind === 'known') continue
    if (mayPassTogether(checked.error)) waiting.push(transaction)
    else isLost = true
    // What is valid under no state may have cost much; its sender gets no more work done.
    if (checked.error.class === 'invalid') break
  }
  let problem: Rejection | undefined
  if (!isLost && waiting.length > 1) {
    const together = checkTogether(parts, waiting, at, 'submit')
    if (together.ok) admit(together.value)
    else if (together.error.txid === undefined) problem = together.error.error
    else members.set(together.error.txid, { kind: 'refused', error: together.error.error })
  }
  return ok(outcomeOf(transactions, members, replaced, problem))
}

/**
 * One is judged as when it is sent; several may build on each other, each pays for itself, and none
 * replaces anything. Ends at the first that is refused. Room in the pool is not part of it.
 */
export function testPackage(
  parts: AdmissionParts,
  transactions: readonly Transaction[],
  at: AdmissionContext,
): PackageOutcome {
  const members = new Map<Txid, MemberOutcome>()
  const shape = checkPackage(transactions)
  if (!shape.ok) return outcomeOf(transactions, members, [], shape.error)
  const [only, ...others] = transactions
  if (only !== undefined && others.length === 0) {
    const checked = checkAlone(parts, only, at)
    if (!checked.ok) members.set(transactionId(only), { kind: 'refused', error: checked.error })
    else for (const [txid, outcome] of acceptedIn(checked.value)) members.set(txid, outcome)
    return outcomeOf(transactions, members, [], undefined)
  }
  const checked = checkTogether(parts, transactions, at, 'test')
  if (checked.ok) {
    for (const entry of checked.value.entries) {
      members.set(entry.txid, { kind: 'accepted', entry, together: [entry] })
    }
    return outcomeOf(transactions, members, [], undefined)
  }
  const { txid, error } = checked.error
  if (txid === undefined) return outcomeOf(transactions, members, [], error)
  members.set(txid, { kind: 'refused', error })
  return outcomeOf(transactions, members, [], undefined)
}

/** Refusals that a child which pays more, or the parents beside it, can heal. */
export function mayPassTogether(error: Rejection): boolean {
  return error.class === 'missing' || FEE_CODES.has(error.code)
}

const FEE_CODES: ReadonlySet<string> = new Set([
  'min relay fee not met',
  'mempool min fee not met',
  'insufficient fee',
])

function* acceptedIn({ entries }: Admission): Iterable<readonly [Txid, MemberOutcome]> {
  for (const entry of entries) yield [entry.txid, { kind: 'accepted', entry, together: entries }]
}

function refusedOrKnown(
  { graph }: AdmissionParts,
  transaction: Transaction,
  error: Rejection,
): MemberOutcome {
  const entry = graph.find(transactionId(transaction))
  return entry === undefined ? { kind: 'refused', error } : { kind: 'known', entry }
}

function outcomeOf(
  transactions: readonly Transaction[],
  members: ReadonlyMap<Txid, MemberOutcome>,
  replaced: readonly Txid[],
  problem: Rejection | undefined,
): PackageOutcome {
  const inOrder = transactions.map(
    (one): MemberOutcome => members.get(transactionId(one)) ?? { kind: 'unevaluated' },
  )
  return { members: inOrder, replaced, ...(problem === undefined ? {} : { problem }) }
}

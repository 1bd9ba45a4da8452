/**
 * Replacement by fee for every transaction (full RBF): newcomers that spend the same coins take the place
 * of what they conflict with when they pay for it. BIP125 rules 3 to 5; and blocks must get better by
 * it: the newcomers offer a higher fee rate than any of what goes, each counted with the ancestors that
 * it needs. Signalling (rule 1) does not matter, and with that new unconfirmed inputs (rule 2) neither.
 */

import type { Txid } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import type { EntryGraph, FamilyNode, MempoolEntry } from './entry-graph.ts'
import { feeAtRate, INCREMENTAL_FEE_SATS_PER_KVB, REPLACEMENT_EVICTIONS_MAX } from './policy.ts'

/** What somebody pays for so many virtual bytes. */
interface Offer {
  readonly fee: bigint
  readonly chargedVsize: number
}

/** Transactions of the pool that spend the same coins. */
export function directConflicts(graph: EntryGraph, entry: MempoolEntry): Set<Txid> {
  const conflicts = new Set<Txid>()
  for (const input of entry.transaction.inputs) {
    const spender = graph.spender(input.prevout)
    if (spender !== undefined) conflicts.add(spender.txid)
  }
  return conflicts
}

/** What has to go for the newcomer: its conflicts, the sibling, and all that builds on them. */
export function checkReplacement(
  graph: EntryGraph,
  newcomer: MempoolEntry,
  sibling?: MempoolEntry,
): Result<readonly MempoolEntry[], Rejection> {
  const conflicts = directConflicts(graph, newcomer)
  if (sibling !== undefined) conflicts.add(sibling.txid)
  if (conflicts.size === 0) return ok([])
  const ancestors = graph.ancestorsOfNew(newcomer.transaction)
  // Who spends a coin that its own ancestor spends can never be in one block with it.
  if (ancestors.some(({ entry }) => conflicts.has(entry.txid))) {
    return reject('bad-txns-spends-conflicting-tx', 'policy')
  }
  return checkPaysFor(graph, conflicts, newcomer, blockOffer(newcomer, ancestors))
}

/**
 * The same for a parent and its only child (Core's package RBF), which together pay for both. Neither may
 * have other ancestors here: their worth would depend on more than the two.
 */
export function checkPackageReplacement(
  graph: EntryGraph,
  conflicts: ReadonlySet<Txid>,
  members: readonly MempoolEntry[],
): Result<readonly MempoolEntry[], Rejection> {
  const [parent, child, ...others] = members
  const isPair = parent !== undefined && child !== undefined && others.length === 0
  if (!isPair || !child.transaction.inputs.some((input) => input.prevout.txid === parent.txid)) {
    return failed('only one parent with one child')
  }
  if (members.some((member) => graph.parentsOfNew(member.transaction).length > 0)) {
    return failed('has ancestors that wait')
  }
  const offer = sum([parent, child])
  // Otherwise the parent should come alone.
  if (!isBetter(offer, parent)) return failed('the child does not pay for the parent')
  return checkPaysFor(graph, conflicts, offer, offer)
}

function checkPaysFor(
  graph: EntryGraph,
  conflicts: ReadonlySet<Txid>,
  own: Offer,
  offered: Offer,
): Result<readonly MempoolEntry[], Rejection> {
  // Rule 5, on the direct conflicts first: each has its descendants still to be walked.
  if (conflicts.size > REPLACEMENT_EVICTIONS_MAX)
    return reject('too many potential replacements', 'policy')
  const replaced = graph.withDescendants(conflicts)
  if (replaced.length > REPLACEMENT_EVICTIONS_MAX) {
    return reject('too many potential replacements', 'policy', `${replaced.length} transactions`)
  }
  for (const { txid } of replaced) {
    const node = graph.findNode(txid)
    if (node === undefined || isBetter(offered, offerOf(node))) continue
    return reject('insufficient fee', 'policy', `fee rate not above that of ${txid}`)
  }
  // Rule 3: at least the fees of everything that goes. Rule 4: and the newcomer's own relay.
  const least = sum(replaced).fee + feeAtRate(INCREMENTAL_FEE_SATS_PER_KVB, own.chargedVsize)
  if (own.fee < least) {
    return reject('insufficient fee', 'policy', `fee ${own.fee}, needed ${least}`)
  }
  return ok(replaced)
}

/** What a block earns by it: its own rate, or less when ancestors have to come with it. */
function blockOffer(own: MempoolEntry, ancestors: readonly FamilyNode[]): Offer {
  const together = sum([own, ...ancestors.map(({ entry }) => entry)])
  return isBetter(own, together) ? together : own
}

function offerOf({ entry, ancestors }: FamilyNode): Offer {
  return isBetter(entry, ancestors) ? ancestors : entry
}

function sum(offers: readonly Offer[]): Offer {
  let fee = 0n
  let chargedVsize = 0
  for (const offer of offers) {
    fee += offer.fee
    chargedVsize += offer.chargedVsize
  }
  return { fee, chargedVsize }
}

/** Exactly: a/b > c/d as a·d > c·b. */
function isBetter(a: Offer, b: Offer): boolean {
  return a.fee * BigInt(b.chargedVsize) > b.fee * BigInt(a.chargedVsize)
}

function failed(detail: string): Result<never, Rejection> {
  return reject('package RBF failed', 'policy', detail)
}

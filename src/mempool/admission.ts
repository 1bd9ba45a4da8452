/**
 * May these transactions wait in the pool? Pure decisions: nothing changes here. The order of checks is
 * Bitcoin Core's, cheap ones before signatures:
 *
 *   1. context-free rules and standardness
 *   2. known already? inputs there? fee enough?
 *   3. BIP431, ephemeral dust
 *   4. conflicts: replacement by fee
 *   5. limits on families
 *   6. the chain's own further rules, time locks, scripts
 *
 * Transactions judged together may use each other's outputs, and a child may pay for its parents.
 */

import { outPointKey, type Transaction, transactionId } from '../bitcoin/transaction.ts'
import type { Coin, CoinView } from '../chain/coin.ts'
import { connectTransaction, type ScriptCache } from '../chain/connect-transaction.ts'
import type { Txid } from '../primitives/hashes.ts'
import { err, ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { type AdmissionContext, describe } from './describe-entry.ts'
import type { EntryGraph, FamilyNode, MempoolEntry } from './entry-graph.ts'
import { checkDustIsSpent } from './ephemeral-dust.ts'
import {
  CHAIN_TRANSACTIONS_MAX,
  CHAIN_VSIZE_MAX,
  feeAtRate,
  MIN_RELAY_FEE_SATS_PER_KVB,
  paysForItself,
} from './policy.ts'
import { checkPackageReplacement, checkReplacement, directConflicts } from './replacement.ts'
import {
  checkNoSibling,
  checkTrucAncestry,
  findSiblingToReplace,
  isTruc,
  trucViolation,
} from './truc.ts'

/** What admission looks at and never changes. */
export interface AdmissionParts {
  readonly graph: EntryGraph
  /** What the pool asks at that time, satoshis per 1,000 virtual bytes; 0 when there is room. */
  readonly floorAt: (nowMs: number) => number
  readonly scriptCache: ScriptCache | undefined
  readonly checkRules: ((transaction: Transaction) => Result<void, Rejection>) | undefined
}

/** Passed every check. */
export interface Admission {
  /** Parents before children. */
  readonly entries: readonly MempoolEntry[]
  /** What has to go for them. */
  readonly replaced: readonly MempoolEntry[]
}

/** Why transactions judged together are refused: because of one of them, or of all. */
export interface TogetherRefusal {
  readonly txid?: Txid
  readonly error: Rejection
}

/** A transaction that pays for itself. */
export function checkAlone(
  parts: AdmissionParts,
  transaction: Transaction,
  at: AdmissionContext,
): Result<Admission, Rejection> {
  const described = describe(parts.graph, transaction, at)
  if (!described.ok) return described
  const entry = described.value
  const paid = checkFee(parts, entry, at)
  if (!paid.ok) return paid

  const parents = parts.graph.parentsOfNew(transaction)
  const ancestors = parents.length === 0 ? [] : parts.graph.ancestorsOfNew(transaction)
  const parentEntries = parents.map((parent) => parent.entry)
  const truc = checkTrucAncestry(entry, parentEntries, ancestors.length)
  if (!truc.ok) return truc
  const sibling = findSiblingToReplace(entry, parents)
  if (!sibling.ok) return sibling
  const dust = checkDustIsSpent(transaction, parentEntries)
  if (!dust.ok) return dust

  const replaced = checkReplacement(parts.graph, entry, sibling.value)
  if (!replaced.ok) return replaced
  const family = checkFamilyLimits(parts.graph, [entry], ancestors, replaced.value)
  if (!family.ok) return reject('too-long-mempool-chain', 'policy', family.error)
  const scripts = checkScripts(parts, entry, at)
  if (!scripts.ok) return scripts
  return ok({ entries: [entry], replaced: replaced.value })
}

/** `submit`: a child may pay for parents, and for what they replace. `test`: each pays for itself. */
export type TogetherMode = 'submit' | 'test'

/** Transactions that passed `checkPackage`, all of them or none. */
export function checkTogether(
  parts: AdmissionParts,
  transactions: readonly Transaction[],
  at: AdmissionContext,
  mode: TogetherMode,
): Result<Admission, TogetherRefusal> {
  const members = new Map<Txid, MempoolEntry>()
  for (const transaction of transactions) {
    const described = describe(parts.graph, transaction, at, members)
    if (!described.ok) return refused(transaction, described.error)
    const paid =
      mode === 'test' ? checkFee(parts, described.value, at) : checkBumpable(described.value, at)
    if (!paid.ok) return refused(transaction, paid.error)
    members.set(described.value.txid, described.value)
  }
  const entries = [...members.values()]
  const together = checkPackageFee(parts, entries, at)
  const last = transactions.at(-1)
  if (!together.ok) return last === undefined ? err(together) : refused(last, together.error)

  const families = checkFamilies(parts.graph, entries)
  if (!families.ok) return families
  const replaced = checkConflicts(parts.graph, entries, mode)
  if (!replaced.ok) return err({ error: replaced.error })
  for (const entry of entries) {
    const scripts = checkScripts(parts, entry, at)
    if (!scripts.ok) return refused(entry.transaction, scripts.error)
  }
  return ok({ entries, replaced: replaced.value })
}

function refused(transaction: Transaction, error: Rejection): Result<never, TogetherRefusal> {
  return err({ txid: transactionId(transaction), error })
}

// --- steps ------------------------------------------------------------------------------------

function checkFee(
  parts: AdmissionParts,
  entry: MempoolEntry,
  at: AdmissionContext,
): Result<void, Rejection> {
  if (!paysForItself(entry.fee, entry.chargedVsize)) return belowRelayFee(entry)
  const enough = checkFloor(parts, entry, at)
  return enough.ok ? checkNotTooMuch(entry, at) : enough
}

/**
 * Only version 3 may pay less than is asked of everybody: its family is known to be small, so that it is
 * known to go when the child that pays for it goes.
 */
function checkBumpable(entry: MempoolEntry, at: AdmissionContext): Result<void, Rejection> {
  if (!isTruc(entry) && !paysForItself(entry.fee, entry.chargedVsize)) return belowRelayFee(entry)
  return checkNotTooMuch(entry, at)
}

function checkPackageFee(
  parts: AdmissionParts,
  entries: readonly MempoolEntry[],
  at: AdmissionContext,
): Result<void, Rejection> {
  const fee = entries.reduce((sum, entry) => sum + entry.fee, 0n)
  const vsize = entries.reduce((sum, entry) => sum + entry.chargedVsize, 0)
  const together = { fee, chargedVsize: vsize }
  if (!paysForItself(fee, vsize)) return belowRelayFee(together)
  return checkFloor(parts, together, at)
}

type Payment = Pick<MempoolEntry, 'chargedVsize'> & { readonly fee: bigint }

function belowRelayFee({ fee, chargedVsize: vsize }: Payment): Result<void, Rejection> {
  const least = feeAtRate(MIN_RELAY_FEE_SATS_PER_KVB, vsize)
  return reject('min relay fee not met', 'policy', `${fee} < ${least}`)
}

function checkFloor(
  parts: AdmissionParts,
  { fee, chargedVsize: vsize }: Payment,
  at: AdmissionContext,
): Result<void, Rejection> {
  const least = feeAtRate(parts.floorAt(at.nowMs), vsize)
  return fee < least
    ? reject('mempool min fee not met', 'policy', `${fee} < ${least}`)
    : ok(undefined)
}

function checkNotTooMuch(entry: MempoolEntry, at: AdmissionContext): Result<void, Rejection> {
  const { maxFeeSatsPerKvb: rate } = at
  if (rate === undefined || entry.fee <= feeAtRate(rate, entry.vsize)) return ok(undefined)
  return reject('max feerate exceeded', 'policy', `${entry.fee} satoshis for ${entry.vsize} vB`)
}

/** BIP431, ephemeral dust, and the limits on families, of transactions judged together. */
function checkFamilies(
  graph: EntryGraph,
  entries: readonly MempoolEntry[],
): Result<void, TogetherRefusal> {
  const above = new Map<Txid, ReadonlySet<MempoolEntry>>()
  const outside = new Set<FamilyNode>()
  const byId = new Map(entries.map((entry) => [entry.txid, entry]))
  for (const entry of entries) {
    const { transaction } = entry
    const waiting = graph.parentsOfNew(transaction)
    for (const node of graph.ancestorsOfNew(transaction)) outside.add(node)
    const ancestors = new Set(graph.ancestorsOfNew(transaction).map((node) => node.entry))
    const parents = new Set(waiting.map((node) => node.entry))
    for (const { prevout } of transaction.inputs) {
      const member = byId.get(prevout.txid)
      if (member === undefined) continue
      parents.add(member)
      ancestors.add(member)
      for (const further of above.get(member.txid) ?? []) ancestors.add(further)
    }
    above.set(entry.txid, ancestors)
    for (const verdict of [
      checkTrucAncestry(entry, [...parents], ancestors.size),
      checkNoSibling(entry, waiting),
      checkDustIsSpent(transaction, [...parents]),
    ]) {
      if (!verdict.ok) return refused(transaction, verdict.error)
    }
  }
  const crowded = findTwins(entries, byId)
  if (crowded !== undefined) {
    const { error } = trucViolation('its parent has another child among these')
    return refused(crowded.transaction, error)
  }
  const limits = checkFamilyLimits(graph, entries, [...outside], [])
  if (limits.ok) return ok(undefined)
  return err({ error: reject('package-mempool-limits', 'policy', limits.error).error })
}

/** A second child of a version 3 parent among them. */
function findTwins(
  entries: readonly MempoolEntry[],
  byId: ReadonlyMap<Txid, MempoolEntry>,
): MempoolEntry | undefined {
  const hasChild = new Set<Txid>()
  for (const entry of entries.filter(isTruc)) {
    for (const parent of new Set(entry.transaction.inputs.map(({ prevout }) => prevout.txid))) {
      if (hasChild.has(parent)) return entry
      // Of confirmed parents there may be any number of children.
      if (byId.has(parent)) hasChild.add(parent)
    }
  }
  return undefined
}

/**
 * Core's limits on families, so that no step ever walks far: as if all newcomers were one, which builds on
 * all of `ancestors`. The error is the detail.
 */
function checkFamilyLimits(
  graph: EntryGraph,
  newcomers: readonly MempoolEntry[],
  ancestors: readonly FamilyNode[],
  replaced: readonly MempoolEntry[],
): Result<void, string> {
  const added = newcomers.reduce((sum, { vsize }) => sum + vsize, 0)
  const above = ancestors.reduce((sum, { entry }) => sum + entry.vsize, 0)
  const { length } = newcomers
  if (ancestors.length + length > CHAIN_TRANSACTIONS_MAX) return err('too many ancestors')
  if (above + added > CHAIN_VSIZE_MAX) return err('ancestors too large')
  for (const { entry, descendants } of ancestors) {
    const family = replaced.length === 0 ? [] : graph.withDescendants([entry.txid])
    const leaving = family.filter((member) => replaced.includes(member))
    const room = leaving.reduce((sum, { vsize }) => sum + vsize, 0)
    if (descendants.count - leaving.length + length > CHAIN_TRANSACTIONS_MAX) {
      return err('too many descendants')
    }
    if (descendants.vsize - room + added > CHAIN_VSIZE_MAX) return err('descendants too large')
  }
  return ok(undefined)
}

function checkConflicts(
  graph: EntryGraph,
  entries: readonly MempoolEntry[],
  mode: TogetherMode,
): Result<readonly MempoolEntry[], Rejection> {
  const conflicts = new Set(entries.flatMap((entry) => [...directConflicts(graph, entry)]))
  if (conflicts.size === 0) return ok([])
  // As Core: which of them would pay for it cannot be told before they are a package.
  if (mode === 'test') return reject('bip125-replacement-disallowed', 'policy')
  return checkPackageReplacement(graph, conflicts, entries)
}

/** The chain's own further rules, time locks and scripts: the expensive part. */
function checkScripts(
  parts: AdmissionParts,
  { transaction, spent }: MempoolEntry,
  at: AdmissionContext,
): Result<void, Rejection> {
  const rules = parts.checkRules?.(transaction)
  if (rules !== undefined && !rules.ok) return rules
  const coins = viewOf(transaction, spent)
  const connected = connectTransaction(transaction, coins, at.context, parts.scriptCache)
  return connected.ok ? ok(undefined) : asPoolRejection(connected.error)
}

/** The coins that were found already, in input order. */
function viewOf(transaction: Transaction, spent: readonly Coin[]): CoinView {
  const coins = new Map<string, Coin>()
  for (const [index, coin] of spent.entries()) {
    const input = transaction.inputs[index]
    if (input !== undefined) coins.set(outPointKey(input.prevout), coin)
  }
  return { findCoin: (outPoint) => coins.get(outPointKey(outPoint)) }
}

/** Core has another word for a lock time that a transaction, not a block, breaks. */
function asPoolRejection(rejection: Rejection): Result<never, Rejection> {
  if (rejection.code !== 'bad-txns-nonfinal') return err(rejection)
  return err({ ...rejection, code: 'non-final' })
}

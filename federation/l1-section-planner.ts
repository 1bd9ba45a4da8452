/**
 * What a proposal of this member says about L1: the headers that its own L1 has buried, a change of
 * members and a key that wait to be announced, batches proved confirmed, deposits proved mature.
 *
 * `prepare` reads L1 and leaves a section that has passed the chain's own rules on that state; only
 * what is in it counts as work. So a deposit whose block cannot be had, an oversized transaction or an
 * L1 on another branch make no block that has nothing to say. And when validators do not agree with
 * a section (their L1 is down or behind), blocks without one keep the chain going meanwhile.
 */

import { decodeTransaction, outPointKey } from '../src/bitcoin/transaction.ts'
import type { Block } from '../src/chain/block.ts'
import type { ChainState } from '../src/chain/connect-block.ts'
import { connectMemberChange } from '../src/chain/connect-member-change.ts'
import {
  type DepositProof,
  EMPTY_L1_SECTION,
  encodeL1Section,
  isEmptyL1Section,
  type L1Section,
  type L1TransactionProof,
} from '../src/chain/l1-section.ts'
import type { MemberChange } from '../src/chain/member-change.ts'
import {
  type ChainParams,
  MAX_CONFIRMATIONS_PER_BLOCK,
  MAX_L1_SECTION_BYTES,
} from '../src/chain/params.ts'
import { openBatches } from '../src/chain/peg/batches.ts'
import { getPegBooks } from '../src/chain/peg/books.ts'
import { connectConfirmations } from '../src/chain/peg/confirmations.ts'
import { connectDeposits, isMinting, spendsReserves } from '../src/chain/peg/deposits.ts'
import type { KeyEpochAnnouncement } from '../src/chain/peg/key-epoch-announcement.ts'
import {
  activeKeyEpoch,
  connectKeyEpoch,
  depositScriptOf,
  findDepositEpoch,
} from '../src/chain/peg/key-epochs.ts'
import { connectL1Headers } from '../src/chain/peg/l1-headers.ts'
import { StateOverlay, type StateView } from '../src/chain/state.ts'
import { equalBytes } from '../src/primitives/bytes.ts'
import type { BlockHash, Txid } from '../src/primitives/hashes.ts'
import { ok, type Rejection, type Result } from '../src/primitives/result.ts'
import type { Clock, Logger } from '../src/runtime/runtime.ts'
import { byPlace, type L1Place, matureGroups, sumOfDeposits } from './deposits/choose-deposits.ts'
import type { DepositBook } from './deposits/deposit-book.ts'
import type { SeenDeposit } from './deposits/deposit-records.ts'
import type { BitcoinL1 } from './l1/bitcoin-l1.ts'
import { createHeaderReader, type HeaderReader, type L1Tip } from './l1/header-reader.ts'
import { createProofFinder, type ProofFinder } from './l1/proof-finder.ts'
import type { ConfirmationFinder } from './releases/confirmation-finder.ts'

/** What the section's lists and counts take at most. */
const SECTION_OVERHEAD_BYTES = 1_000
/** Height, lengths and position of a proof; output, epoch and recipient of a claim. */
const PROOF_OVERHEAD_BYTES = 24
const CLAIM_BYTES = 60
/**
 * Deposits per block by proposers; the rule allows more. Each weighs up to 336 units in the mint
 * transaction, which must fit the room that block templates leave (40,000).
 */
export const DEPOSITS_PER_BLOCK = 100
/** After a section that the others did not agree with, the next is this much later, then twice … */
const RETRY_FIRST_MS = 1_000
const RETRY_LAST_MS = 30_000

export interface PlannerParts {
  readonly params: ChainParams
  /** The present state; its view moves on with it. */
  readonly state: () => ChainState
  readonly l1: BitcoinL1
  readonly book: Pick<DepositBook, 'ripe' | 'revision' | 'findProof' | 'misplaced'>
  readonly finder: Pick<ConfirmationFinder, 'find' | 'revision'>
  /** A change of members that was approved and that the chain does not know yet. */
  readonly memberChange: () => MemberChange | undefined
  /** A finished key generation that the chain does not know yet. */
  readonly announcement: () => KeyEpochAnnouncement | undefined
  readonly clock: Clock
  readonly log: Logger
}

export interface L1SectionPlanner {
  /** Plans what a block on the present state should say. Throws what the L1 client throws. */
  prepare(l1Tip: L1Tip): Promise<void>
  /** The plan for this state, for a proposal; empty when there is none, or it is not agreed with. */
  take(state: ChainState): L1Section
  /** True when a block on this state would have more to say than headers. */
  hasWork(state: ChainState): boolean
  /** A block is final: did the others agree? */
  committed(block: Block): void
}

/** Held-back releases and stuck batches wait for L1 to go on, whatever it holds. */
function waitsForL1(view: StateView): boolean {
  const { pendingReleases, inFlightFees } = getPegBooks(view).totals
  return pendingReleases > 0n || inFlightFees > 0n
}

/** Last L1 height that this member may propose: one deeper than validators demand. */
function proposableHeight(params: ChainParams, l1TipHeight: number): number {
  return l1TipHeight - params.peg.l1Depth
}

export function createL1SectionPlanner(parts: PlannerParts): L1SectionPlanner {
  return new Planner(parts)
}

interface Prepared {
  readonly on: BlockHash
  /** What it was made of; the same again needs no new plan. */
  readonly made: string
  readonly announcement: KeyEpochAnnouncement | undefined
  readonly section: L1Section
  readonly isWork: boolean
}

class Planner implements L1SectionPlanner {
  readonly #parts: PlannerParts
  readonly #headers: HeaderReader
  readonly #proofs: ProofFinder
  #prepared: Prepared | undefined
  #preparing: Promise<void> = Promise.resolve()
  /** Height of the block for which a section was last handed out. */
  #attempt: number | undefined
  #retryMs = 0
  #notBeforeMs = Number.NEGATIVE_INFINITY

  constructor(parts: PlannerParts) {
    this.#parts = parts
    this.#headers = createHeaderReader(parts.l1)
    this.#proofs = createProofFinder(parts)
  }

  prepare(l1Tip: L1Tip): Promise<void> {
    const mine = this.#preparing.then(() => this.#prepare(l1Tip))
    this.#preparing = mine.catch(() => undefined)
    return mine
  }

  take(state: ChainState): L1Section {
    const { tip } = state
    if (this.#prepared?.on !== tip.hash || this.#isPausing()) return EMPTY_L1_SECTION
    const { section } = this.#prepared
    // A second try at one height: the first was not agreed with, or its view was lost.
    if (this.#attempt === tip.height + 1) return EMPTY_L1_SECTION
    if (!isEmptyL1Section(section)) this.#attempt = tip.height + 1
    return section
  }

  hasWork(state: ChainState): boolean {
    const { tip } = state
    if (this.#isPausing() || this.#attempt === tip.height + 1) return false
    return this.#prepared?.on === tip.hash && this.#prepared.isWork
  }

  #isPausing(): boolean {
    return this.#parts.clock.monotonicMs() < this.#notBeforeMs
  }

  committed(block: Block): void {
    if (!isEmptyL1Section(block.l1Section)) {
      this.#retryMs = 0
      this.#notBeforeMs = Number.NEGATIVE_INFINITY
    } else if (this.#attempt === block.extension.height) {
      this.#retryMs = Math.min(Math.max(RETRY_FIRST_MS, this.#retryMs * 2), RETRY_LAST_MS)
      this.#notBeforeMs = this.#parts.clock.monotonicMs() + this.#retryMs
      this.#parts.log.warn(
        { height: block.extension.height, retryMs: this.#retryMs },
        'the other validators did not agree with this view of L1 in time',
      )
    }
  }

  async #prepare(l1Tip: L1Tip): Promise<void> {
    const { book, finder, announcement } = this.#parts
    const state = this.#parts.state()
    const finished = announcement()
    const changeEpoch = this.#parts.memberChange()?.epoch ?? 'none'
    const made = `${l1Tip.hash} ${book.revision()} ${finder.revision()} ${changeEpoch}`
    const before = this.#prepared
    const isCurrent = before?.on === state.tip.hash && before.made === made
    if (isCurrent && before.announcement === finished) return
    this.#proofs.begin(l1Tip.hash)
    const { section, waitsForHeaders } = await this.#plan(state, l1Tip.height, finished)
    // The state moved on while L1 was read: this plan is about neither; the next commit asks again.
    if (this.#parts.state().tip.hash !== state.tip.hash) return
    const admitted = this.#admit(state, section)
    const isWork =
      admitted.memberChanges.length + admitted.keyEpochs.length > 0 ||
      admitted.confirmations.length + admitted.deposits.length > 0 ||
      (waitsForHeaders && admitted.headers.length > 0)
    this.#prepared = {
      on: state.tip.hash,
      made,
      announcement: finished,
      section: admitted,
      isWork,
    }
  }

  async #plan(
    { view }: ChainState,
    l1TipHeight: number,
    announcement: KeyEpochAnnouncement | undefined,
  ): Promise<{ readonly section: L1Section; readonly waitsForHeaders: boolean }> {
    const { params } = this.#parts
    const until = proposableHeight(params, l1TipHeight)
    const { l1Height: last, l1Hash } = getPegBooks(view)
    const headers = await this.#headers.after({ height: last, hash: l1Hash }, until)
    // The rules' own code makes the state in which the proofs must hold.
    const known = new StateOverlay(view)
    if (!connectL1Headers(known, params, headers).ok) {
      return { section: EMPTY_L1_SECTION, waitsForHeaders: false }
    }
    const memberChanges = this.#planMemberChanges(known)
    const keyEpochs = this.#planKeyEpochs(known, announcement)
    const confirmations = await this.#planConfirmations(known)
    const frame = { headers, memberChanges, keyEpochs, confirmations, deposits: [] }
    const room = MAX_L1_SECTION_BYTES - SECTION_OVERHEAD_BYTES - encodeL1Section(frame).length
    const { l1Height } = getPegBooks(known)
    const place = { chainHeight: l1Height, tipHeight: l1TipHeight }
    const isOpen = activeKeyEpoch(view) !== undefined
    const deposits = isOpen ? await this.#planDeposits(known, place, room) : []
    return {
      section: { ...frame, deposits },
      waitsForHeaders:
        waitsForL1(view) || (l1Height < until && this.#hasMoreBelow(view, l1TipHeight)),
    }
  }

  /** Approved changes and finished keys; what the rules do not accept (any more) is left out. */
  #planMemberChanges(known: StateOverlay): readonly MemberChange[] {
    const change = this.#parts.memberChange()
    if (change === undefined) return []
    const height = this.#parts.state().tip.height + 1
    return connectMemberChange(known, this.#parts.params, change, height).ok ? [change] : []
  }

  #planKeyEpochs(
    known: StateOverlay,
    announcement: KeyEpochAnnouncement | undefined,
  ): readonly KeyEpochAnnouncement[] {
    if (announcement === undefined) return []
    const height = this.#parts.state().tip.height + 1
    const isWanted = connectKeyEpoch(
      new StateOverlay(known),
      this.#parts.params,
      announcement,
      height,
    ).ok
    return isWanted ? [announcement] : []
  }

  /** Something waits under headers that this block cannot bring yet. */
  #hasMoreBelow(view: StateView, l1TipHeight: number): boolean {
    const { params, book, finder } = this.#parts
    const until = proposableHeight(params, l1TipHeight)
    for (const batch of openBatches(view)) {
      const found = finder.find(batch)
      if (found !== undefined && found.l1Height <= until) return true
    }
    const place = { chainHeight: until, tipHeight: l1TipHeight }
    return matureGroups(view, params, book.ripe(), place).length > 0
  }

  // --- proofs -------------------------------------------------------------------------------

  async #planConfirmations(known: StateView): Promise<readonly L1TransactionProof[]> {
    const { l1Height } = getPegBooks(known)
    const proofs: L1TransactionProof[] = []
    // A block may move the state on while L1 is asked, and a walk must not live to see that.
    const open = [...openBatches(known)]
    for (const batch of open) {
      if (proofs.length >= MAX_CONFIRMATIONS_PER_BLOCK) break
      const found = this.#parts.finder.find(batch)
      if (found === undefined || found.l1Height > l1Height) continue
      const proof = await this.#proofs.find(known, found.txid, found.l1Height)
      if (typeof proof !== 'string') proofs.push(proof)
    }
    return proofs
  }

  async #planDeposits(
    known: StateView,
    place: L1Place,
    roomBytes: number,
  ): Promise<readonly DepositProof[]> {
    const { params, book } = this.#parts
    const proofs = new Map<Txid, L1TransactionProof>()
    const chosen: SeenDeposit[] = []
    let room = roomBytes
    const groups = matureGroups(known, params, book.ripe(), place)
    const unminted = new Set(groups.flat().map(({ outPoint }) => outPointKey(outPoint)))
    for (const group of groups) {
      if (chosen.length >= DEPOSITS_PER_BLOCK || room < CLAIM_BYTES) break
      const taken: SeenDeposit[] = []
      const added = new Map<Txid, L1TransactionProof>()
      let bytes = 0
      for (const deposit of group) {
        if (chosen.length + taken.length >= DEPOSITS_PER_BLOCK) break
        if (!this.#paysRecipient(known, deposit)) continue
        const { txid } = deposit.outPoint
        const proof = await this.#proofs.find(known, txid, deposit.l1Height)
        if (proof === 'not-there') await book.misplaced(deposit.outPoint)
        if (typeof proof === 'string' || isOwnChange(known, unminted, deposit, proof)) continue
        const isShared = proofs.has(txid) || added.has(txid)
        const cost = CLAIM_BYTES + (isShared ? 0 : proofBytes(proof))
        if (bytes + cost > room) continue
        bytes += cost
        taken.push(deposit)
        added.set(txid, proof)
      }
      // An address takes its place whole or not at all: below the minimum it would only cost others.
      if (sumOfDeposits(taken) < params.peg.minDepositSats) continue
      chosen.push(...taken)
      room -= bytes
      for (const [txid, proof] of added) proofs.set(txid, proof)
    }
    return joinClaims(chosen.toSorted(byPlace), proofs)
  }

  /** The address computed a second time: what is stored must be what the epoch's key gives. */
  #paysRecipient(known: StateView, deposit: SeenDeposit): boolean {
    const epoch = findDepositEpoch(known, deposit.keyEpoch)
    if (epoch === undefined) return false
    return equalBytes(depositScriptOf(this.#parts.params, epoch, deposit.recipient), deposit.script)
  }

  // --- rules --------------------------------------------------------------------------------

  /** The largest part of a section that the chain's rules accept; all of it, unless we err. */
  #admit({ view, tip }: ChainState, section: L1Section): L1Section {
    const smaller: readonly L1Section[] = [
      section,
      { ...section, deposits: [] },
      { ...section, confirmations: [] },
      { ...section, deposits: [], confirmations: [] },
      { ...EMPTY_L1_SECTION, headers: section.headers },
    ]
    for (const candidate of smaller) {
      const checked = checkSection(view, this.#parts.params, candidate, tip.height + 1)
      if (checked.ok) return candidate
      this.#parts.log.error({ ...checked.error }, 'a planned L1 section breaks the rules')
    }
    return EMPTY_L1_SECTION
  }
}

function proofBytes({ transaction, merkle }: L1TransactionProof): number {
  return transaction.length + merkle.branch.length * 32 + PROOF_OVERHEAD_BYTES
}

function checkSection(
  view: StateView,
  params: ChainParams,
  section: L1Section,
  height: number,
): Result<void, Rejection> {
  const overlay = new StateOverlay(view)
  const headers = connectL1Headers(overlay, params, section.headers)
  if (!headers.ok) return headers
  for (const change of section.memberChanges) {
    const connected = connectMemberChange(overlay, params, change, height)
    if (!connected.ok) return connected
  }
  for (const announcement of section.keyEpochs) {
    const connected = connectKeyEpoch(overlay, params, announcement, height)
    if (!connected.ok) return connected
  }
  const confirmed = connectConfirmations(overlay, section.confirmations, height)
  if (!confirmed.ok) return confirmed
  const deposits = connectDeposits(overlay, params, section, height)
  return deposits.ok ? ok(undefined) : deposits
}

/**
 * Change of a batch that the chain has not seen confirmed is not a gift. A member far behind its chain
 * may not know the coins that the batch spends as minted yet, let alone the batch.
 */
function isOwnChange(
  known: StateView,
  unminted: ReadonlySet<string>,
  deposit: SeenDeposit,
  proof: L1TransactionProof,
): boolean {
  if (isMinting(deposit)) return false
  const transaction = decodeTransaction(proof.transaction)
  const spendsDeposit = transaction.inputs.some(({ prevout }) => unminted.has(outPointKey(prevout)))
  return spendsDeposit || spendsReserves(known, transaction)
}

/** One proof per L1 transaction, claiming each of its deposits; the order stays. */
function joinClaims(
  deposits: readonly SeenDeposit[],
  proofs: ReadonlyMap<Txid, L1TransactionProof>,
): readonly DepositProof[] {
  const claims = new Map<Txid, DepositProof['claims'][number][]>()
  for (const { outPoint, keyEpoch, recipient } of deposits) {
    const list = claims.get(outPoint.txid) ?? []
    list.push({ vout: outPoint.vout, keyEpoch, recipient })
    claims.set(outPoint.txid, list)
  }
  return [...claims].flatMap(([txid, list]) => {
    const proof = proofs.get(txid)
    return proof === undefined ? [] : [{ ...proof, claims: list }]
  })
}

/**
 * A member of the federation, composed: it watches L1 for deposits, says in proposals what L1 has
 * proved, judges what others say, makes the group key with the other members and signs releases. It
 * reads the chain and never writes it; what is owed and what was signed is in the chain, so losing
 * this member's own store stops and doubles nothing.
 *
 * Its work is done in passes, one at a time: upon every block, every change of L1, and twice a second.
 * The steps of a pass do not depend on each other; one that fails leaves the others alone.
 */

import { headerHash } from '../src/bitcoin/header.ts'
import { decodeTransaction, transactionId } from '../src/bitcoin/transaction.ts'
import type { Block } from '../src/chain/block.ts'
import type { ChainState } from '../src/chain/connect-block.ts'
import { EMPTY_L1_SECTION } from '../src/chain/l1-section.ts'
import { memberSets } from '../src/chain/member-sets.ts'
import type { ChainParams } from '../src/chain/params.ts'
import { type Batch, openBatches } from '../src/chain/peg/batches.ts'
import { getPegBooks } from '../src/chain/peg/books.ts'
import { CHANGE_RECIPIENT } from '../src/chain/peg/deposit-address.ts'
import { findClaimHeight, spendsReserves } from '../src/chain/peg/deposits.ts'
import { isFrozen } from '../src/chain/peg/freeze.ts'
import { depositScriptOf, findDepositEpoch } from '../src/chain/peg/key-epochs.ts'
import { findL1Header } from '../src/chain/peg/l1-headers.ts'
import type { PegJudgement, PegProposal, PegSide } from '../src/node/peg-side.ts'
import { DecodeError } from '../src/primitives/codec.ts'
import type {
  AppendLog,
  CancelTimer,
  KeyValueStore,
  Network,
  Runtime,
} from '../src/runtime/runtime.ts'
import { type DepositBook, openDepositBook } from './deposits/deposit-book.ts'
import { createDepositDesk, type DepositDesk } from './deposits/deposit-desk.ts'
import { createDepositWatcher, type DepositWatcher } from './deposits/deposit-watcher.ts'
import { createFeeRates, type FeeRates } from './fee-rates.ts'
import type { CeremonyProgress, KeyCeremonies } from './key-ceremonies.ts'
import type { BitcoinL1 } from './l1/bitcoin-l1.ts'
import { createL1SectionPlanner, type L1SectionPlanner } from './l1-section-planner.ts'
import { createL1View, type L1Health, type L1View } from './l1-view.ts'
import { createMemberFaults, type MemberFault, type MemberFaults } from './member-faults.ts'
import { type MemberNetwork, networkOfEpoch } from './member-network.ts'
import { memberProblems } from './member-problems.ts'
import { createMemberSteps, type MemberSteps } from './member-steps.ts'
import { bindMemberStore } from './member-store.ts'
import type { MembershipPool } from './membership-pool.ts'
import {
  type ConfirmationFinder,
  createConfirmationFinder,
} from './releases/confirmation-finder.ts'
import { createReleaseSigner, type ReleaseSigner } from './releases/release-signer.ts'
import { openSignedBatches, type SignedBatches } from './releases/signed-batches.ts'
import { createSectionJudge, type SectionJudge } from './section-judge.ts'
import { decodeEnvelope } from './signing/envelope.ts'
import type { KeyStore } from './signing/key-store.ts'
import type { SigningWork } from './signing/work-jobs.ts'

export interface MemberParts {
  readonly params: ChainParams
  readonly l1: BitcoinL1
  /** The member's own; see the head of this file. */
  readonly store: KeyValueStore
  readonly signingJournal: AppendLog
  readonly gossip: Pick<Network, 'publish' | 'onGossip'>
  readonly network: MemberNetwork
  readonly runtime: Runtime
  readonly state: () => ChainState
  /** L1 fee rate in the chain's last block. */
  readonly lastFeeRate: () => number
  readonly isSynced: () => boolean
  readonly isHalted: () => boolean
  /** Has this validator itself voted to freeze? Its word counts here before any block carries it. */
  readonly wantsFreeze: () => boolean
  /** BIP340 by the validator key. */
  readonly sign: (digest: Uint8Array) => Uint8Array
  readonly keys: KeyCeremonies
  readonly membership: Pick<MembershipPool, 'change' | 'announcement' | 'offer' | 'onChange'>
  readonly keyStore: KeyStore
  /** Where the arithmetic of signing is done; without, here. */
  readonly signingWork?: SigningWork
  /** Shared with the ceremony; without, the ceremony's are not counted here. */
  readonly faults?: MemberFaults
}

export interface BatchProgress {
  readonly isSigned: boolean
  readonly isBroadcast: boolean
  readonly confirmations: number
}

export interface Member extends PegSide {
  readonly desk: DepositDesk
  l1Health(): L1Health
  batchProgress(batch: Batch): BatchProgress
  /** Key generations that this member takes part in. */
  keyProgress(): readonly CeremonyProgress[]
  /** What an operator must know or do, besides the health of L1. */
  problems(): readonly string[]
  /** What other members were caught at since this one started. */
  faults(): readonly MemberFault[]
  start(): Promise<void>
  stop(): Promise<void>
}

const TICK_MS = 500
/** A proposal waits this long for L1 to be read; without, it says nothing about L1. */
const PLAN_WAIT_MS = 100
/** Signing records kept from before a restart; they are for an audit, nothing reads them. */
const OLD_SIGNING_RECORDS_MAX = 10_000

/** @throws MemberStoreError, and what the store throws. */
export async function openMember(parts: MemberParts): Promise<Member> {
  const { runtime, l1, params, store, signingJournal } = parts
  const log = runtime.log.child({ part: 'member' })
  await bindMemberStore(store, params.chainId)
  const book = await openDepositBook(store, {
    isMinted: (outPoint) => findClaimHeight(parts.state().view, outPoint) !== undefined,
    minDepositSats: params.peg.minDepositSats,
  })
  const signed = await openSignedBatches({ store, l1, clock: runtime.clock, log })
  const { recovered } = signingJournal
  if (recovered.length > 2 * OLD_SIGNING_RECORDS_MAX) {
    await signingJournal.rewrite(recovered.slice(-OLD_SIGNING_RECORDS_MAX))
  }
  return new RunningMember(parts, { book, signed })
}

interface Opened {
  readonly book: DepositBook
  readonly signed: SignedBatches
}

class RunningMember implements Member {
  readonly desk: DepositDesk
  readonly #parts: MemberParts
  readonly #opened: Opened
  readonly #l1View: L1View
  readonly #finder: ConfirmationFinder
  readonly #feeRates: FeeRates
  readonly #planner: L1SectionPlanner
  readonly #watcher: DepositWatcher
  readonly #handlers: (() => void)[] = []
  readonly #judge: SectionJudge
  readonly #steps: MemberSteps
  readonly #memberFaults: MemberFaults
  /** By key epoch. */
  readonly #signers = new Map<number, ReleaseSigner>()
  #working: Promise<void> | undefined
  #workAgain = false
  #cancelTick: CancelTimer | undefined
  #cancelMore: CancelTimer | undefined
  #stopped = false

  constructor(parts: MemberParts, opened: Opened) {
    this.#parts = parts
    this.#opened = opened
    const { params, l1, runtime, keys, membership, state } = parts
    const { clock } = runtime
    const log = runtime.log.child({ part: 'member' })
    this.#memberFaults = parts.faults ?? createMemberFaults(clock, log)
    const { book } = opened
    this.#l1View = createL1View(l1, runtime, {
      last: () => {
        const { l1Height, l1Hash } = getPegBooks(state().view)
        return { height: l1Height, hash: l1Hash }
      },
      hashAt: (height) => {
        const header = findL1Header(state().view, height)
        return header === undefined ? undefined : headerHash(header)
      },
    })
    this.#finder = createConfirmationFinder(l1)
    this.#feeRates = createFeeRates({ params, l1, clock, lastRate: parts.lastFeeRate })
    this.#judge = createSectionJudge({
      params,
      l1,
      l1View: this.#l1View,
      feeRates: this.#feeRates,
    })
    this.#steps = createMemberSteps(log)
    const announcement = () => keys.announcement() ?? membership.announcement()
    const finder = this.#finder
    this.#planner = createL1SectionPlanner({
      params,
      state,
      l1,
      book,
      finder,
      memberChange: () => membership.change(),
      announcement,
      clock,
      log,
    })
    this.#watcher = createDepositWatcher({
      l1,
      book,
      startHeight: params.l1Checkpoint.height,
      clock,
      log,
      isOwn: (transaction) => spendsReserves(state().view, transaction),
      onSeen: (deposit) => this.desk.tellOthers(deposit),
    })
    this.desk = createDepositDesk({
      params,
      view: () => state().view,
      isSynced: () => parts.isSynced() && !parts.isHalted(),
      book,
      watcher: this.#watcher,
      l1View: this.#l1View,
      network: parts.gossip,
      runtime,
    })
    parts.network.onFrame((frame) => this.#receive(frame))
    this.#l1View.onChange(() => this.#l1Changed())
    keys.onFinished(() => this.#keyMade())
    membership.onChange(() => this.#work())
  }

  async start(): Promise<void> {
    await this.#parts.keys.start()
    this.#l1View.start()
    this.#tick()
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#steps.stop()
    this.#cancelTick?.()
    this.#cancelMore?.()
    const { l1, keys, signingJournal, keyStore, store } = this.#parts
    // Calls under way reject, so that nobody waits for an L1 that does not answer.
    await l1.close()
    await this.#l1View.stop()
    await this.desk.stop()
    await Promise.all([...this.#signers.values()].map((signer) => signer.stop()))
    await this.#working
    await this.#steps.settled()
    await keys.stop()
    await signingJournal.close()
    await keyStore.close()
    await store.close()
  }

  l1Health(): L1Health {
    return this.#l1View.health()
  }

  problems(): readonly string[] {
    const { keys, state, signingWork } = this.#parts
    return memberProblems({
      view: state().view,
      steps: this.#steps,
      keys,
      watcher: this.#watcher,
      finder: this.#finder,
      work: signingWork,
      signers: this.#signers.values(),
      signed: this.#opened.signed,
    })
  }

  faults(): readonly MemberFault[] {
    return this.#memberFaults.list()
  }

  batchProgress(batch: Batch): BatchProgress {
    const { signed } = this.#opened
    const confirmedAt = this.#finder.find(batch)?.l1Height
    const health = this.#l1View.health()
    const tip = health.state === 'ok' ? health.height : 0
    return {
      isSigned: signed.find(batch) !== undefined || confirmedAt !== undefined,
      isBroadcast: signed.isBroadcast(batch) || confirmedAt !== undefined,
      confirmations: confirmedAt === undefined ? 0 : Math.max(0, tip - confirmedAt + 1),
    }
  }

  keyProgress(): readonly CeremonyProgress[] {
    return this.#parts.keys.progress()
  }

  // --- what the node asks -------------------------------------------------------------------

  async propose(state: ChainState): Promise<PegProposal> {
    const health = this.#l1View.health()
    if (health.state === 'ok' && !this.#stopped) {
      const { height, hash } = health
      await this.#waitBriefly(
        this.#steps.run('planning', () => this.#planner.prepare({ height, hash })),
      )
    }
    // L1 may have changed its mind meanwhile.
    const isUsable = this.#l1View.health().state === 'ok' && !this.#stopped
    const l1Section = isUsable ? this.#planner.take(state) : EMPTY_L1_SECTION
    return { l1Section, feeRate: this.#feeRates.proposal() }
  }

  async #waitBriefly(work: Promise<unknown>): Promise<void> {
    let cancel: CancelTimer | undefined
    const tooLate = new Promise<void>((resolve) => {
      cancel = this.#parts.runtime.timers.after(PLAN_WAIT_MS, resolve)
    })
    await Promise.race([work, tooLate])
    cancel?.()
  }

  judge(_state: ChainState, proposal: PegProposal): Promise<PegJudgement> {
    return this.#judge.judge(proposal)
  }

  hasWork(state: ChainState): boolean {
    return this.#l1View.health().state === 'ok' && this.#planner.hasWork(state)
  }

  onChange(handler: () => void): void {
    this.#handlers.push(handler)
  }

  onCommitted(block: Block): void {
    if (this.#stopped) return
    this.#planner.committed(block)
    const minted = block.l1Section.deposits.flatMap((proof) => {
      const txid = transactionId(decodeTransaction(proof.transaction))
      return proof.claims.map(({ vout }) => ({ txid, vout }))
    })
    if (minted.length > 0) void this.#steps.run('settling', () => this.#opened.book.settle(minted))
    this.#work()
  }

  // --- work ---------------------------------------------------------------------------------

  /** Others may have to propose it: the new members need not be validators yet. */
  #keyMade(): void {
    const announcement = this.#parts.keys.announcement()
    if (announcement !== undefined) this.#parts.membership.offer(announcement)
    this.#work()
  }

  #changed(): void {
    if (this.#stopped) return
    for (const handler of this.#handlers) handler()
  }

  #l1Changed(): void {
    this.#changed()
    this.#work()
  }

  #tick(): void {
    if (this.#stopped) return
    this.#parts.keys.tick()
    for (const signer of this.#signers.values()) signer.tick()
    this.#work()
    this.#cancelTick = this.#parts.runtime.timers.after(TICK_MS, () => this.#tick())
  }

  /** One pass at a time; a wish that comes during a pass is granted by another one. */
  #work(): void {
    if (this.#stopped) return
    this.#workAgain = true
    this.#working ??= this.#passes().finally(() => {
      this.#working = undefined
    })
  }

  async #passes(): Promise<void> {
    while (this.#workAgain && !this.#stopped) {
      this.#workAgain = false
      await this.#pass()
    }
  }

  async #pass(): Promise<void> {
    this.#openSigners()
    const health = this.#l1View.health()
    if (health.state !== 'ok') return
    const { height, hash } = health
    const { signed } = this.#opened
    const { view } = this.#parts.state()
    const open = [...openBatches(view)]
    await this.#steps.run('registering', () => this.#watchGifts())
    const progress = [
      await this.#steps.run('scanning', () => this.#watcher.scan(height)),
      await this.#steps.run('looking for batches', () => this.#finder.look(open, height)),
      await this.#steps.run('looking back', () => this.#watcher.lookBack()),
    ]
    await this.#steps.run('planning', () => this.#planner.prepare({ height, hash }))
    this.#changed()
    await this.#steps.run('fee rates', () => this.#feeRates.refresh())
    await this.#steps.run('signing', () => this.#updateSigners())
    if (!this.#isFrozen()) {
      await this.#steps.run('sending', () => signed.broadcast(view, hash, this.#finder))
    }
    if (progress.includes('more')) this.#workSoon()
  }

  /** Whoever pays a change address adds to the fee reserve; nobody needs to say so. */
  async #watchGifts(): Promise<void> {
    const { params, state } = this.#parts
    const { view } = state()
    // Blocks move the state on meanwhile, and a walk must not live to see that.
    const epochs = [...memberSets(view)].flatMap(({ epoch }) => findDepositEpoch(view, epoch) ?? [])
    for (const epoch of epochs) {
      // Again and again, so that it is never what makes room for others.
      const script = depositScriptOf(params, epoch, CHANGE_RECIPIENT)
      const gift = { keyEpoch: epoch.epoch, recipient: CHANGE_RECIPIENT, script }
      await this.#opened.book.register(gift, 'asked')
    }
  }

  /** A long catch-up goes on after other work has had its turn. */
  #workSoon(): void {
    this.#cancelMore?.()
    if (this.#stopped) return
    this.#cancelMore = this.#parts.runtime.timers.after(0, () => this.#work())
  }

  /** One for each key that this member has a share of; keys are retired, and still sign what is left. */
  #openSigners(): void {
    const { keys, params, l1, network, runtime, sign, signingWork } = this.#parts
    for (const { share, terms } of keys.shares()) {
      if (this.#stopped || this.#signers.has(terms.epoch)) continue
      const signer = createReleaseSigner({
        params,
        share,
        members: terms.members,
        view: () => this.#parts.state().view,
        maySign: () => this.#maySign(),
        l1,
        network: networkOfEpoch(network, terms.members, share.member),
        journal: this.#parts.signingJournal,
        signed: this.#opened.signed,
        runtime,
        sign,
        faults: this.#memberFaults,
        ...(signingWork === undefined ? {} : { work: signingWork }),
        onSigned: () => this.#work(),
      })
      this.#signers.set(terms.epoch, signer)
    }
  }

  async #updateSigners(): Promise<void> {
    for (const signer of this.#signers.values()) await signer.update()
  }

  #maySign(): boolean {
    if (this.#parts.isHalted() || !this.#parts.isSynced() || this.#isFrozen()) return false
    const { state } = this.#l1View.health()
    return state !== 'wrong-network' && state !== 'forked'
  }

  /** Nothing is signed, and nothing that is signed is sent. */
  #isFrozen(): boolean {
    return this.#parts.wantsFreeze() || isFrozen(this.#parts.state().view)
  }

  #receive(frame: Uint8Array): void {
    if (this.#stopped) return
    try {
      const { protocol, epoch } = decodeEnvelope(frame)
      if (protocol === 'signing') this.#signers.get(epoch)?.receive(frame)
      else this.#parts.keys.receive(frame)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#parts.runtime.log.debug({ error: error.message }, 'malformed federation frame')
    }
  }
}

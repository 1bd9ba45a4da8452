/**
 * A member of the federation, composed: it watches L1 for deposits, says in proposals what L1 has
 * proved, judges what others say, makes the group key with the other members and signs releases. It
 * reads the chain and never writes it; what is owed and what was signed is in the chain, so losing
 * this member's own store stops and doubles nothing.
 */

import { decodeHeader, headerHash } from '../src/bitcoin/header.ts'
import { transactionId } from '../src/bitcoin/transaction.ts'
import type { ChainState } from '../src/chain/connect-block.ts'
import { EMPTY_L1_SECTION, isEmptyL1Section } from '../src/chain/l1-section.ts'
import type { ChainParams } from '../src/chain/params.ts'
import { type Batch, openBatches } from '../src/chain/peg/batches.ts'
import { getPegBooks } from '../src/chain/peg/books.ts'
import type { PegJudgement, PegProposal, PegSide } from '../src/node/peg-side.ts'
import { DecodeError } from '../src/primitives/codec.ts'
import type { AppendLog, CancelTimer, KeyValueStore, Network, Runtime } from '../src/runtime/runtime.ts'
import { type DepositBook, openDepositBook } from './deposits/deposit-book.ts'
import { createDepositDesk, type DepositDesk } from './deposits/deposit-desk.ts'
import { createDepositWatcher, type DepositWatcher } from './deposits/deposit-watcher.ts'
import { createFeeRates, type FeeRates } from './fee-rates.ts'
import type { KeyCeremony } from './key-ceremony.ts'
import type { BitcoinL1 } from './l1/bitcoin-l1.ts'
import { hasL1Work, type PlannerParts, planL1Section } from './l1-section-planner.ts'
import { createL1View, type L1Health, type L1View } from './l1-view.ts'
import type { MemberNetwork } from './member-network.ts'
import { type ConfirmationFinder, createConfirmationFinder } from './releases/confirmation-finder.ts'
import { createReleaseSigner, type ReleaseSigner } from './releases/release-signer.ts'
import { openSignedBatches, type SignedBatches } from './releases/signed-batches.ts'
import { decodeEnvelope } from './signing/envelope.ts'
import type { KeyStore } from './signing/key-store.ts'

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
  readonly isSynced: () => boolean
  readonly isHalted: () => boolean
  /** BIP340 by the validator key. */
  readonly sign: (digest: Uint8Array) => Uint8Array
  readonly ceremony: KeyCeremony
  readonly keyStore: KeyStore
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
  start(): Promise<void>
  stop(): Promise<void>
}

const TICK_MS = 500

/** Throws what the store throws. */
export async function openMember(parts: MemberParts): Promise<Member> {
  const { runtime, l1, params } = parts
  const log = runtime.log.child({ part: 'member' })
  const book = await openDepositBook(parts.store)
  const signed = await openSignedBatches(parts.store, l1, log)
  const watcher = createDepositWatcher(l1, book, params.l1Checkpoint.height, log)
  return new RunningMember(parts, { book, signed, watcher })
}

interface Opened {
  readonly book: DepositBook
  readonly signed: SignedBatches
  readonly watcher: DepositWatcher
}

class RunningMember implements Member {
  readonly desk: DepositDesk
  readonly #parts: MemberParts
  readonly #opened: Opened
  readonly #l1View: L1View
  readonly #finder: ConfirmationFinder
  readonly #feeRates: FeeRates
  readonly #planner: PlannerParts
  readonly #handlers: (() => void)[] = []
  #signer: ReleaseSigner | undefined
  #working: Promise<void> | undefined
  #workAgain = false
  #cancelTick: CancelTimer | undefined
  #stopped = false

  constructor(parts: MemberParts, opened: Opened) {
    this.#parts = parts
    this.#opened = opened
    const { params, l1, runtime, ceremony } = parts
    const chainL1Height = (): number => getPegBooks(parts.state().view).l1Height
    this.#l1View = createL1View(l1, runtime, chainL1Height)
    this.#finder = createConfirmationFinder(l1)
    this.#feeRates = createFeeRates(params, l1)
    this.#planner = {
      params,
      l1,
      book: opened.book,
      finder: this.#finder,
      announcement: () => ceremony.announcement(),
    }
    this.desk = createDepositDesk({
      params,
      view: () => parts.state().view,
      isSynced: parts.isSynced,
      book: opened.book,
      watcher: opened.watcher,
      l1View: this.#l1View,
      network: parts.gossip,
      runtime,
    })
    parts.network.onFrame((frame) => this.#receive(frame))
    this.#l1View.onChange(() => this.#work())
    ceremony.onFinished(() => this.#changed())
  }

  async start(): Promise<void> {
    await this.#parts.ceremony.start()
    await this.#l1View.start()
    this.#tick()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelTick?.()
    this.#l1View.stop()
    await this.#working
    await this.#parts.l1.close()
    await this.#parts.signingJournal.close()
    await this.#parts.keyStore.close()
    await this.#parts.store.close()
  }

  l1Health(): L1Health {
    return this.#l1View.health()
  }

  batchProgress(batch: Batch): BatchProgress {
    const { signed } = this.#opened
    const confirmedAt = this.#finder.heightOf(transactionId(batch.transaction))
    const health = this.#l1View.health()
    const tip = health.state === 'ok' ? health.height : 0
    return {
      isSigned: signed.find(batch.id) !== undefined || confirmedAt !== undefined,
      isBroadcast: signed.isBroadcast(batch.id),
      confirmations: confirmedAt === undefined ? 0 : Math.max(0, tip - confirmedAt + 1),
    }
  }

  // --- what the node asks -------------------------------------------------------------------

  async propose(state: ChainState): Promise<PegProposal> {
    const feeRate = this.#feeRates.proposal()
    const health = this.#l1View.health()
    if (health.state !== 'ok') return { l1Section: EMPTY_L1_SECTION, feeRate }
    try {
      return { l1Section: await planL1Section(state.view, this.#planner, health.height), feeRate }
    } catch (error) {
      this.#parts.runtime.log.warn({ error: String(error) }, 'cannot say anything about L1 now')
      return { l1Section: EMPTY_L1_SECTION, feeRate }
    }
  }

  async judge(_state: ChainState, proposal: PegProposal): Promise<PegJudgement> {
    const { l1Section, feeRate } = proposal
    if (!this.#feeRates.isReasonable(feeRate)) return 'pending'
    // Everything else in a section is proved under its headers, so only they need an opinion.
    if (isEmptyL1Section(l1Section) || l1Section.headers.length === 0) return 'valid'
    if (this.#l1View.health().state === 'wrong-network') return 'pending'
    try {
      const last = l1Section.headers.at(-1) ?? new Uint8Array()
      return (await this.#isBuried(last)) ? 'valid' : 'pending'
    } catch {
      return 'pending'
    }
  }

  /** The last header is enough: the others are its ancestors, and deeper. */
  async #isBuried(header: Uint8Array): Promise<boolean> {
    const known = await this.#parts.l1.header(headerHash(decodeHeader(header)))
    return known?.inBestChain === true && known.confirmations >= this.#parts.params.peg.l1Depth
  }

  hasWork(state: ChainState): boolean {
    const health = this.#l1View.health()
    return hasL1Work(state.view, this.#planner, health.state === 'ok' ? health.height : 0)
  }

  onChange(handler: () => void): void {
    this.#handlers.push(handler)
  }

  onCommitted(): void {
    this.#work()
  }

  // --- work ---------------------------------------------------------------------------------

  #changed(): void {
    for (const handler of this.#handlers) handler()
  }

  #tick(): void {
    if (this.#stopped) return
    this.#parts.ceremony.tick()
    this.#signer?.tick()
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
      try {
        await this.#pass()
      } catch (error) {
        this.#parts.runtime.log.debug({ error: String(error) }, 'L1 did not answer; later again')
      }
    }
  }

  async #pass(): Promise<void> {
    const health = this.#l1View.health()
    if (health.state !== 'ok') return
    await this.#feeRates.refresh()
    const open = [...openBatches(this.#parts.state().view)]
    const scanned = await this.#opened.watcher.scan(health.height)
    const looked = await this.#finder.look(open, health.height)
    // A long catch-up goes on in the next pass.
    if (!scanned || !looked) this.#workAgain = true
    this.#changed()
    await this.#openSigner()?.update()
    await this.#opened.signed.broadcast(new Set(open.map((batch) => batch.id)))
  }

  #openSigner(): ReleaseSigner | undefined {
    const { ceremony, params, l1, network, runtime, sign } = this.#parts
    const share = ceremony.share()
    if (this.#signer !== undefined || share === undefined) return this.#signer
    this.#signer = createReleaseSigner({
      params,
      share,
      view: () => this.#parts.state().view,
      maySign: () => !this.#parts.isHalted() && this.#parts.isSynced(),
      l1,
      network,
      journal: this.#parts.signingJournal,
      signed: this.#opened.signed,
      runtime,
      sign,
    })
    return this.#signer
  }

  #receive(frame: Uint8Array): void {
    try {
      const { protocol } = decodeEnvelope(frame)
      if (protocol === 'signing') this.#signer?.receive(frame)
      else this.#parts.ceremony.receive(frame)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#parts.runtime.log.debug({ error: error.message }, 'malformed federation frame')
    }
  }
}

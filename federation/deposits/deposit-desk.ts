/**
 * The user's side of deposits: hands out addresses, takes claims, tells how each deposit stands. An
 * address is given out only while this node is in sync and the peg is open, so that it cannot be a
 * dead key's; the client recomputes it from the chain anyway.
 *
 * Anybody may ask, so everything that costs work is counted: new addresses per minute, gossip per peer
 * and minute, one claim at a time with a few waiting.
 */

import { type OutPoint, outPointKey } from '../../src/bitcoin/transaction.ts'
import { getEpochBooks } from '../../src/chain/member-sets.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { getPegBooks } from '../../src/chain/peg/books.ts'
import {
  extraHeadersFor,
  findClaimHeight,
  isExpired,
  isMinting,
  isRecipient,
} from '../../src/chain/peg/deposits.ts'
import { isFrozen } from '../../src/chain/peg/freeze.ts'
import { depositScriptOf, findDepositEpoch } from '../../src/chain/peg/key-epochs.ts'
import type { StateView } from '../../src/chain/state.ts'
import { bytesToHex, equalBytes } from '../../src/primitives/bytes.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { ok, type Rejection, type Result, reject } from '../../src/primitives/result.ts'
import type { GossipVerdict, Network, PeerId, Runtime } from '../../src/runtime/runtime.ts'
import { isL1Failure } from '../l1-failure.ts'
import type { L1View } from '../l1-view.ts'
import { type Allowance, createAllowance } from './allowance.ts'
import type { DepositBook } from './deposit-book.ts'
import type { Registration, SeenDeposit } from './deposit-records.ts'
import type { DepositWatcher } from './deposit-watcher.ts'
import { decodeRegistrationMessage, encodeRegistrationMessage } from './registration-message.ts'

/** `expired`: too old to be minted, since the recovery keys could take it back. */
export type DepositStatus = 'seen' | 'confirming' | 'below-minimum' | 'minted' | 'expired'

export interface DepositReport {
  readonly deposit: SeenDeposit
  readonly status: DepositStatus
  readonly confirmations: number
  readonly requiredConfirmations: number
  readonly mintHeight: number | undefined
}

export interface DepositDesk {
  /** The recipient's address, watched from now on by every member that hears of it. */
  request(recipient: Uint8Array): Promise<Result<Registration, Rejection>>
  /** Looks for one named deposit, whoever asks. */
  claim(outPoint: OutPoint, recipient: Uint8Array): Promise<Result<void, Rejection>>
  /** Newest first; all recipients when none is given. */
  reports(recipient: Uint8Array | undefined, limit: number): readonly DepositReport[]
  /** Tells the other members of an address that has been paid: they may not have heard of it. */
  tellOthers(deposit: SeenDeposit): void
  /** Resolves when no work is under way; nothing is taken any more. */
  stop(): Promise<void>
}

export interface DeskParts {
  readonly params: ChainParams
  readonly view: () => StateView
  readonly isSynced: () => boolean
  readonly book: DepositBook
  readonly watcher: Pick<DepositWatcher, 'claim'>
  readonly l1View: Pick<L1View, 'health'>
  readonly network: Pick<Network, 'publish' | 'onGossip'>
  readonly runtime: Runtime
}

/** An address costs several milliseconds of curve arithmetic, so these are counted before. */
const HEARD_PER_PEER_AND_MINUTE = 120
/** Of addresses that have been paid; leaves room for those that are asked for. */
const TOLD_PER_MINUTE = HEARD_PER_PEER_AND_MINUTE / 2
/** Of all peers together. */
const HEARD_PER_MINUTE = 600
/** Through this node's own API; addresses given lately are remembered and free. */
const ASKED_PER_MINUTE = 120
const REMEMBERED_MAX = 1_000
/** A claim costs an address, a question to L1 and perhaps a block to read. */
const CLAIMS_PER_MINUTE = 120
const CLAIMS_WAITING_MAX = 8

export function createDepositDesk(parts: DeskParts): DepositDesk {
  return new Desk(parts)
}

class Desk implements DepositDesk {
  readonly #parts: DeskParts
  readonly #heardFrom: Allowance
  readonly #heard: Allowance
  readonly #asked: Allowance
  readonly #claimed: Allowance
  readonly #told: Allowance
  /** Addresses given lately, by epoch and recipient; the oldest go first. */
  readonly #given = new Map<string, Registration>()
  readonly #work = new Set<Promise<unknown>>()
  #claims: Promise<unknown> = Promise.resolve()
  #claimsWaiting = 0
  #stopped = false
  #newest: { readonly revision: number; readonly deposits: readonly SeenDeposit[] } | undefined

  constructor(parts: DeskParts) {
    this.#parts = parts
    const { clock } = parts.runtime
    this.#heardFrom = createAllowance(clock, HEARD_PER_PEER_AND_MINUTE)
    this.#heard = createAllowance(clock, HEARD_PER_MINUTE)
    this.#asked = createAllowance(clock, ASKED_PER_MINUTE)
    this.#claimed = createAllowance(clock, CLAIMS_PER_MINUTE)
    this.#told = createAllowance(clock, TOLD_PER_MINUTE)
    parts.network.onGossip('federation', (from, payload) => this.#judge(from, payload))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.allSettled(this.#work)
  }

  // --- addresses ----------------------------------------------------------------------------

  request(recipient: Uint8Array): Promise<Result<Registration, Rejection>> {
    return this.#track(this.#request(recipient.slice()))
  }

  async #request(recipient: Uint8Array): Promise<Result<Registration, Rejection>> {
    const { view, isSynced, book } = this.#parts
    if (!isRecipient(recipient)) {
      return reject('bad-recipient', 'invalid', 'pay to a P2WPKH, P2WSH or P2TR address')
    }
    if (this.#stopped) return reject('not-synced', 'premature', 'this node is stopping')
    if (!isSynced()) return reject('not-synced', 'premature', 'this node is catching up')
    const { state } = this.#parts.l1View.health()
    if (state === 'forked' || state === 'wrong-network') {
      const detail =
        'the L1 of this node contradicts the chain: pay nothing now, or ask another node'
      return reject('peg-frozen', 'premature', detail)
    }
    if (isFrozen(view())) {
      const detail = 'the validators have stopped releases: what comes in now cannot leave again'
      return reject('peg-frozen', 'premature', detail)
    }
    const { key } = getEpochBooks(view())
    if (key === undefined) return reject('peg-closed', 'premature', 'no key has been made yet')
    const registration = this.#addressFor(key, recipient)
    if (registration === undefined) {
      return reject('busy', 'premature', 'too many new addresses at once; ask again in a minute')
    }
    if ((await book.register(registration, 'asked')) === 'full') {
      return reject('busy', 'premature', 'this node watches as many addresses as it can')
    }
    // Known ones too: another member may have been away when it was told.
    await this.#publish(registration)
    return ok(registration)
  }

  /** Undefined when too many have been computed lately. */
  #addressFor(keyEpoch: number, recipient: Uint8Array): Registration | undefined {
    const name = `${keyEpoch} ${bytesToHex(recipient)}`
    const given = this.#given.get(name)
    if (given !== undefined) return given
    if (!this.#asked.take('all')) return undefined
    const registration = this.#registrationFor(keyEpoch, recipient)
    if (registration === undefined) return undefined
    this.#given.set(name, registration)
    const [oldest] = this.#given.keys()
    if (this.#given.size > REMEMBERED_MAX && oldest !== undefined) this.#given.delete(oldest)
    return registration
  }

  async #publish(registration: Registration): Promise<void> {
    const message = encodeRegistrationMessage(registration)
    await this.#parts.network.publish('federation', message).catch((error: unknown) => {
      this.#parts.runtime.log.debug({ error: String(error) }, 'a registration was not gossiped')
    })
  }

  tellOthers({ keyEpoch, recipient, script }: SeenDeposit): void {
    // Every member knows the federation's own addresses.
    if (recipient.length === 0) return
    // Others listen to no more of one node, so that a flood of payments would waste their patience.
    if (this.#stopped || !this.#told.take('all')) return
    void this.#track(this.#publish({ keyEpoch, recipient, script }))
  }

  #judge(from: PeerId, payload: Uint8Array): GossipVerdict {
    if (this.#stopped) return 'ignore'
    try {
      const { keyEpoch, recipient } = decodeRegistrationMessage(payload)
      if (!this.#heardFrom.take(from) || !this.#heard.take('all')) return 'ignore'
      const registration = this.#registrationFor(keyEpoch, recipient.slice())
      if (registration === undefined) return 'ignore'
      if (this.#parts.book.registrations.has(bytesToHex(registration.script))) return 'ignore'
      void this.#track(this.#hear(registration))
      return 'accept'
    } catch (error) {
      if (error instanceof DecodeError) return 'reject'
      throw error
    }
  }

  async #hear(registration: Registration): Promise<void> {
    await this.#parts.book.register(registration, 'heard').catch((error: unknown) => {
      this.#parts.runtime.log.error({ error: String(error) }, 'the deposit book cannot be written')
    })
  }

  #registrationFor(keyEpoch: number, recipient: Uint8Array): Registration | undefined {
    const { params, view } = this.#parts
    const epoch = findDepositEpoch(view(), keyEpoch)
    if (epoch === undefined) return undefined
    return { keyEpoch, recipient, script: depositScriptOf(params, epoch, recipient) }
  }

  // --- claims -------------------------------------------------------------------------------

  async claim(outPoint: OutPoint, recipient: Uint8Array): Promise<Result<void, Rejection>> {
    const { book, l1View, view } = this.#parts
    if (!isRecipient(recipient)) return reject('bad-recipient')
    if (findClaimHeight(view(), outPoint) !== undefined) return reject('deposit-already-minted')
    const known = book.waiting.get(outPointKey(outPoint))
    if (known !== undefined && equalBytes(known.recipient, recipient)) {
      return this.#isMintable(outPoint)
    }
    if (l1View.health().state !== 'ok') {
      return reject('l1-unavailable', 'premature', 'waiting for L1')
    }
    const isFull = this.#stopped || this.#claimsWaiting >= CLAIMS_WAITING_MAX
    if (isFull || !this.#claimed.take('all')) {
      return reject('busy', 'premature', 'other claims are being looked at; try again')
    }
    this.#claimsWaiting += 1
    const mine = this.#claims.then(() => this.#claim(outPoint, recipient.slice()))
    this.#claims = mine.catch(() => undefined)
    return this.#track(
      mine.finally(() => {
        this.#claimsWaiting -= 1
      }),
    )
  }

  async #claim(outPoint: OutPoint, recipient: Uint8Array): Promise<Result<void, Rejection>> {
    const { watcher, view } = this.#parts
    const candidates: Registration[] = []
    for (let epoch = 0; epoch < getEpochBooks(view()).next; epoch++) {
      const registration = this.#registrationFor(epoch, recipient)
      if (registration !== undefined) candidates.push(registration)
    }
    try {
      const outcome = await watcher.claim(outPoint, candidates)
      if (outcome === 'found') return this.#isMintable(outPoint)
      if (outcome === 'full') {
        return reject('busy', 'premature', 'too many deposits wait, all of them larger; try again')
      }
      if (outcome === 'block-unavailable') {
        const detail = 'the L1 node of this member has pruned that block; ask another member'
        return reject('deposit-block-unavailable', 'missing', detail)
      }
    } catch (error) {
      if (!isL1Failure(error)) throw error
      return reject('l1-unavailable', 'premature', 'waiting for L1')
    }
    const detail = 'no confirmed unspent output there pays the deposit address of this recipient'
    return reject('deposit-not-found', 'missing', detail)
  }

  #isMintable(outPoint: OutPoint): Result<void, Rejection> {
    const { book, params, view } = this.#parts
    const deposit = book.waiting.get(outPointKey(outPoint))
    const isTooOld =
      deposit !== undefined && isExpired(params, deposit.l1Height, getPegBooks(view()).l1Height)
    const detail = 'too old to be minted: whoever holds the recovery keys can send it back'
    return isTooOld ? reject('deposit-expired', 'invalid', detail) : ok(undefined)
  }

  #track<T>(work: Promise<T>): Promise<T> {
    const settled = Promise.allSettled([work])
    this.#work.add(settled)
    void settled.then(() => this.#work.delete(settled))
    return work
  }

  // --- reports ------------------------------------------------------------------------------

  reports(recipient: Uint8Array | undefined, limit: number): readonly DepositReport[] {
    const { book } = this.#parts
    const deposits =
      recipient === undefined ? this.#newestDeposits() : newestFirst(book.depositsOf(recipient))
    const sums = new Map<string, bigint>()
    return deposits.slice(0, limit).map((deposit) => this.#report(deposit, sums))
  }

  /** Sorted once for each change, however often it is asked for. */
  #newestDeposits(): readonly SeenDeposit[] {
    const { book } = this.#parts
    const revision = book.revision()
    if (this.#newest?.revision !== revision) {
      const all = newestFirst([...book.waiting.values(), ...book.minted.values()].filter(isMinting))
      this.#newest = { revision, deposits: all }
    }
    return this.#newest.deposits
  }

  #report(deposit: SeenDeposit, sums: Map<string, bigint>): DepositReport {
    const { params, view, l1View } = this.#parts
    const mintHeight = findClaimHeight(view(), deposit.outPoint)
    // One deeper than validators demand, as proposers go.
    const extra = extraHeadersFor(params, deposit.value, deposit.position)
    const requiredConfirmations = params.peg.l1Depth + 1 + extra
    const health = l1View.health()
    // Without an answer from L1, as far as the chain itself knows.
    const tip = health.state === 'ok' ? health.height : getPegBooks(view()).l1Height
    const confirmations = Math.max(0, tip - deposit.l1Height + 1)
    const isDeep = confirmations >= requiredConfirmations
    const isTooOld = isExpired(params, deposit.l1Height, tip)
    const status =
      mintHeight === undefined && isTooOld
        ? ('expired' as const)
        : this.#statusOf(deposit, mintHeight, isDeep, sums)
    return { deposit, confirmations, requiredConfirmations, mintHeight, status }
  }

  #statusOf(
    deposit: SeenDeposit,
    mintHeight: number | undefined,
    isDeep: boolean,
    sums: Map<string, bigint>,
  ): DepositStatus {
    const { minDepositSats } = this.#parts.params.peg
    if (mintHeight !== undefined) return 'minted'
    if (!isDeep || deposit.value >= minDepositSats) return 'confirming'
    const address = bytesToHex(deposit.script)
    const sum = sums.get(address) ?? this.#waitingSum(deposit)
    sums.set(address, sum)
    return sum < minDepositSats ? 'below-minimum' : 'confirming'
  }

  /** What has not been minted of one address's deposits. */
  #waitingSum({ recipient, script }: SeenDeposit): bigint {
    const { view, params } = this.#parts
    let sum = 0n
    for (const other of this.#parts.book.depositsOf(recipient)) {
      const isWaiting = findClaimHeight(view(), other.outPoint) === undefined
      if (!isWaiting || isExpired(params, other.l1Height, getPegBooks(view()).l1Height)) continue
      if (equalBytes(other.script, script)) sum += other.value
    }
    return sum
  }
}

function newestFirst(deposits: readonly SeenDeposit[]): readonly SeenDeposit[] {
  return deposits.toSorted((a, b) => b.l1Height - a.l1Height || b.position - a.position)
}

/**
 * What a member knows of deposits before the chain does: the recipients whose addresses it watches,
 * the L1 outputs that pay them, and the L1 blocks that it has read. Kept in a key-value store of the
 * member's own; losing it loses no money, since anybody can name a deposit again (`claim`).
 *
 * A deposit is kept with its proof until it is minted: a small one may wait for months, and its block is
 * then long gone from a pruned L1 node.
 *
 * Everything is bounded. Of registrations the oldest that nobody has paid makes room, those that came
 * by gossip first, so that a flood from outside cannot take the place of what was asked for here. Of
 * minted deposits the newest stay; the chain itself holds them all.
 */

import {
  decodeTransaction,
  type OutPoint,
  outPointKey,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import type { L1TransactionProof } from '../../src/chain/l1-section.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import type { BlockHash, Txid } from '../../src/primitives/hashes.ts'
import type { KeyValueStore, Write } from '../../src/runtime/runtime.ts'
import {
  decodeDeposit,
  decodeProof,
  decodeRegistration,
  decodeScanned,
  depositKey,
  encodeDeposit,
  encodeProof,
  encodeRegistration,
  encodeScanned,
  proofKey,
  type Registration,
  type RegistrationOrigin,
  ROW,
  registrationKey,
  rowRange,
  type SeenDeposit,
  type StoredRegistration,
  scannedKey,
} from './deposit-records.ts'
import { WaitingDeposits } from './waiting-deposits.ts'

export interface ScannedBlock {
  readonly height: number
  readonly hash: BlockHash
}

export interface DepositBookLimits {
  /** About 400 bytes each in memory. */
  readonly registrationsMax: number
  /** Deposits not yet minted, about 700 bytes each; the smallest make room for larger ones. */
  readonly waitingMax: number
  /** Minted deposits that are still shown from here. */
  readonly mintedMax: number
  /** Hashes of blocks read, to find where a reorganisation began. */
  readonly scannedMax: number
}

export const DEPOSIT_BOOK_LIMITS: DepositBookLimits = {
  registrationsMax: 200_000,
  waitingMax: 50_000,
  mintedMax: 10_000,
  scannedMax: 2_016,
}

export interface DepositBookOptions {
  /** Does the chain hold this deposit's mint? Asked at opening, and when a deposit is first seen. */
  readonly isMinted: (outPoint: OutPoint) => boolean
  readonly limits?: DepositBookLimits
  /** Below it an address is not minted to, and has not paid for its place here. @default 0 */
  readonly minDepositSats?: bigint
}

export interface DepositBook {
  /** By output script in hex. */
  readonly registrations: ReadonlyMap<string, Registration>
  /** Seen and not minted, by outpoint. */
  readonly waiting: ReadonlyMap<string, SeenDeposit>
  /** Of those that wait, the ones whose address has reached the minimum. */
  ripe(): Iterable<SeenDeposit>
  /** Newest of the minted, by outpoint; oldest first. */
  readonly minted: ReadonlyMap<string, SeenDeposit>
  /** Grows with every change of deposits. */
  revision(): number
  /** Those of one recipient, in no order. */
  depositsOf(recipient: Uint8Array): readonly SeenDeposit[]
  /** The highest block that has been read. */
  cursor(): ScannedBlock | undefined
  scannedHash(height: number): BlockHash | undefined
  /** Resolves when it is on disk; `full` when nothing could make room. */
  register(
    registration: Registration,
    origin: RegistrationOrigin,
  ): Promise<'added' | 'known' | 'full'>
  /** Registrations for which earlier blocks are still to be read, oldest first. */
  awaitingLookBack(): readonly StoredRegistration[]
  lookedBack(scripts: Iterable<string>): Promise<void>
  /**
   * Adds what a block holds and, when it was the next one, that it has been read. Returns the new.
   * `proofs` of the transactions that hold them; one that is missing is made again when it is wanted.
   */
  record(
    found: readonly SeenDeposit[],
    scanned: ScannedBlock | undefined,
    proofs?: readonly L1TransactionProof[],
  ): Promise<readonly SeenDeposit[]>
  /** As it was when the deposit was last seen, in a block at this height. */
  findProof(txid: Txid, l1Height: number): L1TransactionProof | undefined
  /** It is not where it was seen: forgets it, and has recent blocks read again for its address. */
  misplaced(outPoint: OutPoint): Promise<void>
  /** L1 replaced the blocks above this height: forgets what they held. */
  rewind(height: number): Promise<void>
  /** The chain has minted these. */
  settle(outPoints: readonly OutPoint[]): Promise<void>
}

/** Throws what the store throws, DecodeError for damaged rows. */
export async function openDepositBook(
  store: KeyValueStore,
  options: DepositBookOptions,
): Promise<DepositBook> {
  const limits = options.limits ?? DEPOSIT_BOOK_LIMITS
  const book = new Book(store, { ...options, limits })
  await book.load()
  return book
}

class Book implements DepositBook {
  readonly registrations = new Map<string, StoredRegistration>()
  readonly waiting: ReadonlyMap<string, SeenDeposit>
  readonly minted = new Map<string, SeenDeposit>()
  readonly #store: KeyValueStore
  readonly #limits: DepositBookLimits
  readonly #isMinted: DepositBookOptions['isMinted']
  /** Registrations that nobody has paid, oldest first: these may make room. */
  readonly #unpaid = { heard: new Set<string>(), asked: new Set<string>() }
  readonly #awaiting = new Map<string, StoredRegistration>()
  readonly #byRecipient = new Map<string, Set<string>>()
  readonly #waiting: WaitingDeposits
  readonly #minimum: bigint
  readonly #scanned = new Map<number, BlockHash>()
  #cursor: ScannedBlock | undefined
  #sequence = 0
  #revision = 0

  constructor(
    store: KeyValueStore,
    { limits, isMinted, minDepositSats = 0n }: DepositBookOptions & { limits: DepositBookLimits },
  ) {
    this.#store = store
    this.#limits = limits
    this.#isMinted = isMinted
    this.#minimum = minDepositSats
    this.#waiting = new WaitingDeposits(minDepositSats)
    this.waiting = this.#waiting.all
  }

  async load(): Promise<void> {
    const stored: StoredRegistration[] = []
    for await (const [, value] of this.#store.range(...rowRange(ROW.registration))) {
      stored.push(decodeRegistration(value))
    }
    for (const registration of stored.toSorted((a, b) => a.sequence - b.sequence)) {
      this.#addRegistration(registration)
    }
    const deposits: SeenDeposit[] = []
    for await (const [, value] of this.#store.range(...rowRange(ROW.deposit))) {
      deposits.push(decodeDeposit(value))
    }
    for (const deposit of deposits.toSorted((a, b) => a.l1Height - b.l1Height)) {
      this.#addDeposit(deposit, this.#isMinted(deposit.outPoint) ? 'minted' : 'waiting')
    }
    // Minted while this was closed, or not written down in time.
    const stale = [...this.minted.values()].flatMap(({ outPoint: { txid } }) =>
      this.#waiting.isWanted(txid) ? [] : [{ kind: 'delete' as const, key: proofKey(txid) }],
    )
    if (stale.length > 0) await this.#store.write(stale, { sync: false })
    for await (const [key, value] of this.#store.range(...rowRange(ROW.scanned))) {
      const [height, hash] = decodeScanned(key, value)
      this.#scanned.set(height, hash)
      this.#cursor = { height, hash }
    }
  }

  revision(): number {
    return this.#revision
  }

  depositsOf(recipient: Uint8Array): readonly SeenDeposit[] {
    const keys = this.#byRecipient.get(bytesToHex(recipient)) ?? []
    return [...keys].flatMap((key) => this.waiting.get(key) ?? this.minted.get(key) ?? [])
  }

  cursor(): ScannedBlock | undefined {
    return this.#cursor
  }

  scannedHash(height: number): BlockHash | undefined {
    return this.#scanned.get(height)
  }

  // --- registrations ------------------------------------------------------------------------

  async register(
    registration: Registration,
    origin: RegistrationOrigin,
  ): Promise<'added' | 'known' | 'full'> {
    const script = bytesToHex(registration.script)
    if (this.registrations.has(script)) {
      // Asked for again: it is wanted, so it becomes the last to make room.
      for (const set of [this.#unpaid.heard, this.#unpaid.asked]) {
        if (origin === 'asked' && set.delete(script)) this.#unpaid.asked.add(script)
      }
      return 'known'
    }
    const rows: Write[] = []
    if (this.registrations.size >= this.#limits.registrationsMax) {
      const evicted = this.#evict(origin)
      if (evicted === undefined) return 'full'
      rows.push({ kind: 'delete', key: registrationKey(evicted.script) })
    }
    const stored = {
      ...registration,
      sequence: this.#sequence,
      origin,
      lookedBack: false,
      fromHeight: this.#cursor?.height ?? 0,
    }
    this.#addRegistration(stored)
    rows.push(registrationRow(stored))
    await this.#store.write(rows, { sync: true })
    return 'added'
  }

  #addRegistration(registration: StoredRegistration): void {
    const script = bytesToHex(registration.script)
    this.registrations.set(script, registration)
    this.#unpaid[registration.origin].add(script)
    if (!registration.lookedBack) this.#awaiting.set(script, registration)
    this.#sequence = Math.max(this.#sequence, registration.sequence + 1)
  }

  /** The oldest that nobody has paid; gossip never takes the place of what was asked for here. */
  #evict(by: RegistrationOrigin): StoredRegistration | undefined {
    const { heard, asked } = this.#unpaid
    const [script] = heard.size > 0 || by === 'heard' ? heard : asked
    const registration = script === undefined ? undefined : this.registrations.get(script)
    if (script === undefined || registration === undefined) return undefined
    this.registrations.delete(script)
    this.#awaiting.delete(script)
    heard.delete(script)
    asked.delete(script)
    return registration
  }

  awaitingLookBack(): readonly StoredRegistration[] {
    return [...this.#awaiting.values()]
  }

  async lookedBack(scripts: Iterable<string>): Promise<void> {
    const rows: Write[] = []
    for (const script of scripts) {
      const registration = this.#awaiting.get(script)
      if (registration === undefined) continue
      const done = { ...registration, lookedBack: true }
      this.#awaiting.delete(script)
      this.registrations.set(script, done)
      rows.push(registrationRow(done))
    }
    if (rows.length > 0) await this.#store.write(rows, { sync: false })
  }

  // --- deposits -----------------------------------------------------------------------------

  async record(
    found: readonly SeenDeposit[],
    scanned: ScannedBlock | undefined,
    proofs: readonly L1TransactionProof[] = [],
  ): Promise<readonly SeenDeposit[]> {
    const rows: Write[] = []
    const fresh: SeenDeposit[] = []
    for (const deposit of found) {
      const key = outPointKey(deposit.outPoint)
      if (this.minted.has(key)) continue
      const isNew = !this.waiting.has(key)
      if (isNew && this.#isMinted(deposit.outPoint)) {
        // Others were faster: there is nothing to wait for.
        this.#addDeposit(deposit, 'minted')
        rows.push(depositRow(deposit))
        continue
      }
      if (isNew && this.waiting.size >= this.#limits.waitingMax) {
        // Dust must not keep others out. What is dropped can be claimed again.
        const dropped = this.#waiting.smallestBelow(deposit.value)
        if (dropped.length === 0) continue
        rows.push(...dropped.flatMap((each) => this.#forgetDeposit(each)))
      }
      if (isNew) fresh.push(deposit)
      this.#addDeposit(deposit, 'waiting')
      rows.push(depositRow(deposit))
    }
    for (const proof of proofs) {
      const txid = transactionId(decodeTransaction(proof.transaction))
      if (!this.#waiting.isWanted(txid)) continue
      rows.push({ kind: 'put', key: proofKey(txid), value: encodeProof(proof) })
    }
    rows.push(...this.#forgetOldest())
    if (scanned !== undefined) rows.push(...this.#addScanned(scanned))
    if (rows.length > 0) await this.#store.write(rows, { sync: false })
    return fresh
  }

  findProof(txid: Txid, l1Height: number): L1TransactionProof | undefined {
    const bytes = this.#store.get(proofKey(txid))
    const proof = bytes === undefined ? undefined : decodeProof(bytes)
    return proof?.l1Height === l1Height ? proof : undefined
  }

  async misplaced(outPoint: OutPoint): Promise<void> {
    const deposit = this.waiting.get(outPointKey(outPoint))
    if (deposit === undefined) return
    const rows = this.#forgetDeposit(deposit)
    const script = bytesToHex(deposit.script)
    const registration = this.registrations.get(script)
    if (registration !== undefined) {
      const again = {
        ...registration,
        lookedBack: false,
        fromHeight: this.#cursor?.height ?? 0,
      }
      this.registrations.set(script, again)
      this.#awaiting.set(script, again)
      rows.push(registrationRow(again))
    }
    await this.#store.write(rows, { sync: false })
  }

  #addDeposit(deposit: SeenDeposit, to: 'waiting' | 'minted'): void {
    const key = outPointKey(deposit.outPoint)
    if (to === 'waiting') this.#waiting.put(deposit)
    else this.minted.set(key, deposit)
    const recipient = bytesToHex(deposit.recipient)
    const keys = this.#byRecipient.get(recipient) ?? new Set()
    this.#byRecipient.set(recipient, keys.add(key))
    if (deposit.value >= this.#minimum) {
      const script = bytesToHex(deposit.script)
      this.#unpaid.heard.delete(script)
      this.#unpaid.asked.delete(script)
    }
    this.#revision += 1
  }

  ripe(): Iterable<SeenDeposit> {
    return this.#waiting.ripe()
  }

  /** Rows to delete: the proof has no more use when no deposit of its transaction waits. */
  #stopWaiting({ outPoint }: SeenDeposit): Write[] {
    if (!this.#waiting.delete(outPointKey(outPoint))) return []
    if (this.#waiting.isWanted(outPoint.txid)) return []
    return [{ kind: 'delete', key: proofKey(outPoint.txid) }]
  }

  #forgetDeposit(deposit: SeenDeposit): Write[] {
    const key = outPointKey(deposit.outPoint)
    const rows = this.#stopWaiting(deposit)
    this.minted.delete(key)
    const recipient = bytesToHex(deposit.recipient)
    const keys = this.#byRecipient.get(recipient)
    keys?.delete(key)
    if (keys?.size === 0) this.#byRecipient.delete(recipient)
    this.#revision += 1
    return [...rows, { kind: 'delete', key: depositKey(deposit.outPoint) }]
  }

  #addScanned({ height, hash }: ScannedBlock): readonly Write[] {
    const rows: Write[] = [{ kind: 'put', key: scannedKey(height), value: encodeScanned(hash) }]
    this.#scanned.set(height, hash)
    this.#cursor = { height, hash }
    for (const old of this.#scanned.keys()) {
      if (this.#scanned.size <= this.#limits.scannedMax) break
      this.#scanned.delete(old)
      rows.push({ kind: 'delete', key: scannedKey(old) })
    }
    return rows
  }

  #forgetOldest(): readonly Write[] {
    const rows: Write[] = []
    for (const deposit of this.minted.values()) {
      if (this.minted.size <= this.#limits.mintedMax) break
      rows.push(...this.#forgetDeposit(deposit))
    }
    return rows
  }

  async rewind(height: number): Promise<void> {
    const rows: Write[] = []
    for (const deposit of this.waiting.values()) {
      if (deposit.l1Height > height) rows.push(...this.#forgetDeposit(deposit))
    }
    for (const scanned of this.#scanned.keys()) {
      if (scanned <= height) continue
      this.#scanned.delete(scanned)
      rows.push({ kind: 'delete', key: scannedKey(scanned) })
    }
    const top = [...this.#scanned].at(-1)
    this.#cursor = top === undefined ? undefined : { height: top[0], hash: top[1] }
    if (rows.length > 0) await this.#store.write(rows, { sync: false })
  }

  async settle(outPoints: readonly OutPoint[]): Promise<void> {
    const rows: Write[] = []
    for (const outPoint of outPoints) {
      const key = outPointKey(outPoint)
      const deposit = this.waiting.get(key)
      if (deposit === undefined) continue
      rows.push(...this.#stopWaiting(deposit))
      this.minted.set(key, deposit)
      this.#revision += 1
    }
    rows.push(...this.#forgetOldest())
    if (rows.length > 0) await this.#store.write(rows, { sync: false })
  }
}

function depositRow(deposit: SeenDeposit): Write {
  return { kind: 'put', key: depositKey(deposit.outPoint), value: encodeDeposit(deposit) }
}

function registrationRow(registration: StoredRegistration): Write {
  return {
    kind: 'put',
    key: registrationKey(registration.script),
    value: encodeRegistration(registration),
  }
}

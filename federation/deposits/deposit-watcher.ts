/**
 * Watches L1 for payments to registered deposit addresses: block by block, from a cursor that only
 * moves past what is written down, so that a stop of any length is caught up with and nothing is
 * counted twice. When L1 has replaced blocks, the book goes back to the last one that still stands.
 *
 * What a pruned L1 node has dropped before it was read is passed over: other members have it, and
 * `problem` says so.
 *
 * A registration may come after its payment. Recent blocks are read once more for it: for all new
 * registrations in one go and not more often than `LOOK_BACK_EVERY_MS`, so that a flood of them costs
 * no more than one. Older deposits are found by `claim`.
 */

import { type OutPoint, outPointKey, type Transaction } from '../../src/bitcoin/transaction.ts'
import { MAX_L1_TRANSACTION_BYTES } from '../../src/chain/params.ts'
import { bytesToHex, equalBytes } from '../../src/primitives/bytes.ts'
import type { Clock, Logger } from '../../src/runtime/runtime.ts'
import type { BitcoinL1, L1Block } from '../l1/bitcoin-l1.ts'
import { findL1TransactionProof } from '../l1/proofs.ts'
import { isPrunedBlock } from '../l1/pruned-block.ts'
import type { DepositBook, ScannedBlock } from './deposit-book.ts'
import type { Registration, SeenDeposit } from './deposit-records.ts'
import { scanBlock } from './scan-block.ts'

/** A registration that comes after its payment is still found when the payment is this recent. */
export const LOOK_BACK_BLOCKS = 144
/** Blocks that may have been read since the registration came. */
const LOOK_BACK_LATE_MAX = 2_016
const LOOK_BACK_EVERY_MS = 30_000
/** Blocks read per call, so that a long catch-up yields to other work. */
const BLOCKS_PER_CALL = 50
/** Blocks that may appear between two answers of L1. */
const CLAIM_TRIES = 4

/** `more`: call again soon. `stuck`: L1 lacks a block, or moves; call again later. */
export type ScanProgress = 'done' | 'more' | 'stuck'

/** `full`: found, and no place for one that small. */
export type ClaimOutcome = 'found' | 'not-found' | 'block-unavailable' | 'full'

export interface DepositWatcher {
  /** Reads on up to `tipHeight`. Throws what the L1 client throws. */
  scan(tipHeight: number): Promise<ScanProgress>
  /** Reads earlier blocks for new registrations. Throws what the L1 client throws. */
  lookBack(): Promise<ScanProgress>
  /** What an operator should know. */
  problem(): string | undefined
  /** Finds one named deposit to one of these addresses. Throws what the L1 client throws. */
  claim(outPoint: OutPoint, candidates: readonly Registration[]): Promise<ClaimOutcome>
}

export interface WatcherParts {
  readonly l1: BitcoinL1
  readonly book: DepositBook
  /** Deposits at or below this height do not count. */
  readonly startHeight: number
  readonly clock: Clock
  readonly log: Logger
  /** Does it spend the federation's own coins? */
  readonly isOwn: (transaction: Transaction) => boolean
  /** A deposit seen for the first time. */
  readonly onSeen: (deposit: SeenDeposit) => void
}

interface LookBack {
  readonly registrations: ReadonlyMap<string, Registration>
  next: number
  readonly last: number
}

export function createDepositWatcher(parts: WatcherParts): DepositWatcher {
  return new Watcher(parts)
}

class Watcher implements DepositWatcher {
  readonly #parts: WatcherParts
  #lookBack: LookBack | undefined
  #skipped: { readonly first: number; readonly last: number } | undefined
  #notBeforeMs = Number.NEGATIVE_INFINITY

  constructor(parts: WatcherParts) {
    this.#parts = parts
  }

  async #blockAt(height: number): Promise<L1Block | undefined> {
    const { l1 } = this.#parts
    const hash = await l1.blockHashAt(height)
    return hash === undefined ? undefined : l1.block(hash)
  }

  async #record(
    block: L1Block,
    found: readonly SeenDeposit[],
    scanned: ScannedBlock | undefined,
  ): Promise<void> {
    const { book, log, onSeen } = this.#parts
    const txids = new Set(found.map(({ outPoint }) => outPoint.txid))
    const proofs = [...txids].flatMap((txid) => findL1TransactionProof(block, txid) ?? [])
    const usable = proofs.filter(
      ({ transaction }) => transaction.length <= MAX_L1_TRANSACTION_BYTES,
    )
    for (const deposit of await book.record(found, scanned, usable)) {
      const { outPoint, value, l1Height } = deposit
      log.info({ l1Txid: outPoint.txid, valueSats: Number(value), l1Height }, 'deposit seen')
      onSeen(deposit)
    }
  }

  async scan(tipHeight: number): Promise<ScanProgress> {
    const { l1, book, startHeight, isOwn, log } = this.#parts
    await this.#rewindIfReplaced(tipHeight)
    let from = (book.cursor()?.height ?? startHeight) + 1
    // Nobody to look for: later registrations look back themselves.
    if (book.registrations.size === 0) from = Math.max(from, tipHeight)
    const to = Math.min(tipHeight, from + BLOCKS_PER_CALL - 1)
    let skipped = 0
    for (let height = from; height <= to; height++) {
      const hash = await l1.blockHashAt(height)
      if (hash === undefined) return 'stuck'
      const block = await l1.block(hash)
      if (block === undefined) {
        if (!(await isPrunedBlock(l1, hash))) return 'stuck'
        await book.record([], { height, hash })
        this.#skipped = { first: this.#skipped?.first ?? height, last: height }
        skipped += 1
        continue
      }
      const found = scanBlock(block.transactions, height, book.registrations, isOwn)
      await this.#record(block, found, { height, hash: block.hash })
    }
    if (skipped > 0) {
      log.warn({ from, to, skipped }, 'L1 had pruned blocks before they were read for deposits')
    }
    return to < tipHeight ? 'more' : 'done'
  }

  problem(): string | undefined {
    if (this.#skipped === undefined) return undefined
    const { first, last } = this.#skipped
    // It cannot be mended: told for two days of L1, then only the log knows.
    if ((this.#parts.book.cursor()?.height ?? last) - last > 2 * LOOK_BACK_BLOCKS) return undefined
    return (
      `L1 had pruned blocks between ${first} and ${last} before this member read them: deposits in ` +
      'them are minted by other members, or when they are claimed there'
    )
  }

  async #rewindIfReplaced(tipHeight: number): Promise<void> {
    const { l1, book, log } = this.#parts
    const cursor = book.cursor()
    if (cursor === undefined) return
    const standing = await this.#lastStanding(cursor.height, tipHeight)
    // A node that is merely behind says nothing of what it lacks.
    if (standing >= Math.min(cursor.height, tipHeight)) return
    log.warn({ from: cursor.height, to: standing }, 'L1 replaced blocks; reading again')
    await book.rewind(standing)
    if (book.cursor()?.height === standing) return
    // Passed over, as said below; without a mark here everything would be read from the beginning.
    const hash = await l1.blockHashAt(standing)
    if (hash !== undefined) await book.record([], { height: standing, hash })
  }

  /** The highest block read that L1 still has, up to its tip. */
  async #lastStanding(cursorHeight: number, tipHeight: number): Promise<number> {
    const { l1, book, startHeight } = this.#parts
    const top = Math.min(cursorHeight, tipHeight)
    let unknown = 0
    for (let height = top; height > startHeight; height--) {
      const read = book.scannedHash(height)
      if (read !== undefined && (await l1.blockHashAt(height)) === read) return height
      // Not every block was read: while nobody had registered, they were passed over. Deposits may have
      // been found there since, so what stands below replaced ones is not known to stand.
      if (read === undefined) unknown += 1
      if (read === undefined && (height === top || unknown > LOOK_BACK_BLOCKS)) return height
    }
    return startHeight
  }

  async lookBack(): Promise<ScanProgress> {
    const { book, clock, isOwn } = this.#parts
    this.#lookBack ??= this.#beginLookBack()
    const current = this.#lookBack
    if (current === undefined) return 'done'
    const until = Math.min(current.last, current.next + BLOCKS_PER_CALL - 1)
    for (; current.next <= until; current.next++) {
      const block = await this.#blockAt(current.next)
      // What a pruned node lacks cannot be had; `claim` says so to whoever asks.
      if (block === undefined) continue
      const found = scanBlock(block.transactions, current.next, current.registrations, isOwn)
      await this.#record(block, found, undefined)
    }
    if (current.next <= current.last) return 'more'
    await book.lookedBack(current.registrations.keys())
    this.#lookBack = undefined
    this.#notBeforeMs = clock.monotonicMs() + LOOK_BACK_EVERY_MS
    return 'done'
  }

  #beginLookBack(): LookBack | undefined {
    const { book, startHeight, clock } = this.#parts
    const cursor = book.cursor()
    if (cursor === undefined || clock.monotonicMs() < this.#notBeforeMs) return undefined
    const awaiting = book.awaitingLookBack()
    if (awaiting.length === 0) return undefined
    // It may have come long before this: a stop in between must not cost it its past.
    let from = cursor.height
    for (const { fromHeight } of awaiting) if (fromHeight > 0) from = Math.min(from, fromHeight)
    from = Math.max(from, cursor.height - LOOK_BACK_LATE_MAX)
    return {
      registrations: new Map(awaiting.map((one) => [bytesToHex(one.script), one])),
      next: Math.max(startHeight + 1, from - LOOK_BACK_BLOCKS + 1),
      last: cursor.height,
    }
  }

  async claim(outPoint: OutPoint, candidates: readonly Registration[]): Promise<ClaimOutcome> {
    const { l1, book, isOwn } = this.#parts
    const before = (await l1.tip()).height
    const output = await l1.findUnspent(outPoint)
    if (output === undefined || output.confirmations < 1) return 'not-found'
    const registration = candidates.find(({ script }) => equalBytes(script, output.script))
    if (registration === undefined) return 'not-found'
    const only = new Map([[bytesToHex(registration.script), registration]])
    // Blocks that came between the two answers only raise the height.
    const lowest = before - output.confirmations + 1
    const highest = Math.min(lowest + CLAIM_TRIES, (await l1.tip()).height)
    for (let height = Math.max(1, lowest); height <= highest; height++) {
      const block = await this.#blockAt(height)
      if (block === undefined) return 'block-unavailable'
      const found = scanBlock(block.transactions, height, only, isOwn)
      const match = found.filter((deposit) => deposit.outPoint.txid === outPoint.txid)
      if (match.length === 0) continue
      // A full book is no reason to lose a deposit that somebody names.
      await book.register(registration, 'asked')
      await this.#record(block, match, undefined)
      const key = outPointKey(outPoint)
      return book.waiting.has(key) || book.minted.has(key) ? 'found' : 'full'
    }
    return 'not-found'
  }
}

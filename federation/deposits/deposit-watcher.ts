/**
 * Watches L1 for payments to registered deposit addresses: block by block, from a cursor that only
 * moves past what is written down, so that a stop of any length is caught up with and nothing is
 * counted twice. A new registration looks back a little; older deposits are found by `claim`.
 */

import type { OutPoint } from '../../src/bitcoin/transaction.ts'
import { bytesToHex, equalBytes } from '../../src/primitives/bytes.ts'
import type { BlockHash } from '../../src/primitives/hashes.ts'
import type { Logger } from '../../src/runtime/runtime.ts'
import type { BitcoinL1, L1Block } from '../l1/bitcoin-l1.ts'
import type { DepositBook, Registration, SeenDeposit } from './deposit-book.ts'
import { scanBlock } from './scan-block.ts'

/** A registration that comes after its payment is still found when the payment is this recent. */
const LOOK_BACK_BLOCKS = 144
/** After a reorganisation, or a start: scanned again. Recording a deposit twice changes nothing. */
const REWIND_BLOCKS = 20
/** Blocks read per call, so that a long catch-up yields to other work. */
const BLOCKS_PER_SCAN = 50

export interface DepositWatcher {
  /** Scans up to `tipHeight`; true when it got there. Throws what the L1 client throws. */
  scan(tipHeight: number): Promise<boolean>
  /** Watches a new address, looking back over recent blocks. */
  watch(registration: Registration, tipHeight: number): Promise<void>
  /** Finds one named deposit; false when L1 shows no such unspent output. */
  claim(outPoint: OutPoint, registration: Registration, tipHeight: number): Promise<boolean>
}

export function createDepositWatcher(
  l1: BitcoinL1,
  book: DepositBook,
  startHeight: number,
  log: Logger,
): DepositWatcher {
  async function blockAt(height: number): Promise<L1Block | undefined> {
    const hash = await l1.blockHashAt(height)
    return hash === undefined ? undefined : l1.block(hash)
  }

  /** Hash of the last scanned block; unknown after a start. */
  let scannedHash: BlockHash | undefined

  /** The next height to scan: behind the cursor when L1 has replaced what was scanned. */
  async function nextHeight(): Promise<number> {
    const cursor = book.cursor() ?? startHeight
    const unchanged = scannedHash !== undefined && (await l1.blockHashAt(cursor)) === scannedHash
    return unchanged ? cursor + 1 : Math.max(startHeight, cursor - REWIND_BLOCKS)
  }

  async function scan(tipHeight: number): Promise<boolean> {
    const from = await nextHeight()
    const to = Math.min(tipHeight, from + BLOCKS_PER_SCAN - 1)
    for (let height = from; height <= to; height++) {
      const block = await blockAt(height)
      if (block === undefined) return false
      const found = scanBlock(block.transactions, height, book.registrations)
      for (const deposit of found) {
        log.info(
          { l1Txid: deposit.outPoint.txid, valueSats: Number(deposit.value) },
          'deposit seen',
        )
      }
      await book.record(found, height)
      scannedHash = block.hash
    }
    return to >= tipHeight
  }

  async function watch(registration: Registration, tipHeight: number): Promise<void> {
    if (!(await book.register(registration))) return
    const only = new Map([[scriptKey(registration), registration]])
    const cursor = Math.min(book.cursor() ?? startHeight, tipHeight)
    for (
      let height = Math.max(startHeight, cursor - LOOK_BACK_BLOCKS);
      height <= cursor;
      height++
    ) {
      const block = await blockAt(height)
      if (block === undefined) return
      await book.record(scanBlock(block.transactions, height, only), undefined)
    }
  }

  async function claim(
    outPoint: OutPoint,
    registration: Registration,
    tipHeight: number,
  ): Promise<boolean> {
    const output = await l1.findUnspent(outPoint)
    if (output === undefined || output.confirmations < 1) return false
    if (!equalBytes(output.script, registration.script)) return false
    const height = tipHeight - output.confirmations + 1
    // The tip may have moved between the two answers; its neighbours settle it.
    for (const at of [height, height + 1, height - 1]) {
      const block = await blockAt(at)
      const only = new Map([[scriptKey(registration), registration]])
      const found: readonly SeenDeposit[] =
        block === undefined ? [] : scanBlock(block.transactions, at, only)
      const match = found.filter((deposit) => deposit.outPoint.txid === outPoint.txid)
      if (match.length === 0) continue
      await book.register(registration)
      await book.record(match, undefined)
      return true
    }
    return false
  }

  return { scan, watch, claim }
}

function scriptKey(registration: Registration): string {
  return bytesToHex(registration.script)
}

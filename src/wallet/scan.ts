/**
 * Finding a wallet's coins and history: walks each branch until `gapLimit` scripts in a row have
 * never been used (BIP44).
 */

import { bytesToHex } from '../primitives/bytes.ts'
import type { Txid } from '../primitives/hashes.ts'
import type { AccountScripts, Branch, DerivedScript } from './account.ts'
import type { ChainSource, SourceTransaction } from './chain-source.ts'
import type { WalletCoin } from './payment.ts'

/** BIP44's gap. */
export const GAP_LIMIT = 20
/** Requests under way at once: kind to a node, and quick on one machine. */
const PARALLEL_REQUESTS = 8
/** Scripts per branch that a scan ever looks at: a lying source cannot make it endless. */
const MAX_SCRIPTS_PER_BRANCH = 10_000

export interface ScanResult {
  /** Scripts that at least one transaction touches. */
  readonly used: readonly DerivedScript[]
  readonly coins: readonly WalletCoin[]
  /** First index of each branch after the last used one. */
  readonly next: { readonly receive: number; readonly change: number }
}

export interface ScanOptions {
  readonly gapLimit?: number
  /** Indices handed out already: looked at however long the gap. */
  readonly handedOut?: { readonly receive: number; readonly change: number }
}

export async function scanAccount(
  source: ChainSource,
  scripts: AccountScripts,
  options: ScanOptions = {},
): Promise<ScanResult> {
  const gapLimit = options.gapLimit ?? GAP_LIMIT
  const handedOut = options.handedOut ?? { receive: 0, change: 0 }
  const receive = await scanBranch(source, scripts, {
    branch: 0,
    gapLimit,
    least: handedOut.receive,
  })
  const change = await scanBranch(source, scripts, { branch: 1, gapLimit, least: handedOut.change })
  const used = [...receive.used, ...change.used]
  const coins = await inParallel(used, async (derived) => {
    const found = await source.listCoins(derived.script)
    const { script, branch, index } = derived
    return found.map(
      ({ outPoint, value, height }): WalletCoin => ({
        outPoint,
        value,
        height,
        script,
        branch,
        index,
      }),
    )
  })
  return { used, coins: coins.flat(), next: { receive: receive.next, change: change.next } }
}

interface BranchScan {
  readonly used: readonly DerivedScript[]
  readonly next: number
}

async function scanBranch(
  source: ChainSource,
  scripts: AccountScripts,
  options: { readonly branch: Branch; readonly gapLimit: number; readonly least: number },
): Promise<BranchScan> {
  const { branch, gapLimit, least } = options
  const used: DerivedScript[] = []
  let next = 0
  let end = Math.min(least + gapLimit, MAX_SCRIPTS_PER_BRANCH)
  for (let from = 0; from < end; ) {
    const window = Array.from({ length: end - from }, (_, i) => scripts.derive(branch, from + i))
    const counts = await inParallel(window, ({ script }) => source.countTransactions(script))
    from = end
    for (const [i, derived] of window.entries()) {
      if ((counts[i] ?? 0) === 0) continue
      used.push(derived)
      next = derived.index + 1
    }
    end = Math.min(Math.max(end, next + gapLimit), MAX_SCRIPTS_PER_BRANCH)
  }
  return { used, next }
}

export interface HistoryEntry {
  readonly txid: Txid
  /** What the wallet gained; negative when it paid. Includes the fee it paid. */
  readonly netSats: bigint
  /** The transaction's fee when the wallet paid it (all inputs its own), else undefined. */
  readonly feeSats: bigint | undefined
  readonly height: number | undefined
  /** Seconds since the Unix epoch. */
  readonly blockTime: number | undefined
}

/** Newest first, unconfirmed before all others; at most `limit` entries. */
export async function readHistory(
  source: ChainSource,
  used: readonly DerivedScript[],
  limit: number,
): Promise<readonly HistoryEntry[]> {
  const own = new Set(used.map(({ script }) => bytesToHex(script)))
  const lists = await inParallel(used, ({ script }) => source.listTransactions(script, limit))
  const byId = new Map<Txid, SourceTransaction>()
  for (const tx of lists.flat()) byId.set(tx.txid, tx)
  return [...byId.values()]
    .map((tx) => toEntry(tx, own))
    .toSorted(
      (a, b) => (b.height ?? Infinity) - (a.height ?? Infinity) || (a.txid < b.txid ? -1 : 1),
    )
    .slice(0, limit)
}

function toEntry(tx: SourceTransaction, own: ReadonlySet<string>): HistoryEntry {
  let netSats = 0n
  for (const output of tx.outputs) if (own.has(bytesToHex(output.script))) netSats += output.value
  let allOwn = tx.spent.length > 0
  for (const output of tx.spent) {
    if (output !== undefined && own.has(bytesToHex(output.script))) netSats -= output.value
    else allOwn = false
  }
  const { txid, height, blockTime } = tx
  return { txid, netSats, feeSats: allOwn ? tx.fee : undefined, height, blockTime }
}

/** Maps in order, with a bounded number of promises under way. */
async function inParallel<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let from = 0; from < items.length; from += PARALLEL_REQUESTS) {
    const part = items.slice(from, from + PARALLEL_REQUESTS)
    results.push(...(await Promise.all(part.map(run))))
  }
  return results
}

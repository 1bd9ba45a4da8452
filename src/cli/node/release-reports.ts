/** Releases as the API shows them: the state's word, and the member's news of L1. */

import type { Member } from '../../../federation/member.ts'
import type { ReleaseView } from '../../api/schemas.ts'
import { type OutPoint, transactionId } from '../../bitcoin/transaction.ts'
import type { Block } from '../../chain/block.ts'
import {
  buildBatchTransaction,
  dustLimit,
  feeAtRate,
  signedVsize,
} from '../../chain/peg/batch-transaction.ts'
import { type Batch, findBatch, openBatches } from '../../chain/peg/batches.ts'
import { getPegBooks } from '../../chain/peg/books.ts'
import { CHANGE_RECIPIENT } from '../../chain/peg/deposit-address.ts'
import { activeKeyEpoch, depositScriptOf } from '../../chain/peg/key-epochs.ts'
import { BATCH_INPUTS_MAX } from '../../chain/peg/plan-batches.ts'
import { findRelease, type Release } from '../../chain/peg/releases.ts'
import { type ReserveCoin, reserveCoins } from '../../chain/peg/reserves.ts'
import type { StateView } from '../../chain/state.ts'
import { lastFeeRate } from '../../node/last-fee-rate.ts'
import type { Node } from '../../node/node.ts'
import { bytesToHex, equalBytes } from '../../primitives/bytes.ts'
import { toTxid } from '../../primitives/hashes.ts'
import { sats } from '../../primitives/units.ts'

export interface ReleaseReports {
  /** Newest first. With a script, those among the newest `SEARCHED_MAX` that pay it. */
  releases(l1Script: Uint8Array | undefined, limit: number): readonly ReleaseView[]
  release(id: number | OutPoint): ReleaseView | undefined
  /** Releases that a block queued, batched or paid. Called once for each block, in order. */
  changedIn(block: Block): readonly ReleaseView[]
  /** Fee of a batch with one such release alone: the most that it pays at the present rate. */
  estimateFee(l1Script: Uint8Array): bigint
}

export interface ReleaseReportParts {
  readonly node: Pick<Node, 'chain'>
  readonly member: Pick<Member, 'batchProgress'> | undefined
  readonly l1Address: (script: Uint8Array) => string
}

/** Releases looked through for one L1 address; older ones are found by number or burn. */
const SEARCHED_MAX = 2_000

type BatchStatus = Exclude<ReleaseView['status'], 'queued' | 'paid'>

/** What is the same for all releases of one answer. */
interface Answer {
  readonly feeRate: number
  readonly available: () => Available
  readonly batchOf: (id: number) => Batch | undefined
}

/** Free reserves, satoshis: all of them, and the largest coins that one batch can spend together. */
interface Available {
  readonly total: bigint
  readonly inOneBatch: bigint
}

export function createReleaseReports(parts: ReleaseReportParts): ReleaseReports {
  return new Reports(parts)
}

class Reports implements ReleaseReports {
  readonly #parts: ReleaseReportParts
  /** Open after the last block that `changedIn` saw. */
  #open: ReadonlySet<number>

  constructor(parts: ReleaseReportParts) {
    this.#parts = parts
    this.#open = this.#openIds()
  }

  get #view() {
    return this.#parts.node.chain.state().view
  }

  #openIds(): ReadonlySet<number> {
    return new Set([...openBatches(this.#view)].map(({ id }) => id))
  }

  // --- finding ------------------------------------------------------------------------------

  releases(l1Script: Uint8Array | undefined, limit: number): readonly ReleaseView[] {
    const answer = this.#answer()
    const found: ReleaseView[] = []
    const next = getPegBooks(this.#view).nextReleaseId
    for (let id = next - 1; id >= Math.max(0, next - SEARCHED_MAX); id--) {
      if (found.length >= limit) break
      const release = findRelease(this.#view, id)
      if (release === undefined) break
      if (l1Script !== undefined && !equalBytes(release.l1Script, l1Script)) continue
      found.push(this.#viewOf(release, answer))
    }
    return found
  }

  release(id: number | OutPoint): ReleaseView | undefined {
    const release = typeof id === 'number' ? findRelease(this.#view, id) : this.#findByBurn(id)
    return release === undefined ? undefined : this.#viewOf(release, this.#answer())
  }

  /** Releases stand in the order of their blocks, so the burn's block leads to its number. */
  #findByBurn(burn: OutPoint): Release | undefined {
    const height = this.#parts.node.chain.database.findTransaction(burn.txid)?.height
    if (height === undefined) return undefined
    for (const release of this.#queuedAt(height)) {
      if (release.txid === burn.txid && release.vout === burn.vout) return release
    }
    return undefined
  }

  *#queuedAt(height: number): Iterable<Release> {
    for (let id = this.#firstFrom(height); ; id++) {
      const release = findRelease(this.#view, id)
      if (release?.height !== height) return
      yield release
    }
  }

  /** The first release of a block at this height or later. */
  #firstFrom(height: number): number {
    let low = 0
    let high = getPegBooks(this.#view).nextReleaseId
    while (low < high) {
      const middle = (low + high) >>> 1
      const release = findRelease(this.#view, middle)
      if (release !== undefined && release.height < height) low = middle + 1
      else high = middle
    }
    return low
  }

  changedIn(block: Block): readonly ReleaseView[] {
    const { height } = block.extension
    const changed = new Map<number, Release>()
    for (const release of this.#queuedAt(height)) changed.set(release.id, release)
    const before = this.#open
    this.#open = this.#openIds()
    // Batches that opened or closed; one may do both between two calls, and is then paid at once.
    const batches = [...before, ...this.#open].filter((id) => before.has(id) !== this.#open.has(id))
    for (const id of batches) {
      for (const releaseId of findBatch(this.#view, id)?.releaseIds ?? []) {
        const release = findRelease(this.#view, releaseId)
        if (release !== undefined) changed.set(releaseId, release)
      }
    }
    const answer = this.#answer()
    return [...changed.values()].map((release) => this.#viewOf(release, answer))
  }

  // --- showing ------------------------------------------------------------------------------

  #answer(): Answer {
    const view = this.#view
    const batches = new Map<number, Batch | undefined>()
    let available: Available | undefined
    return {
      feeRate: lastFeeRate(this.#parts.node.chain),
      available() {
        available ??= availableReserves(view)
        return available
      },
      batchOf(id) {
        if (!batches.has(id)) batches.set(id, findBatch(view, id))
        return batches.get(id)
      },
    }
  }

  #viewOf(release: Release, answer: Answer): ReleaseView {
    const { stage } = release
    const { params } = this.#parts.node.chain
    const batch = stage.kind === 'queued' ? undefined : answer.batchOf(stage.batchId)
    const fee = stage.kind === 'queued' ? undefined : stage.fee
    const progress = batch === undefined ? undefined : this.#progressOf(batch)
    return {
      id: release.id,
      burnTxid: release.txid,
      burnVout: release.vout,
      height: release.height,
      valueSats: Number(release.value),
      l1Address: this.#parts.l1Address(release.l1Script),
      l1Script: bytesToHex(release.l1Script),
      status: stage.kind === 'batched' ? (progress?.status ?? 'batched') : stage.kind,
      reason: this.#reasonOf(release, progress?.status, answer),
      feeSats: fee === undefined ? null : Number(fee),
      netSats: fee === undefined ? null : Number(release.value - fee),
      l1Txid: batch === undefined ? null : transactionId(batch.transaction),
      confirmations: progress?.confirmations ?? 0,
      requiredConfirmations: params.peg.l1Depth + 1,
    }
  }

  #progressOf(batch: Batch): { status: BatchStatus; confirmations: number } {
    const { params } = this.#parts.node.chain
    if (batch.status === 'confirmed') {
      const buried = getPegBooks(this.#view).l1Height - batch.l1Height
      return { status: 'confirming', confirmations: params.peg.l1Depth + 1 + Math.max(0, buried) }
    }
    const progress = this.#parts.member?.batchProgress(batch)
    if (progress === undefined) return { status: 'batched', confirmations: 0 }
    if (progress.confirmations > 0) {
      return { status: 'confirming', confirmations: progress.confirmations }
    }
    if (progress.isBroadcast) return { status: 'broadcast', confirmations: 0 }
    return { status: progress.isSigned ? 'signed' : 'batched', confirmations: 0 }
  }

  #reasonOf(release: Release, status: BatchStatus | undefined, answer: Answer): string | null {
    if (release.stage.kind === 'queued') {
      const { total, inOneBatch } = answer.available()
      if (total < release.value) return 'waiting for reserves that are in other batches'
      if (inOneBatch < release.value) {
        return `waiting for larger reserve coins: one batch can spend ${BATCH_INPUTS_MAX} of them`
      }
      const fee = this.#feeAt(release.l1Script, answer.feeRate)
      if (release.value - fee < dustLimit(release.l1Script)) {
        return 'waiting for a lower L1 fee rate'
      }
      return 'waiting for the next batch'
    }
    if (status === 'batched') return 'waiting for the members to sign'
    return status === 'broadcast' ? 'waiting for an L1 block' : null
  }

  estimateFee(l1Script: Uint8Array): bigint {
    return this.#feeAt(l1Script, lastFeeRate(this.#parts.node.chain))
  }

  #feeAt(l1Script: Uint8Array, feeRate: number): bigint {
    const { params } = this.#parts.node.chain
    const epoch = activeKeyEpoch(this.#view)
    const script =
      epoch === undefined ? new Uint8Array(34) : depositScriptOf(params, epoch, CHANGE_RECIPIENT)
    const coin = { outPoint: { txid: toTxid('00'.repeat(32)), vout: 0 } }
    const payment = { value: sats(0), script: l1Script }
    const draft = buildBatchTransaction([coin], [payment], { value: sats(0), script })
    return feeAtRate(signedVsize(draft), feeRate)
  }
}

function availableReserves(view: StateView): Available {
  const free = [...reserveCoins(view)].filter((coin) => coin.batchId === undefined)
  let total = 0n
  let inOneBatch = 0n
  for (const [place, { value }] of free.toSorted(largestFirst).entries()) {
    total += value
    if (place < BATCH_INPUTS_MAX) inOneBatch += value
  }
  return { total, inOneBatch }
}

function largestFirst(a: ReserveCoin, b: ReserveCoin): number {
  if (a.value === b.value) return 0
  return a.value > b.value ? -1 : 1
}

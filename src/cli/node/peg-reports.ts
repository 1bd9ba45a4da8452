/** Deposits, releases and reserves as the API shows them: the state's word, and the member's news. */

import type { DepositReport } from '../../../federation/deposits/deposit-desk.ts'
import type { Member } from '../../../federation/member.ts'
import type { NodeFacade } from '../../api/ports.ts'
import type { DepositView, ReleaseView, ReservesView } from '../../api/schemas.ts'
import { type AddressNetwork, encodeAddress } from '../../bitcoin/address.ts'
import { isWithdrawTarget, withdrawScript } from '../../bitcoin/script.ts'
import { type OutPoint, transactionId } from '../../bitcoin/transaction.ts'
import type { Block } from '../../chain/block.ts'
import {
  buildBatchTransaction,
  dustLimit,
  feeAtRate,
  signedVsize,
} from '../../chain/peg/batch-transaction.ts'
import { type Batch, findBatch } from '../../chain/peg/batches.ts'
import { getPegBooks, isSolvent } from '../../chain/peg/books.ts'
import { CHANGE_RECIPIENT } from '../../chain/peg/deposit-address.ts'
import { activeKeyEpoch, depositScriptOf } from '../../chain/peg/key-epochs.ts'
import { findRelease, type Release } from '../../chain/peg/releases.ts'
import { type ReserveCoin, reserveCoins } from '../../chain/peg/reserves.ts'
import type { Node } from '../../node/node.ts'
import { bytesToHex, equalBytes } from '../../primitives/bytes.ts'
import { type Txid, toTxid } from '../../primitives/hashes.ts'
import { ok, reject } from '../../primitives/result.ts'
import { sats } from '../../primitives/units.ts'
import { lastFeeRate } from './node-facade.ts'

export interface ReportParts {
  readonly node: Node
  readonly member: Member | undefined
  readonly addressNetwork: AddressNetwork
  readonly l1AddressNetwork: AddressNetwork
}

type PegQueries = Pick<
  NodeFacade,
  | 'requestDepositAddress'
  | 'deposits'
  | 'claimDeposit'
  | 'withdrawQuote'
  | 'releases'
  | 'release'
  | 'reserves'
>

export interface PegReports extends PegQueries {
  /** Deposits that a block minted. */
  mintedIn(block: Block): readonly DepositView[]
  /** Releases that a block queued, batched or paid. */
  changedIn(block: Block): readonly ReleaseView[]
}

/** Bitcoin's average, for expected times; regtest has blocks when somebody mines. */
const L1_BLOCK_SECONDS = 600
/** Shown at once; older ones are found by id or address. */
const RECENT_BATCHES = 50

export function createPegReports(parts: ReportParts): PegReports {
  const { node, member, addressNetwork, l1AddressNetwork } = parts
  const { params } = node.chain
  const view = () => node.chain.state().view
  const l1Address = (script: Uint8Array): string =>
    encodeAddress(script, l1AddressNetwork) ?? bytesToHex(script)
  const address = (script: Uint8Array): string =>
    encodeAddress(script, addressNetwork) ?? bytesToHex(script)

  function mintTxidAt(height: number | undefined): Txid | null {
    const hash = height === undefined ? undefined : node.chain.database.blockHashAt(height)
    const block = hash === undefined ? undefined : node.chain.database.findBlock(hash)?.block
    const mint = block?.transactions[1]
    return mint === undefined ? null : transactionId(mint)
  }

  function depositView(report: DepositReport): DepositView {
    const { deposit } = report
    return {
      l1Txid: deposit.outPoint.txid,
      vout: deposit.outPoint.vout,
      valueSats: Number(deposit.value),
      recipient: address(deposit.recipient),
      depositAddress: l1Address(deposit.script),
      status: report.status,
      confirmations: report.confirmations,
      requiredConfirmations: report.requiredConfirmations,
      mintTxid: mintTxidAt(report.mintHeight),
      mintHeight: report.mintHeight ?? null,
    }
  }

  function releaseView(release: Release): ReleaseView {
    const { stage } = release
    const batch = stage.kind === 'queued' ? undefined : findBatch(view(), stage.batchId)
    const fee = stage.kind === 'queued' ? undefined : stage.fee
    const progress = batch === undefined ? undefined : progressOf(batch)
    return {
      id: release.id,
      burnTxid: release.txid,
      burnVout: release.vout,
      height: release.height,
      valueSats: Number(release.value),
      l1Address: l1Address(release.l1Script),
      l1Script: bytesToHex(release.l1Script),
      status: stage.kind === 'batched' ? (progress?.status ?? 'batched') : stage.kind,
      reason: reasonOf(release, progress?.status),
      feeSats: fee === undefined ? null : Number(fee),
      netSats: fee === undefined ? null : Number(release.value - fee),
      l1Txid: batch === undefined ? null : transactionId(batch.transaction),
      confirmations: progress?.confirmations ?? 0,
      requiredConfirmations: params.peg.l1Depth + 1,
    }
  }

  type BatchStatus = Exclude<ReleaseView['status'], 'queued' | 'paid'>

  function progressOf(batch: Batch): { status: BatchStatus; confirmations: number } {
    if (batch.status === 'confirmed') {
      return { status: 'confirming', confirmations: params.peg.l1Depth + 1 }
    }
    const progress = member?.batchProgress(batch)
    if (progress === undefined) return { status: 'batched', confirmations: 0 }
    if (progress.confirmations > 0) {
      return { status: 'confirming', confirmations: progress.confirmations }
    }
    if (progress.isBroadcast) return { status: 'broadcast', confirmations: 0 }
    return { status: progress.isSigned ? 'signed' : 'batched', confirmations: 0 }
  }

  function reasonOf(release: Release, status: BatchStatus | undefined): string | null {
    if (release.stage.kind === 'queued') {
      const free = [...reserveCoins(view())].filter((coin) => coin.batchId === undefined)
      const available = free.reduce((sum, coin) => sum + coin.value, 0n)
      if (available < release.value) return 'waiting for reserves that are in other batches'
      if (release.value - estimateFee(release.l1Script) < dustLimit(release.l1Script)) {
        return 'waiting for a lower L1 fee rate'
      }
      return 'waiting for the next batch'
    }
    if (status === 'batched') return 'waiting for the members to sign'
    return status === 'broadcast' ? 'waiting for an L1 block' : null
  }

  /** Fee of a batch with this release alone: the most that it pays at the present rate. */
  function estimateFee(l1Script: Uint8Array): bigint {
    const epoch = activeKeyEpoch(view())
    const script =
      epoch === undefined ? new Uint8Array(34) : depositScriptOf(params, epoch, CHANGE_RECIPIENT)
    const coin: Pick<ReserveCoin, 'outPoint'> = {
      outPoint: { txid: toTxid('00'.repeat(32)), vout: 0 },
    }
    const payment = { value: sats(0), script: l1Script }
    const draft = buildBatchTransaction([coin], [payment], { value: sats(0), script })
    return feeAtRate(signedVsize(draft), lastFeeRate(node))
  }

  function* newestReleases(): Iterable<Release> {
    for (let id = getPegBooks(view()).nextReleaseId - 1; id >= 0; id--) {
      const release = findRelease(view(), id)
      if (release !== undefined) yield release
    }
  }

  return {
    async requestDepositAddress(recipient) {
      if (member === undefined) return reject('not-a-member', 'premature', 'ask a validator')
      const requested = await member.desk.request(recipient)
      if (!requested.ok) return requested
      const epoch = activeKeyEpoch(view())
      const depositAddress = l1Address(requested.value.script)
      return ok({
        address: depositAddress,
        recipient: address(recipient),
        keyEpoch: requested.value.keyEpoch,
        groupKey: epoch === undefined ? '' : bytesToHex(epoch.groupKey),
        minDepositSats: Number(params.peg.minDepositSats),
        l1Depth: params.peg.l1Depth,
        uri: `bitcoin:${depositAddress}`,
      })
    },
    async deposits({ recipientScript, limit }) {
      return member?.desk.reports(recipientScript, limit).map(depositView) ?? []
    },
    async claimDeposit(outPoint, recipient) {
      if (member === undefined) return reject('not-a-member', 'premature', 'ask a validator')
      return member.desk.claim(outPoint, recipient)
    },
    async withdrawQuote(l1Script) {
      if (!isWithdrawTarget(l1Script)) {
        return reject('bad-l1-address', 'invalid', 'not a form that a release can pay')
      }
      return ok({
        withdrawAddress: address(withdrawScript(l1Script)),
        l1Address: l1Address(l1Script),
        minReleaseSats: Number(params.peg.minReleaseSats),
        estimatedFeeSats: Number(estimateFee(l1Script)),
        estimatedSeconds:
          Math.ceil(params.peg.batchIntervalMs / 1000) + params.peg.l1Depth * L1_BLOCK_SECONDS,
      })
    },
    async releases({ l1Script, limit }) {
      const found: ReleaseView[] = []
      for (const release of newestReleases()) {
        if (l1Script !== undefined && !equalBytes(release.l1Script, l1Script)) continue
        found.push(releaseView(release))
        if (found.length >= limit) break
      }
      return found
    },
    async release(id) {
      const release = typeof id === 'number' ? findRelease(view(), id) : findByBurn(id)
      return release === undefined ? undefined : releaseView(release)
    },
    async reserves() {
      return reservesView(node, member)
    },
    mintedIn: (block) => {
      const minted = new Set(
        block.l1Section.deposits.length === 0
          ? []
          : (block.transactions[1]?.inputs ?? []).map((input) => input.prevout.txid),
      )
      return (member?.desk.reports(undefined, Number.MAX_SAFE_INTEGER) ?? [])
        .filter((report) => minted.has(report.deposit.outPoint.txid))
        .map(depositView)
    },
    changedIn: (block) =>
      [...newestReleases()]
        .slice(0, RECENT_BATCHES)
        .filter((release) => touches(release, block))
        .map(releaseView),
  }

  function findByBurn(burn: OutPoint): Release | undefined {
    for (const release of newestReleases()) {
      if (release.txid === burn.txid && release.vout === burn.vout) return release
    }
    return undefined
  }

  function touches(release: Release, block: Block): boolean {
    const { height } = block.extension
    if (release.height === height) return true
    if (release.stage.kind === 'queued') return false
    const batch = findBatch(view(), release.stage.batchId)
    return batch?.height === height || block.l1Section.confirmations.length > 0
  }
}

function reservesView(node: Node, member: Member | undefined): ReservesView {
  const { view } = node.chain.state()
  const books = getPegBooks(view)
  const batches: Batch[] = []
  for (let id = books.nextBatchId - 1; id >= 0 && batches.length < RECENT_BATCHES; id--) {
    const batch = findBatch(view, id)
    if (batch !== undefined) batches.push(batch)
  }
  const { totals } = books
  return {
    equation: {
      supply: Number(totals.supply),
      pendingReleases: Number(totals.pendingReleases),
      feeReserve: Number(totals.feeReserve),
      inFlightFees: Number(totals.inFlightFees),
      reserves: Number(totals.reserves),
      holds: isSolvent(totals),
    },
    coins: [...reserveCoins(view)].map((coin) => ({
      txid: coin.outPoint.txid,
      vout: coin.outPoint.vout,
      valueSats: Number(coin.value),
      keyEpoch: coin.keyEpoch,
      l1Height: coin.l1Height,
      inBatch: coin.batchId ?? null,
    })),
    batches: batches.map((batch) => ({
      id: batch.id,
      txid: transactionId(batch.transaction),
      status: batch.status,
      releases: [...batch.releaseIds],
      feeSats: Number(batch.fee),
      signed: batch.status === 'confirmed' || member?.batchProgress(batch).isSigned === true,
    })),
  }
}

/** Everything about the peg that the API asks for: deposits, releases, reserves, quotes. */

import type { Member } from '../../../federation/member.ts'
import type { NodeFacade } from '../../api/ports.ts'
import type { ReservesView } from '../../api/schemas.ts'
import { type AddressNetwork, encodeAddress } from '../../bitcoin/address.ts'
import { isWithdrawTarget, withdrawScript } from '../../bitcoin/script.ts'
import { transactionId } from '../../bitcoin/transaction.ts'
import { type Batch, findBatch, openBatches, settledVersion } from '../../chain/peg/batches.ts'
import { getPegBooks, isSolvent } from '../../chain/peg/books.ts'
import { findKeyEpoch } from '../../chain/peg/key-epochs.ts'
import { reserveCoins } from '../../chain/peg/reserves.ts'
import type { Node } from '../../node/node.ts'
import { bytesToHex } from '../../primitives/bytes.ts'
import { ok, reject } from '../../primitives/result.ts'
import { createDepositReports, type DepositReports } from './deposit-reports.ts'
import { createReleaseReports, type ReleaseReports } from './release-reports.ts'

export interface ReportParts {
  readonly node: Pick<Node, 'chain'>
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
  readonly mintedIn: DepositReports['mintedIn']
  readonly changedIn: ReleaseReports['changedIn']
}

/** Bitcoin's average, for expected times; regtest has blocks when somebody mines. */
const L1_BLOCK_SECONDS = 600
/** Shown at once; older ones are in the chain. Open batches are always shown. */
const RECENT_BATCHES = 50

export function createPegReports(parts: ReportParts): PegReports {
  const { node, member, addressNetwork, l1AddressNetwork } = parts
  const { params } = node.chain
  const view = () => node.chain.state().view
  const l1Address = (script: Uint8Array): string =>
    encodeAddress(script, l1AddressNetwork) ?? bytesToHex(script)
  const address = (script: Uint8Array): string =>
    encodeAddress(script, addressNetwork) ?? bytesToHex(script)
  const deposits = createDepositReports({ node, member, address, l1Address })
  const releases = createReleaseReports({ node, member, l1Address })

  return {
    async requestDepositAddress(recipient) {
      if (member === undefined) return reject('not-a-member', 'premature', 'ask a validator')
      const requested = await member.desk.request(recipient)
      if (!requested.ok) return requested
      const { keyEpoch, script } = requested.value
      const epoch = findKeyEpoch(view(), keyEpoch)
      const depositAddress = l1Address(script)
      return ok({
        address: depositAddress,
        recipient: address(recipient),
        keyEpoch,
        groupKey: epoch === undefined ? '' : bytesToHex(epoch.groupKey),
        minDepositSats: Number(params.peg.minDepositSats),
        l1Depth: params.peg.l1Depth,
        uri: `bitcoin:${depositAddress}`,
      })
    },
    deposits: ({ recipientScript, limit }) => deposits.deposits(recipientScript, limit),
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
        estimatedFeeSats: Number(releases.quoteFee(l1Script)),
        estimatedSeconds:
          Math.ceil(params.peg.batchIntervalMs / 1000) +
          (params.peg.l1Depth + 1) * L1_BLOCK_SECONDS,
      })
    },
    releases: async ({ l1Script, limit }) => releases.releases(l1Script, limit),
    release: async (id) => releases.release(id),
    reserves: async () => reservesView(node, member),
    mintedIn: (block) => deposits.mintedIn(block),
    changedIn: (block) => releases.changedIn(block),
  }
}

function reservesView(node: Pick<Node, 'chain'>, member: Member | undefined): ReservesView {
  const { view } = node.chain.state()
  const books = getPegBooks(view)
  const shown = new Map([...openBatches(view)].map((batch) => [batch.id, batch]))
  for (let id = books.nextBatchId - 1; id >= 0 && shown.size < RECENT_BATCHES; id--) {
    const batch = shown.get(id) ?? findBatch(view, id)
    if (batch !== undefined) shown.set(id, batch)
  }
  const batches: readonly Batch[] = [...shown.values()].toSorted((a, b) => b.id - a.id)
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
      kind: batch.kind,
      txid: transactionId(settledVersion(batch).transaction),
      versions: batch.versions.map(({ transaction, fee, feeRate }) => ({
        txid: transactionId(transaction),
        feeSats: Number(fee),
        feeRateSatsPerKvb: feeRate,
      })),
      status: batch.status.kind,
      keyEpoch: batch.keyEpoch,
      releases: [...batch.releaseIds],
      feeSats: Number(settledVersion(batch).fee),
      signed: batch.status.kind === 'confirmed' || member?.batchProgress(batch).isSigned === true,
    })),
  }
}

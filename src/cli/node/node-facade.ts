/**
 * The node and the member beside it, as the HTTP API asks for them: status and submission here,
 * deposits and releases in `peg-reports.ts`.
 */

import type { Member } from '../../../federation/member.ts'
import type { Genesis } from '../../../genesis/network.ts'
import type { ChainQueries, NodeFacade, NodeFacadeEvent } from '../../api/ports.ts'
import type { FederationView, StatusView } from '../../api/schemas.ts'
import { type AddressNetwork, L1_ADDRESS_NETWORKS } from '../../bitcoin/address.ts'
import { getPegBooks, isSolvent } from '../../chain/peg/books.ts'
import { activeKeyEpoch, findKeyEpoch } from '../../chain/peg/key-epochs.ts'
import { lastFeeRate } from '../../node/last-fee-rate.ts'
import type { Node } from '../../node/node.ts'
import { tipExtension } from '../../node/tip-extension.ts'
import { present } from '../../primitives/assert.ts'
import { bytesToHex } from '../../primitives/bytes.ts'
import { createChainProofs } from './chain-proofs.ts'
import { createEvidenceReports } from './evidence-reports.ts'
import { createMempoolView } from './mempool-view.ts'
import { createPegReports } from './peg-reports.ts'

const NO_L1 =
  'this validator has no [l1] in config.toml: it cannot judge what others say about L1, and waits'

export interface FacadeParts {
  readonly node: Node
  readonly member: Member | undefined
  readonly genesis: Genesis
  readonly selfIndex: number | undefined
  readonly version: string
}

export function createNodeFacade(parts: FacadeParts): NodeFacade {
  const { node, member } = parts
  const { params } = node.chain
  const addressNetwork: AddressNetwork = {
    ...L1_ADDRESS_NETWORKS.regtest,
    bech32: params.addressPrefix,
  }
  const l1AddressNetwork = L1_ADDRESS_NETWORKS[params.l1Network]
  const reports = createPegReports({ node, member, addressNetwork, l1AddressNetwork })
  const evidence = createEvidenceReports(node)

  return {
    addressNetwork,
    l1AddressNetwork,
    mempool: createMempoolView(node),
    submitTransaction: async (transaction) => node.submit(transaction),
    submitPackage: async (transactions, options) => node.submitPackage(transactions, options),
    testTransactions: async (transactions, options) => node.dryRun(transactions, options),
    status: () => statusOf(parts),
    federation: () => federationOf(parts),
    genesis: () => parts.genesis,
    health: () => healthOf(parts),
    onEvent: (handler) => forwardEvents(node, { reports, evidence }, handler),
    ...createChainProofs(node.chain),
    evidence: (filter) => evidence.evidence(filter),
    ...reports,
  }
}

/** The chain database with the names that the API uses. */
export function createChainQueries(node: Node): ChainQueries {
  const { database } = node.chain
  return {
    tip: () => present(database.tip(), 'tip'),
    blockHashAt: (height) => database.blockHashAt(height),
    blockTimeAt: (height) => database.findBlockInfo(height)?.time,
    findBlock: (hash) => database.findBlock(hash),
    findTransaction: (txid) => database.findTransaction(txid),
    findOutput: (outPoint) => database.findOutput(outPoint),
    findSpend: (outPoint) => database.findSpend(outPoint),
    history: (scriptHash, { after, limit }) =>
      database.history(scriptHash, after === undefined ? { limit } : { after: after.txid, limit }),
    unspent: async (scriptHash, limit) =>
      (await database.unspent(scriptHash, limit)).map(({ outPoint, value, height }) => ({
        outPoint,
        coin: { value, height },
      })),
    stats: async (scriptHash) => database.stats(scriptHash),
    depositPrevout: (outPoint) => database.depositPrevout(outPoint),
  }
}

function statusOf(parts: FacadeParts): StatusView {
  const { node, selfIndex } = parts
  const { params } = node.chain
  // The last block on disk: whoever asks can fetch it, and no crash takes it back.
  const { database } = node.chain
  const tip = present(database.tip(), 'tip')
  const { timeMs } = present(tipExtension(database), 'block of the tip')
  const { count, vsize } = node.mempool.stats(timeMs)
  const linked = new Set(node.links.connected())
  return {
    version: parts.version,
    network: params.name,
    chainId: params.chainId,
    addressPrefix: params.addressPrefix,
    height: tip.height,
    blockHash: tip.hash,
    blockTimeMs: timeMs,
    synced: node.isSynced(),
    halted: node.haltReason() ?? null,
    peers: node.network.peers().length,
    agreement: agreementOf(node),
    validator: { index: selfIndex ?? null },
    validators: params.validators.map((publicKey, index) => ({
      index,
      publicKey,
      connected: linked.has(index) || index === selfIndex,
      self: index === selfIndex,
      offences: node.chain.offencesOf(index),
    })),
    mempool: { count, bytes: vsize },
    l1: l1StatusOf(parts),
    peg: pegStatusOf(parts),
  }
}

function agreementOf(node: Node): StatusView['agreement'] {
  const { height, view } = node.place()
  return { height, view }
}

function l1StatusOf({ node, member, selfIndex }: FacadeParts): StatusView['l1'] {
  const { params } = node.chain
  const base = {
    network: params.l1Network,
    chainHeight: getPegBooks(node.chain.state().view).l1Height,
    height: null,
  }
  const health = member?.l1Health()
  if (health === undefined) {
    return { ...base, state: 'none', message: selfIndex === undefined ? null : NO_L1 }
  }
  if (health.state === 'ok') return { ...base, state: 'ok', height: health.height, message: null }
  // The contract has no word for a node on another branch; the message and the peg's state say it.
  const state = health.state === 'forked' ? 'wrong-network' : health.state
  return { ...base, state, message: health.message }
}

/** Frozen: this member signs nothing and agrees to no mint, since its L1 contradicts the chain's. */
function pegStateOf({ node, member }: FacadeParts): StatusView['peg']['state'] {
  if (activeKeyEpoch(node.chain.state().view) === undefined) return 'closed'
  return member?.l1Health().state === 'forked' ? 'frozen' : 'open'
}

function pegStatusOf(parts: FacadeParts): StatusView['peg'] {
  const { node } = parts
  const { params } = node.chain
  const { view } = node.chain.state()
  const { totals } = getPegBooks(view)
  const epoch = activeKeyEpoch(view)
  return {
    state: pegStateOf(parts),
    keyEpoch: epoch?.epoch ?? null,
    groupKey: epoch === undefined ? null : bytesToHex(epoch.groupKey),
    supply: Number(totals.supply),
    pendingReleases: Number(totals.pendingReleases),
    feeReserve: Number(totals.feeReserve),
    inFlightFees: Number(totals.inFlightFees),
    reserves: Number(totals.reserves),
    solvent: isSolvent(totals),
    minDepositSats: Number(params.peg.minDepositSats),
    minReleaseSats: Number(params.peg.minReleaseSats),
    l1Depth: params.peg.l1Depth,
    feeRateSatsPerKvb: lastFeeRate(node.chain),
  }
}

function federationOf({ node, selfIndex }: FacadeParts): FederationView {
  const { params } = node.chain
  const { view } = node.chain.state()
  const linked = new Set(node.links.connected())
  const { keyEpochCount } = getPegBooks(view)
  return {
    threshold: params.signingThreshold,
    members: params.validators.map((publicKey, index) => ({
      index,
      publicKey,
      online: linked.has(index) || index === selfIndex,
      self: index === selfIndex,
    })),
    keyEpochs: Array.from({ length: keyEpochCount }, (_, epoch) => {
      const announcement = present(findKeyEpoch(view, epoch), 'key epoch')
      return {
        epoch,
        groupKey: bytesToHex(announcement.groupKey),
        threshold: announcement.threshold,
        state: epoch === keyEpochCount - 1 ? 'active' : 'retired',
        activatedHeight: announcement.height,
      }
    }),
  }
}

function healthOf({ node, member, selfIndex }: FacadeParts): {
  ok: boolean
  reasons: readonly string[]
} {
  const reasons: string[] = []
  const halted = node.haltReason()
  if (halted !== undefined) reasons.push(`halted: ${halted}`)
  if (!node.isSynced()) reasons.push('catching up')
  if (member === undefined && selfIndex !== undefined) reasons.push(`L1: ${NO_L1}`)
  const health = member?.l1Health()
  if (health !== undefined && health.state !== 'ok') reasons.push(`L1: ${health.message}`)
  reasons.push(...(member?.problems() ?? []))
  return { ok: reasons.length === 0, reasons }
}

function forwardEvents(
  node: Node,
  views: {
    readonly reports: ReturnType<typeof createPegReports>
    readonly evidence: ReturnType<typeof createEvidenceReports>
  },
  handler: (event: NodeFacadeEvent) => void,
): () => void {
  return node.events.subscribe((event) => {
    if (event.kind === 'evidence') {
      const evidence = views.evidence.viewOf(event.evidence, event.carriedBy)
      handler({ kind: 'evidence', evidence })
    }
    if (event.kind !== 'block') return
    const { reports } = views
    const { height, hash, block } = event
    handler({ kind: 'block', height, hash, txCount: block.transactions.length })
    for (const deposit of reports.mintedIn(block)) handler({ kind: 'deposit', deposit })
    for (const release of reports.changedIn(block)) handler({ kind: 'release', release })
  })
}

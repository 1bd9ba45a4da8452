/**
 * The node and the member beside it, as the HTTP API asks for them: status and submission here,
 * deposits and releases in `peg-reports.ts`.
 */

import type { Member } from '../../../federation/member.ts'
import type { MembershipPool } from '../../../federation/membership-pool.ts'
import type { Genesis } from '../../../genesis/network.ts'
import type { ChainQueries, NodeFacade, NodeFacadeEvent } from '../../api/ports.ts'
import type { StatusView } from '../../api/schemas.ts'
import { type AddressNetwork, L1_ADDRESS_NETWORKS } from '../../bitcoin/address.ts'
import { getPegBooks, isSolvent } from '../../chain/peg/books.ts'
import { isFrozen } from '../../chain/peg/freeze.ts'
import { activeKeyEpoch } from '../../chain/peg/key-epochs.ts'
import { currentValidators } from '../../chain/validators.ts'
import { lastFeeRate } from '../../node/last-fee-rate.ts'
import type { Node } from '../../node/node.ts'
import { tipExtension } from '../../node/tip-extension.ts'
import { present } from '../../primitives/assert.ts'
import { bytesToHex } from '../../primitives/bytes.ts'
import type { XOnlyKey } from '../../primitives/hashes.ts'
import { createChainProofs } from './chain-proofs.ts'
import { createEvidenceReports } from './evidence-reports.ts'
import { createFederationReports } from './federation-reports.ts'
import { createLimitReports } from './limit-reports.ts'
import { createMempoolView } from './mempool-view.ts'
import { createPegNewsReports } from './peg-news.ts'
import { createPegReports } from './peg-reports.ts'
import { createRecoveryWatch, type RecoveryWatch } from './recovery-watch.ts'

const NO_L1 =
  'this validator has no [l1] in config.toml: it cannot judge what others say about L1, and waits'

export interface FacadeParts {
  readonly node: Node
  readonly member: Member | undefined
  readonly genesis: Genesis
  readonly membership: MembershipPool
  /** This node's validator key, whether or not it is in a set. */
  readonly publicKey: XOnlyKey | undefined
  readonly version: string
  readonly networkActivity: NodeFacade['networkActivity']
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
  const recovery = createRecoveryWatch(node.chain)

  return {
    addressNetwork,
    l1AddressNetwork,
    mempool: createMempoolView(node),
    submitTransaction: async (transaction) => node.submit(transaction),
    submitPackage: async (transactions, options) => node.submitPackage(transactions, options),
    testTransactions: async (transactions, options) => node.dryRun(transactions, options),
    status: () => statusOf(parts, recovery),
    networkActivity: parts.networkActivity,
    genesis: () => parts.genesis,
    health: () => healthOf(parts, recovery),
    onEvent: (handler) => forwardEvents(node, { reports, evidence }, handler),
    ...createChainProofs(node.chain),
    ...createFederationReports(parts),
    evidence: (filter) => evidence.evidence(filter),
    ...reports,
    ...createLimitReports(node),
  }
}

/** The chain database with the names that the API uses. */
export function createChainQueries(node: Node): ChainQueries {
  const { database } = node.chain
  return {
    tip: () => present(database.tip(), 'tip'),
    blockHashAt: (height) => database.blockHashAt(height),
    blockTimeAt: (height) => database.findBlockInfo(height)?.time,
    handovers: () => database.handovers.all(),
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

function statusOf(parts: FacadeParts, recovery: RecoveryWatch): StatusView {
  const { node, publicKey: own } = parts
  const { params } = node.chain
  // The last block on disk: whoever asks can fetch it, and no crash takes it back.
  const { database } = node.chain
  const tip = present(database.tip(), 'tip')
  const { timeMs } = present(tipExtension(database), 'block of the tip')
  const { count, vsize } = node.mempool.stats(timeMs)
  const linked = new Set(node.links.connected())
  const { keys } = currentValidators(node.chain.state().view)
  const selfIndex = own === undefined ? -1 : keys.indexOf(own)
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
    validator: { index: selfIndex === -1 ? null : selfIndex },
    validators: keys.map((publicKey, index) => ({
      index,
      publicKey,
      connected: linked.has(index) || index === selfIndex,
      self: index === selfIndex,
      offences: node.chain.offencesOf(publicKey),
    })),
    memberFaults: parts.member?.faults() ?? [],
    mempool: { count, bytes: vsize },
    l1: l1StatusOf(parts),
    peg: { ...pegStatusOf(parts), recovery: recovery.countdown(l1HeightOf(parts)) ?? null },
  }
}

function agreementOf(node: Node): StatusView['agreement'] {
  const { height, view } = node.place()
  return { height, view }
}

function l1StatusOf({ node, member, publicKey }: FacadeParts): StatusView['l1'] {
  const { params } = node.chain
  const base = {
    network: params.l1Network,
    chainHeight: getPegBooks(node.chain.state().view).l1Height,
    height: null,
  }
  const health = member?.l1Health()
  if (health === undefined) {
    return { ...base, state: 'none', message: publicKey === undefined ? null : NO_L1 }
  }
  if (health.state === 'ok') return { ...base, state: 'ok', height: health.height, message: null }
  return { ...base, state: health.state, message: health.message }
}

/**
 * Frozen: by a quorum of validators; or here alone, since this node's L1 contradicts the chain's, so that
 * its member signs nothing and agrees to no mint.
 */
function pegStateOf({ node, member }: FacadeParts): StatusView['peg']['state'] {
  const { view } = node.chain.state()
  if (activeKeyEpoch(view) === undefined) return 'closed'
  if (isFrozen(view)) return 'frozen'
  return member?.l1Health().state === 'forked' ? 'frozen' : 'open'
}

/** The highest L1 block known here. */
function l1HeightOf({ node, member }: FacadeParts): number {
  const health = member?.l1Health()
  const { l1Height } = getPegBooks(node.chain.state().view)
  return health?.state === 'ok' ? Math.max(health.height, l1Height) : l1Height
}

function pegStatusOf(parts: FacadeParts): Omit<StatusView['peg'], 'recovery'> {
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

function healthOf(
  parts: FacadeParts,
  recovery: RecoveryWatch,
): {
  ok: boolean
  reasons: readonly string[]
} {
  const { node, member, publicKey } = parts
  const reasons: string[] = []
  const halted = node.haltReason()
  if (halted !== undefined) reasons.push(`halted: ${halted}`)
  if (!node.isSynced()) reasons.push('catching up')
  if (member === undefined && publicKey !== undefined) reasons.push(`L1: ${NO_L1}`)
  const health = member?.l1Health()
  if (health !== undefined && health.state !== 'ok') reasons.push(`L1: ${health.message}`)
  reasons.push(...(member?.problems() ?? []))
  const warning = recovery.warning(l1HeightOf(parts))
  if (warning !== undefined) reasons.push(warning)
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
  const pegNews = createPegNewsReports(node.chain)
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
    for (const news of pegNews.newsAt(height)) handler(news)
  })
}

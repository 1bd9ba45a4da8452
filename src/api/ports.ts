/**
 * What the API asks of the node: queries on final blocks, the pool of waiting transactions, and the
 * node's own doings. The assembly implements them; tests have an implementation in memory.
 */

import type { AddressNetwork } from '../bitcoin/address.ts'
import type { OutPoint, Transaction, TxOutput } from '../bitcoin/transaction.ts'
import type { Block } from '../chain/block.ts'
import type { Coin } from '../chain/coin.ts'
import type { Offence } from '../chain/evidence.ts'
import type { MemberChange } from '../chain/member-change.ts'
import type { FreezeVote } from '../chain/peg/freeze-vote.ts'
import type { PackageOutcome } from '../mempool/package-admission.ts'
import type { BlockHash, Hash32, Txid } from '../primitives/hashes.ts'
import type { Rejection, Result } from '../primitives/result.ts'
import type { Sats } from '../primitives/units.ts'
import type { FreezeEventView, KeyEpochEventView, PegView } from './peg-schemas.ts'
import type {
  BlockEventView,
  DepositAddressView,
  DepositView,
  EvidenceView,
  FederationView,
  ReleaseView,
  ReservesView,
  StatusView,
  WithdrawAddressView,
} from './schemas.ts'

export interface StoredBlock {
  readonly height: number
  readonly hash: BlockHash
  readonly block: Block
  /** Encoded; empty for block 0. */
  readonly certificate: Uint8Array
  /** Of the block as Bitcoin tools parse it. */
  readonly sizeBytes: number
  readonly weight: number
  /** Seconds: median of this block's time and the ten before. */
  readonly medianTime: number
}

export interface ConfirmedTransaction {
  readonly transaction: Transaction
  readonly blockHash: BlockHash
  readonly height: number
  /** In its block; the coinbase is 0. */
  readonly position: number
  /** Of its block's header, seconds. */
  readonly time: number
}

export interface HistoryEntry {
  readonly txid: Txid
  readonly height: number
  readonly position: number
}

/** Totals over everything that ever happened to a script. */
export interface ScriptStats {
  readonly txCount: number
  readonly fundedCount: number
  readonly fundedSum: bigint
  readonly spentCount: number
  readonly spentSum: bigint
}

export interface UnspentCoin {
  readonly outPoint: OutPoint
  readonly coin: Pick<Coin, 'value' | 'height'>
}

/** What a light client verifies, with the block it is about. */
export interface ProofOfBlock {
  readonly height: number
  readonly blockHash: BlockHash
  readonly proof: Uint8Array
}

/** A proof of reserves (`chain/reserves-proof.ts`); each piece is made when it is taken. */
export interface ReservesProofPieces {
  readonly height: number
  readonly blockHash: BlockHash
  readonly pieces: Iterable<Uint8Array>
}

/** Final blocks and their indexes. Script hashes are SHA-256 of the script in natural order. */
export interface ChainQueries {
  tip(): { readonly height: number; readonly hash: BlockHash }
  blockHashAt(height: number): BlockHash | undefined
  /** Header time in seconds, without reading the block. */
  blockTimeAt(height: number): number | undefined
  /** Every handover from one validator set to the next, encoded, oldest first. */
  handovers(): readonly Uint8Array[]
  findBlock(hash: BlockHash): StoredBlock | undefined
  findTransaction(txid: Txid): ConfirmedTransaction | undefined
  /** Also when its transaction is not here, because the chain began with a snapshot that had it. */
  findOutput(outPoint: OutPoint): TxOutput | undefined
  findSpend(
    outPoint: OutPoint,
  ): { readonly txid: Txid; readonly vin: number; readonly height: number } | undefined
  /** Newest first; with `after`, what is older than that entry. */
  history(
    scriptHash: Hash32,
    options: { readonly after?: HistoryEntry; readonly limit: number },
  ): Promise<readonly HistoryEntry[]>
  unspent(scriptHash: Hash32, limit: number): Promise<readonly UnspentCoin[]>
  stats(scriptHash: Hash32): Promise<ScriptStats>
  /** The L1 output that an input of a mint transaction names. */
  depositPrevout(outPoint: OutPoint): TxOutput | undefined
}

export interface MempoolItem {
  readonly transaction: Transaction
  readonly fee: Sats
  /** Virtual bytes. */
  readonly vsize: number
  /** When it came, seconds since 1970. */
  readonly timeS: number
}

export interface MempoolView {
  find(txid: Txid): Transaction | undefined
  all(): readonly MempoolItem[]
  /** Transactions that fund or spend a script. */
  byScript(scriptHash: Hash32): readonly Transaction[]
  spender(outPoint: OutPoint): { readonly txid: Txid; readonly vin: number } | undefined
}

export type NodeFacadeEvent =
  | ({ readonly kind: 'block' } & BlockEventView)
  | { readonly kind: 'deposit'; readonly deposit: DepositView }
  | { readonly kind: 'release'; readonly release: ReleaseView }
  | { readonly kind: 'evidence'; readonly evidence: EvidenceView }
  | { readonly kind: 'freeze'; readonly freeze: FreezeEventView }
  | { readonly kind: 'key-epoch'; readonly keyEpoch: KeyEpochEventView }

/** What the network layer has done and turned away since the node started. */
export interface NetworkActivity {
  readonly trustedPeers: number
  readonly observers: number
  /** By name, in camel case: they only grow. */
  readonly totals: Readonly<Record<string, number>>
}

export interface NodeFacade {
  readonly addressNetwork: AddressNetwork
  readonly l1AddressNetwork: AddressNetwork
  readonly mempool: MempoolView
  submitTransaction(transaction: Transaction): Promise<Result<Txid, Rejection>>
  /** A child with its parents; fails when the transactions are no such package. */
  submitPackage(
    transactions: readonly Transaction[],
    options: { readonly maxFeeSatsPerKvb?: number },
  ): Promise<Result<PackageOutcome, Rejection>>
  /** What would be said to them, changing nothing. */
  testTransactions(
    transactions: readonly Transaction[],
    options: { readonly maxFeeSatsPerKvb?: number },
  ): Promise<PackageOutcome>
  status(): StatusView
  networkActivity(): NetworkActivity
  /** Codes not-synced and peg-closed when this node cannot know the right address. */
  requestDepositAddress(recipientScript: Uint8Array): Promise<Result<DepositAddressView, Rejection>>
  /** Newest first. */
  deposits(filter: {
    readonly recipientScript?: Uint8Array
    readonly limit: number
  }): Promise<readonly DepositView[]>
  /** Accepted means: somebody will look for it. */
  claimDeposit(outPoint: OutPoint, recipientScript: Uint8Array): Promise<Result<void, Rejection>>
  withdrawQuote(l1Script: Uint8Array): Promise<Result<WithdrawAddressView, Rejection>>
  /** Newest first. */
  releases(filter: {
    readonly l1Script?: Uint8Array
    readonly limit: number
  }): Promise<readonly ReleaseView[]>
  /** By number in the queue, or by the burn output. */
  release(id: number | OutPoint): Promise<ReleaseView | undefined>
  /** Coins in the order of their outpoints, those behind `after`. */
  reserves(page: { readonly after?: OutPoint; readonly limit: number }): Promise<ReservesView>
  /** The limits on releases, and what they hold back. */
  peg(): Promise<PegView>
  /** Accepted means: on disk here, and on its way to the others. */
  submitFreezeVote(vote: FreezeVote): Promise<Result<void, Rejection>>
  federation(): FederationView
  /** A change of members with its approvals; accepted means: this node keeps and spreads it. */
  submitMemberChange(change: MemberChange): Promise<Result<void, Rejection>>
  /** Newest first; with `before`, what is older than that. */
  evidence(filter: {
    readonly before?: Offence
    readonly limit: number
  }): Promise<readonly EvidenceView[]>
  /** The genesis file as JSON data. */
  genesis(): unknown
  /** Of the peg's books after the last block. */
  supplyProof(): Promise<Result<ProofOfBlock, Rejection>>
  /** Of the coins of the reserves after the last block; its pieces make the file. */
  reservesProof(): Promise<Result<ReservesProofPieces, Rejection>>
  /** Of a coin's presence or absence after the last block. */
  coinProof(outPoint: OutPoint): Promise<Result<ProofOfBlock, Rejection>>
  health(): { readonly ok: boolean; readonly reasons: readonly string[] }
  /** Returns the function that ends the subscription. */
  onEvent(handler: (event: NodeFacadeEvent) => void): () => void
}

/**
 * The port to Bitcoin, L1. Two implementations: a bitcoind over JSON-RPC (`bitcoind.ts`) and an
 * embedded regtest chain in process (`regtest.ts`). Neither needs a wallet, a transaction index or
 * an unpruned node.
 *
 * What it answers is one node's opinion at one moment: two calls may straddle a reorganisation.
 * Every method rejects with L1UnavailableError when the node cannot be asked, L1ProtocolError when
 * it answers nonsense, L1RpcError when it refuses. Left out: signet's block signatures; a custom
 * signet has the genesis of the public one.
 */

import type { OutPoint, Transaction } from '../../src/bitcoin/transaction.ts'
import type { L1Network } from '../../src/chain/params.ts'
import { type BlockHash, type Txid, toBlockHash } from '../../src/primitives/hashes.ts'
import type { Sats } from '../../src/primitives/units.ts'

export interface L1BlockSummary {
  readonly hash: BlockHash
  readonly height: number
  /** 80 bytes, and `hash` is theirs. */
  readonly header: Uint8Array
}

export interface L1Block extends L1BlockSummary {
  /** Coinbase first; the header's Merkle root is theirs. */
  readonly transactions: readonly Transaction[]
}

export interface L1HeaderStatus {
  /** 80 bytes */
  readonly header: Uint8Array
  readonly height: number
  readonly inBestChain: boolean
  /** 1 = the tip itself; 0 outside the best chain. */
  readonly confirmations: number
}

export interface L1Unspent {
  readonly value: Sats
  readonly script: Uint8Array
  /** 0 = in the mempool only. */
  readonly confirmations: number
  readonly coinbase: boolean
}

export interface L1Acceptance {
  readonly allowed: boolean
  /** The node's word for why not; for people, and `L1_ALREADY_THERE`. */
  readonly reason?: string
}

export interface L1BroadcastOutcome {
  /** `confirmed`: it is in the chain and at least one of its outputs is unspent. */
  readonly result: 'accepted' | 'already-known' | 'confirmed' | 'rejected'
  readonly reason?: string
}

/** Stops the calls; calling it twice does nothing. */
export type Unsubscribe = () => void

export interface BitcoinL1 {
  readonly network: L1Network
  /** @throws L1WrongNetworkError when the node's block 0 is another network's. */
  checkNetwork(): Promise<void>
  tip(): Promise<L1BlockSummary>
  /** In the best chain; undefined above its tip. */
  blockHashAt(height: number): Promise<BlockHash | undefined>
  header(hash: BlockHash): Promise<L1HeaderStatus | undefined>
  /** Undefined when the node does not know it, or has pruned it. */
  block(hash: BlockHash): Promise<L1Block | undefined>
  /**
   * With `includeMempool`, outputs of mempool transactions are found and outputs that those spend are
   * not; without, the chain alone counts.
   */
  findUnspent(
    outPoint: OutPoint,
    options?: { readonly includeMempool?: boolean },
  ): Promise<L1Unspent | undefined>
  /** Would the node's mempool take it? One that is in the mempool or chain already is refused. */
  testAccept(rawTransaction: Uint8Array): Promise<L1Acceptance>
  /** Idempotent: sending again what is known says so. */
  broadcast(rawTransaction: Uint8Array): Promise<L1BroadcastOutcome>
  isInMempool(txid: Txid): Promise<boolean>
  mempoolTransaction(txid: Txid): Promise<Transaction | undefined>
  mempoolTransactionIds(): Promise<readonly Txid[]>
  /** Satoshis per 1,000 virtual bytes, at least the mempool's minimum; undefined without an estimate. */
  estimateFeeRate(targetBlocks: number): Promise<number | undefined>
  /** Calls with the present tip, then with every tip seen to follow; some may be skipped. */
  onBlock(handler: (tip: L1BlockSummary) => void): Unsubscribe
  /** Ends subscriptions; calls under way reject. */
  close(): Promise<void>
}

/** Reasons of `testAccept` that mean: no need, it is there. */
export const L1_ALREADY_THERE: ReadonlySet<string> = new Set([
  'txn-already-in-mempool',
  'txn-already-known',
])

/** Block 0 of each network (Bitcoin Core's chainparams; testnet4 is BIP94's). */
export const L1_GENESIS: Readonly<Record<L1Network, BlockHash>> = {
  mainnet: toBlockHash('000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f'),
  testnet4: toBlockHash('00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043'),
  signet: toBlockHash('00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6'),
  regtest: toBlockHash('0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206'),
}

/**
 * The parameters of a network, as its genesis file fixes them, and the limits that are the same on
 * every network. Everything here is consensus-critical unless it says otherwise.
 */

import type { Hash32, XOnlyKey } from '../primitives/hashes.ts'
import type { Sats } from '../primitives/units.ts'
import type { RecoveryPolicy } from './peg/deposit-address.ts'

export type L1Network = 'mainnet' | 'testnet4' | 'signet' | 'regtest'

/** Deposits above an amount need more L1 headers on top of theirs. */
export interface DepositTier {
  readonly aboveSats: Sats
  readonly extraHeaders: number
}

/** What may leave to L1, and when. */
export interface ReleaseLimitParams {
  /** Share of the reserves that may leave within the window, in 1/10,000. */
  readonly outflowCapBasisPoints: number
  readonly outflowWindowL1Blocks: number
  /** This much may always leave within the window. */
  readonly outflowFloorSats: Sats
  /** A release of at least this much waits … */
  readonly largeReleaseSats: Sats
  /** … until L1 has had that many blocks more. */
  readonly largeReleaseDelayL1Blocks: number
}

export interface PegParams {
  /** A header enters the chain only when L1 has buried it at least this deep (1 = the tip itself). */
  readonly l1Depth: number
  readonly depositTiers: readonly DepositTier[]
  readonly minDepositSats: Sats
  readonly minReleaseSats: Sats
  /** Bounds of the L1 fee rate in block extensions, satoshis per 1,000 virtual bytes. */
  readonly feeRateFloor: number
  readonly feeRateCeiling: number
  /** A queued release waits at most this long for company before its batch is built. */
  readonly batchIntervalMs: number
  readonly batchReleasesMax: number
  /** Batches on their way to L1 at one time; each holds its own reserve coins. */
  readonly openBatchesMax: number
  /** A batch that L1 has not taken this many headers after its last version is replaced. */
  readonly bumpAfterL1Blocks: number
  /** With fewer reserve coins change is split … */
  readonly reserveCoinsMin: number
  /** … into parts of at least this much; with more than these, small coins are joined … */
  readonly splitCoinMinSats: Sats
  readonly reserveCoinsMax: number
  /** … while the L1 fee rate is at most this, satoshis per 1,000 virtual bytes. */
  readonly upkeepFeeRateMax: number
  /** Reserve coins of this age move, long before the recovery leaf opens. */
  readonly refreshAfterL1Blocks: number
  readonly limits: ReleaseLimitParams
  /** A new key that has not proved itself this long after its probe is given up. */
  readonly keyProbeTimeoutL1Blocks: number
  readonly recovery: RecoveryPolicy
}

export interface ChainParams {
  readonly name: string
  readonly chainId: Hash32
  /** Tagged hash of every consensus parameter; in each block's extension. */
  readonly paramsHash: Hash32
  /** Human-readable part of addresses here, 2 to 5 lower-case letters. */
  readonly addressPrefix: string
  readonly l1Network: L1Network
  /** First L1 header known to the chain: height, and the 80 bytes. */
  readonly l1Checkpoint: { readonly height: number; readonly header: Uint8Array }
  readonly validators: readonly XOnlyKey[]
  /** FROST threshold: that many members' shares sign. */
  readonly signingThreshold: number
  readonly peg: PegParams
  /** Not more blocks than one per this many milliseconds. Pace, not validity. */
  readonly minBlockIntervalMs: number
  /** An idle chain makes an empty block this often; 0 = never. Pace, not validity. */
  readonly heartbeatMs: number
}

/** Weight of a block's header and transactions (BIP141). A quarter of Bitcoin's: blocks are frequent. */
export const MAX_BLOCK_WEIGHT = 1_000_000
/** Signature operations of a block, as `countSigops` counts them: BIP141's, and taproot's. */
export const MAX_BLOCK_SIGOPS = 20_000
/** Encoded L1 section: room for 500 deposits of ordinary size and their proofs. */
export const MAX_L1_SECTION_BYTES = 1_000_000
export const MAX_L1_HEADERS_PER_BLOCK = 2_016
export const MAX_DEPOSITS_PER_BLOCK = 500
export const MAX_CONFIRMATIONS_PER_BLOCK = 16
/** Evidence of double votes in a block's extension. */
export const MAX_EVIDENCE_PER_BLOCK = 4
/** A block may carry evidence about its own height and this many heights in all. */
export const EVIDENCE_AGE_MAX = 10_000
/** Validators' freeze votes in a block's extension. */
export const MAX_FREEZE_VOTES_PER_BLOCK = 32
/** Longest L1 transaction a proof may carry: Bitcoin's standard weight limit. */
export const MAX_L1_TRANSACTION_BYTES = 400_000
/** Every message that carries a block is bounded by this. */
export const MAX_BLOCK_BYTES = MAX_BLOCK_WEIGHT + MAX_L1_SECTION_BYTES + 10_000
/** L1 rule: outputs of a coinbase may be spent after this many blocks. */
export const L1_COINBASE_MATURITY = 100
export const BLOCK_VERSION = 0x2000_0000
/** Bitcoin's regtest target: two tries on average. It satisfies SPV clients and means nothing here. */
export const BLOCK_BITS = 0x207f_ffff

/** What the driver of agreement works with, and whom it tells. */

import type { Block } from '../chain/block.ts'
import type { Certificate } from '../consensus/certificate.ts'
import type { ConsensusTimings } from '../consensus/config.ts'
import type { Evidence } from '../consensus/evidence.ts'
import type { AppendLog, GossipVerdict, Network, PeerId, Runtime } from '../runtime/runtime.ts'
import type { BlockProducer } from './block-producer.ts'
import type { ChainService } from './chain-service.ts'
import type { EvidencePool } from './evidence-pool.ts'
import type { ValidatorIdentity, ValidatorLinks } from './validator-links.ts'

export interface DriverParts {
  readonly chain: ChainService
  readonly producer: BlockProducer
  readonly evidence: EvidencePool
  readonly links: ValidatorLinks
  readonly network: Network
  readonly runtime: Runtime
  readonly journal: AppendLog
  readonly identity: ValidatorIdentity | undefined
  readonly timings?: ConsensusTimings | undefined
}

export interface DriverHooks {
  /** A block is part of the chain: the state has it, the disk may not. */
  applied(block: Block): void
  /** The same block is durable. */
  committed(block: Block, certificate: Certificate, bytes: Uint8Array): void
  /** `isStorage`: the disk failed, and a restart may help once that is mended. */
  halted(reason: string, isStorage: boolean): void
  /** A validator contradicted itself, and nobody knew. */
  convicted(evidence: Evidence): void
  shareTransactions(): readonly Uint8Array[]
  receiveTransactions(transactions: readonly Uint8Array[]): GossipVerdict
  /** A good copy of a decided block travels on its topic. */
  heardDecided(height: number): void
  /** A certificate of this height was seen; the peer may have what is missing here. */
  heardAhead(height: number, peer: PeerId): void
  /** A peer says that it is ahead, which may be so. */
  behind(peer: PeerId): void
}

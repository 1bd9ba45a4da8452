/**
 * Agreement for one validator set: a core, the seat of this node in the set, and the guard of its
 * signature. With the block that ends an epoch the driver makes the next one, which begins with nothing
 * but what the journal holds of its first height.
 */

import { currentValidators } from '../chain/validators.ts'
import type { ConsensusBlock } from '../consensus/block.ts'
import type { ConsensusTimings } from '../consensus/config.ts'
import { type Consensus, createConsensus } from '../consensus/step.ts'
import type { VoteContext } from '../consensus/votes.ts'
import type { WalRecord } from '../consensus/wal-record.ts'
import type { ChainService } from './chain-service.ts'
import { createSignGuard, type SignGuard } from './sign-guard.ts'
import type { ValidatorIdentity } from './validator-links.ts'

export interface EpochCore {
  /** The validators of the heights that this core decides. */
  readonly context: VoteContext
  /** This node's index among them; undefined for one that follows. */
  readonly self: number | undefined
  readonly core: Consensus
  readonly guard: SignGuard | undefined
  /** What the core is to be started with. */
  readonly records: readonly WalRecord[]
}

export interface EpochCoreParts {
  readonly chain: Pick<ChainService, 'params' | 'state'>
  readonly identity: ValidatorIdentity | undefined
  readonly timings: ConsensusTimings
  readonly openBlock: (bytes: Uint8Array) => ConsensusBlock | undefined
}

/**
 * For the next height, on the present state. `journal`: records of an earlier life; those of decided
 * heights are left out here.
 */
export function createEpochCore(parts: EpochCoreParts, journal: readonly WalRecord[]): EpochCore {
  const { chain, identity, timings, openBlock } = parts
  const { tip, view } = chain.state()
  const { chainId, minBlockIntervalMs } = chain.params
  const validatorSet = currentValidators(view)
  const context = { chainId, epoch: validatorSet.epoch, validators: validatorSet.keys }
  const index = identity === undefined ? -1 : validatorSet.keys.indexOf(identity.publicKey)
  const self = index === -1 ? undefined : index
  const records = journal.filter((record) => record.height > tip.height)
  const guard =
    identity === undefined || self === undefined
      ? undefined
      : createSignGuard({ ...identity, index: self }, context, tip.height, records)
  const core = createConsensus(
    {
      chainId,
      validatorSet,
      self,
      height: tip.height + 1,
      parentHash: tip.hash,
      voteFromHeight: 0,
      minBlockIntervalMs,
      timings,
    },
    { sign: (statement) => guard?.sign(statement), openBlock },
  )
  return { context, self, core, guard, records }
}

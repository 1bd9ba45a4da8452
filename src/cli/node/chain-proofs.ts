/**
 * Proofs of the supply and of coins, for light clients. The state in memory may be a block ahead of the
 * disk, where the certificate is: a proof is made when both stand at the same block.
 */

import type { NodeFacade, ProofOfBlock } from '../../api/ports.ts'
import { buildCoinProof, buildSupplyProof, type ProvenBlock } from '../../chain/build-proof.ts'
import { endsEpoch } from '../../chain/handover.ts'
import { decodeCertificate } from '../../consensus/certificate.ts'
import type { ChainService } from '../../node/chain-service.ts'
import { ok, type Rejection, type Result, reject } from '../../primitives/result.ts'
import type { StoredBlock } from '../../storage/chain-database.ts'

/** Blocks that may come while a proof waits for the disk. */
const TRIES_MAX = 5

export function createChainProofs(
  chain: Pick<ChainService, 'database' | 'state' | 'settled'>,
): Pick<NodeFacade, 'supplyProof' | 'coinProof'> {
  /** Runs `build` while memory and disk stand at one block; it must not wait for anything. */
  async function atTip(
    build: (proven: ProvenBlock) => Uint8Array,
  ): Promise<Result<ProofOfBlock, Rejection>> {
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      await chain.settled()
      const { hash } = chain.state().tip
      const stored = chain.database.findBlock(hash)
      if (stored === undefined || chain.database.tip()?.hash !== hash) continue
      if (stored.height === 0) break
      return ok({ height: stored.height, blockHash: hash, proof: build(provenBlock(stored)) })
    }
    return reject('proof-unavailable', 'premature', 'no certified block is on the disk yet')
  }

  /** The tip's own handover, if it is one, is about the next height. */
  function provenBlock({ block, certificate }: StoredBlock): ProvenBlock {
    const all = chain.database.handovers.all()
    const handovers = endsEpoch(block) ? all.slice(0, -1) : all
    return { block, certificate: decodeCertificate(certificate), handovers }
  }

  return {
    supplyProof: () => atTip(buildSupplyProof),
    coinProof: (outPoint) => atTip((proven) => buildCoinProof(proven, chain.state(), outPoint)),
  }
}

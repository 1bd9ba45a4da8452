/**
 * Proofs of the supply, of coins and of the reserves, for light clients. The state in memory may be a block ahead of the
 * disk, where the certificate is: a proof is made when both stand at the same block.
 */

import type { NodeFacade, ProofOfBlock } from '../../api/ports.ts'
import { buildCoinProof, buildSupplyProof, type ProvenBlock } from '../../chain/build-proof.ts'
import {
  buildReservesPiece,
  type PreparedReservesProof,
  prepareReservesProof,
} from '../../chain/build-reserves-proof.ts'
import { endsEpoch } from '../../chain/handover.ts'
import type { L1TransactionProof } from '../../chain/l1-section.ts'
import { countReserves } from '../../chain/peg/reserves.ts'
import { RESERVES_PROOF_COINS_MAX } from '../../chain/reserves-proof.ts'
import { decodeCertificate } from '../../consensus/certificate.ts'
import type { ChainService } from '../../node/chain-service.ts'
import { present } from '../../primitives/assert.ts'
import { type Txid, txidFromBytes } from '../../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../../primitives/result.ts'
import { sha256d } from '../../primitives/sha256.ts'
import type { ChainDatabase, StoredBlock } from '../../storage/chain-database.ts'

/** Blocks that may come while a proof waits for the disk. */
const TRIES_MAX = 5
/** A proof that is no older than this is good enough: so proofs take no more than a twentieth of the time. */
const REUSE_MS_PER_COIN = 2

export function createChainProofs(
  chain: Pick<ChainService, 'database' | 'state' | 'settled'>,
): Pick<NodeFacade, 'supplyProof' | 'coinProof' | 'reservesProof'> {
  /** Runs `build` while memory and disk stand at one block; it must not wait for anything. */
  async function atTip<T>(
    build: (proven: ProvenBlock) => T,
  ): Promise<Result<Omit<ProofOfBlock, 'proof'> & { readonly proof: T }, Rejection>> {
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

  /** What readers who come close together share. */
  let last: LastReservesProof | undefined

  return {
    supplyProof: () => atTip(buildSupplyProof),
    coinProof: (outPoint) => atTip((proven) => buildCoinProof(proven, chain.state(), outPoint)),
    async reservesProof() {
      if (countReserves(chain.state().view) > RESERVES_PROOF_COINS_MAX) {
        return reject('proof-unavailable', 'premature', 'the reserves are in too many coins')
      }
      const { timeMs } = chain.state().tip
      if (last === undefined || timeMs - last.timeMs >= last.coins * REUSE_MS_PER_COIN) {
        const coins = countReserves(chain.state().view)
        const prepared = await atTip((proven) => prepareReservesProof(proven, chain.state()))
        if (!prepared.ok) return prepared
        last = { timeMs, coins, prepared: prepared.value }
      }
      const { proof, ...at } = last.prepared
      const places = placesOf(chain.database, proof)
      if (places === undefined) {
        return reject(
          'proof-unavailable',
          'premature',
          'this node began with a snapshot and lacks the blocks that proved some coins',
        )
      }
      return ok({ ...at, pieces: reservesPieces(chain.database, proof, places) })
    },
  }
}

interface LastReservesProof {
  /** Of the tip when it was taken. */
  readonly timeMs: number
  readonly coins: number
  readonly prepared: Omit<ProofOfBlock, 'proof'> & { readonly proof: PreparedReservesProof }
}

interface Place {
  readonly txid: Txid
  /** Of the block whose L1 section proves it. */
  readonly height: number
}

/** Where the L1 proofs are, by height; undefined when one is not here. */
function placesOf(
  database: Pick<ChainDatabase, 'findL1ProofHeight'>,
  { groups }: PreparedReservesProof,
): readonly Place[] | undefined {
  const places: Place[] = []
  for (const txid of groups.keys()) {
    const height = database.findL1ProofHeight(txid)
    if (height === undefined) return undefined
    places.push({ txid, height })
  }
  return places.toSorted((a, b) => a.height - b.height)
}

/** The file in pieces; each block is read when its turn comes. */
function* reservesPieces(
  database: Pick<ChainDatabase, 'blockHashAt' | 'findBlock'>,
  { start, groups }: PreparedReservesProof,
  places: readonly Place[],
): Iterable<Uint8Array> {
  yield start
  let height = -1
  let proofs: ReadonlyMap<Txid, L1TransactionProof> = new Map()
  for (const place of places) {
    if (place.height !== height) {
      height = place.height
      proofs = l1ProofsAt(database, height)
    }
    const part = present(groups.get(place.txid), 'coins of an L1 transaction')
    yield buildReservesPiece(part, present(proofs.get(place.txid), 'indexed L1 proof'))
  }
}

function l1ProofsAt(
  database: Pick<ChainDatabase, 'blockHashAt' | 'findBlock'>,
  height: number,
): ReadonlyMap<Txid, L1TransactionProof> {
  const hash = present(database.blockHashAt(height), 'hash of a block')
  const { confirmations, deposits } = present(database.findBlock(hash), 'block').block.l1Section
  return new Map(
    [...confirmations, ...deposits].map((proof) => [
      txidFromBytes(sha256d(proof.transaction)),
      proof,
    ]),
  )
}

/** Evidence with real signatures of the validators that `testParams` knows. */

import type { ChainParams } from '../../src/chain/params.ts'
import { type Evidence, type EvidenceKind, inOrder } from '../../src/consensus/evidence.ts'
import { type Statement, type Vote, voteDigest } from '../../src/consensus/votes.ts'
import { toBlockHash } from '../../src/primitives/hashes.ts'
import { signSchnorr } from '../../src/primitives/secp256k1.ts'
import { secretOf } from './chain-world.ts'

const AUX = new Uint8Array(32)
const ONE_BLOCK = toBlockHash('11'.repeat(32))
const ANOTHER = toBlockHash('22'.repeat(32))

const TYPES = {
  'double-notarize': ['notarize', 'notarize'],
  'double-finalize': ['finalize', 'finalize'],
  'nullify-finalize': ['nullify', 'finalize'],
} as const

export function signedVote(params: ChainParams, signer: number, statement: Statement): Vote {
  const digest = voteDigest({ chainId: params.chainId, epoch: 0 }, statement)
  const signature = signSchnorr(digest, secretOf(`validator ${signer}`), AUX)
  return { ...statement, signer, signature }
}

export interface Offending {
  readonly height: number
  readonly signer: number
  readonly view?: number
  readonly kind?: EvidenceKind
}

/** Two votes of one validator that contradict each other, in order. */
export function doubleVote(params: ChainParams, offending: Offending): Evidence {
  const { height, signer, view = 0, kind = 'double-notarize' } = offending
  const [one, other] = TYPES[kind]
  const place = { height, view }
  const first: Statement =
    one === 'nullify' ? { type: one, ...place } : { type: one, ...place, blockHash: ONE_BLOCK }
  const second: Statement = { type: other, ...place, blockHash: ANOTHER }
  return inOrder({
    first: signedVote(params, signer, first),
    second: signedVote(params, signer, second),
  })
}

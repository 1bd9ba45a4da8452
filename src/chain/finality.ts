/**
 * When a header is final: a finalize certificate by a quorum of the validators of its height names it.
 * Somebody who knows nothing of a network but its genesis starts from the genesis validators, and
 * follows the handovers from each set to the next (`handover.ts`).
 */

import { type BlockHeader, headerHash } from '../bitcoin/header.ts'
import { type Certificate, verifyCertificate } from '../consensus/certificate.ts'
import type { ValidatorSet } from '../consensus/validator-set.ts'
import type { BlockHash, Hash32, XOnlyKey } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'

/** What a light client starts from. `ChainParams` has them. */
export interface GenesisFacts {
  readonly chainId: Hash32
  /** In the order of the genesis file, to which the first certificates refer. */
  readonly validators: readonly XOnlyKey[]
}

/** The block id of a header that the certificate makes final at its own height. */
export function checkFinality(
  chainId: Hash32,
  set: ValidatorSet,
  header: BlockHeader,
  certificate: Certificate,
): Result<BlockHash, Rejection> {
  const hash = headerHash(header)
  if (certificate.type !== 'finalize' || certificate.blockHash !== hash) {
    return reject('certificate-block', 'invalid', 'it does not make this block final')
  }
  const { epoch, keys: validators } = set
  if (!verifyCertificate(certificate, { chainId, epoch, validators })) {
    return reject('certificate-signatures')
  }
  return ok(hash)
}

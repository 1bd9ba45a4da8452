/**
 * When a header is final for somebody who knows nothing of a network but its genesis: a finalize
 * certificate of a quorum of the genesis validators names it. Later validator sets are not followed.
 */

import { type BlockHeader, headerHash } from '../bitcoin/header.ts'
import { type Certificate, verifyCertificate } from '../consensus/certificate.ts'
import type { BlockHash, Hash32, XOnlyKey } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'

/** What a light client starts from. `ChainParams` has them. */
export interface GenesisFacts {
  readonly chainId: Hash32
  /** In the order of the genesis file, to which certificates refer. */
  readonly validators: readonly XOnlyKey[]
}

const GENESIS_EPOCH = 0

/** The block id of a header that the certificate makes final at its own height. */
export function checkFinality(
  facts: GenesisFacts,
  header: BlockHeader,
  certificate: Certificate,
): Result<BlockHash, Rejection> {
  const hash = headerHash(header)
  if (certificate.type !== 'finalize' || certificate.blockHash !== hash) {
    return reject('certificate-block', 'invalid', 'it does not make this block final')
  }
  const { chainId, validators } = facts
  if (!verifyCertificate(certificate, { chainId, epoch: GENESIS_EPOCH, validators })) {
    return reject('certificate-signatures')
  }
  return ok(hash)
}

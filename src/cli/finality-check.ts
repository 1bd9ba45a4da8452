/**
 * A light client's check of one block: its header hashes to the block that a quorum of the validators
 * of its height finalized. Which validators those are follows from the genesis.
 */

import type { z } from 'zod'
import { decodeHeader, headerHash } from '../bitcoin/header.ts'
import { type DatedValidators, validatorsOfHeight } from '../chain/handover.ts'
import { bitmapIndexes, decodeCertificate, verifyCertificate } from '../consensus/certificate.ts'
import { hexToBytes } from '../primitives/bytes.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { ChainIdentity } from './chain-identity.ts'
import { CliError } from './cli-error.ts'
import { EXIT } from './exit-codes.ts'
import type { certificateAnswer } from './node-answers.ts'

export interface Finality {
  readonly height: number
  readonly blockHash: string
  /** Indexes in the validator set. */
  readonly signers: readonly number[]
  readonly validators: number
}

/** @throws CliError exit 9 unless the answer proves the block at that height final. */
export function verifyFinality(
  { chainId }: ChainIdentity,
  sets: readonly DatedValidators[],
  height: number,
  answer: z.infer<typeof certificateAnswer>,
): Finality {
  try {
    const certificate = decodeCertificate(hexToBytes(answer.certificate))
    const blockHash = headerHash(decodeHeader(hexToBytes(answer.header)))
    const { epoch, keys: validators } = validatorsOfHeight(sets, height)
    const context = { chainId, epoch, validators }
    const isAboutBlock =
      certificate.type === 'finalize' &&
      certificate.height === height &&
      certificate.blockHash === blockHash
    if (!isAboutBlock) throw unproven(height, 'it is about another block')
    if (!verifyCertificate(certificate, context)) throw unproven(height, 'signatures do not hold')
    const signers = bitmapIndexes(certificate.bitmap)
    return { height, blockHash, signers, validators: validators.length }
  } catch (cause) {
    if (cause instanceof DecodeError) throw unproven(height, cause.message)
    throw cause
  }
}

function unproven(height: number, reason: string): CliError {
  return new CliError(
    EXIT.verificationFailed,
    'bad-certificate',
    `the certificate of block ${height} proves nothing: ${reason}`,
    { hint: 'do not trust this node; try another with --api URL' },
  )
}

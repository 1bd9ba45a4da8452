/**
 * Handovers: how the validators of one epoch hand the chain to those of the next, for somebody who
 * knows only its genesis. The last block of an epoch commits to the next set, under the certificate of
 * the set before; so from the genesis validators the present ones follow, one block per change.
 *
 * Who trusts the genesis validators trusts each later set in turn. What a retired set could do together,
 * years later and with its old keys, this cannot know: who follows the chain from time to time is safe
 * from it. Nothing here needs Node.
 */

import type { Certificate } from '../consensus/certificate.ts'
import {
  checkValidatorSet,
  MAX_VALIDATORS,
  type ValidatorSet,
  validatorSetHash,
} from '../consensus/validator-set.ts'
import { present } from '../primitives/assert.ts'
import { type ByteReader, type ByteWriter, decodeAll, encodeWith } from '../primitives/codec.ts'
import { hashToBytes, xOnlyKeyFromBytes } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import type { Block } from './block.ts'
import {
  type BlockEvidence,
  buildBlockEvidence,
  checkBlockEvidence,
  readBlockEvidence,
  writeBlockEvidence,
} from './block-evidence.ts'
import type { GenesisFacts } from './finality.ts'

export interface Handover {
  /** The last block of the set before. */
  readonly block: BlockEvidence
  readonly next: ValidatorSet
}

/** A set and the first height that it agrees on. */
export interface DatedValidators {
  readonly set: ValidatorSet
  readonly fromHeight: number
}

/** More changes than decades of yearly ones. */
export const MAX_HANDOVERS = 256
/** All of them together: usually a kilobyte each. */
export const MAX_HANDOVERS_BYTES = 2_000_000

/** Does the block end its epoch? */
export function endsEpoch({ extension }: Pick<Block, 'extension'>): boolean {
  return extension.nextValidatorSetHash !== extension.validatorSetHash
}

/** Of a block that ends its epoch, and the validators after it. */
export function encodeHandoverOf(
  block: Block,
  certificate: Certificate,
  next: ValidatorSet,
): Uint8Array {
  return encodeHandover({ block: buildBlockEvidence(block, certificate), next })
}

export function encodeHandover(handover: Handover): Uint8Array {
  return encodeWith((writer) => writeHandover(writer, handover))
}

export function writeHandover(writer: ByteWriter, { block, next }: Handover): void {
  writeBlockEvidence(writer, block)
  writer.u32(next.epoch)
  writer.list(next.keys, (w, key) => w.bytes(hashToBytes(key)))
}

/** @throws DecodeError */
export function readHandover(reader: ByteReader): Handover {
  const block = readBlockEvidence(reader)
  const epoch = reader.u32()
  const keys = reader.list(MAX_VALIDATORS, (r) => xOnlyKeyFromBytes(r.bytes(32)))
  return { block, next: { epoch, keys } }
}

/** @throws DecodeError */
export function decodeHandover(bytes: Uint8Array): Handover {
  return decodeAll(bytes, readHandover)
}

/** The genesis validators and every set after them, oldest first; each handover must hold. */
export function followHandovers(
  facts: GenesisFacts,
  handovers: readonly Handover[],
): Result<readonly DatedValidators[], Rejection> {
  let current: DatedValidators = { set: { epoch: 0, keys: facts.validators }, fromHeight: 0 }
  const sets = [current]
  for (const { block, next } of handovers) {
    const checked = checkBlockEvidence(facts.chainId, current.set, block)
    if (!checked.ok) return checked
    const { height, nextValidatorSetHash } = block.extension
    if (height < current.fromHeight) return reject('handover-order')
    const possible = checkValidatorSet(next)
    if (!possible.ok) return possible
    if (next.epoch <= current.set.epoch || nextValidatorSetHash !== validatorSetHash(next)) {
      return reject('handover-set', 'invalid', `block ${height} names other validators`)
    }
    current = { set: next, fromHeight: height + 1 }
    sets.push(current)
  }
  return ok(sets)
}

/** Those who agreed on a height, out of what `followHandovers` returned. */
export function validatorsOfHeight(sets: readonly DatedValidators[], height: number): ValidatorSet {
  return present(
    sets.findLast(({ fromHeight }) => fromHeight <= height),
    'validators',
  ).set
}

/**
 * The validators of one epoch, in the order that votes and bitmaps refer to. Block extensions commit
 * to the hash of the set, so a light client can follow it from the genesis file.
 * How a set is chosen is not decided here.
 */

import { encodeWith } from '../primitives/codec.ts'
import { type Hash32, hash32FromBytes, hashToBytes, type XOnlyKey } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { isXOnlyKey } from '../primitives/secp256k1.ts'
import { taggedHash } from '../primitives/sha256.ts'

export interface ValidatorSet {
  readonly epoch: number
  /** A validator's index in this list is its number everywhere else. */
  readonly keys: readonly XOnlyKey[]
}

/** Bounds every bitmap and every table by validator. Consensus-critical. */
export const MAX_VALIDATORS = 256

/** TH("causeway/validators", epoch u32be ‖ count u32be ‖ keys, 32 bytes each). */
export function validatorSetHash(set: ValidatorSet): Hash32 {
  const bytes = encodeWith((writer) => {
    writer.u32be(set.epoch).u32be(set.keys.length)
    for (const key of set.keys) writer.bytes(hashToBytes(key))
  })
  return hash32FromBytes(taggedHash('causeway/validators', bytes))
}

/** Refuses an empty or oversized set, a key that is on no curve point, and a key that occurs twice. */
export function checkValidatorSet(set: ValidatorSet): Result<void, Rejection> {
  if (set.keys.length === 0 || set.keys.length > MAX_VALIDATORS) {
    return reject('validator-set-size', 'invalid', `${set.keys.length} validators`)
  }
  if (new Set(set.keys).size !== set.keys.length) return reject('validator-key-duplicate')
  for (const key of set.keys) {
    if (!isXOnlyKey(hashToBytes(key))) return reject('validator-key-invalid', 'invalid', key)
  }
  return ok(undefined)
}

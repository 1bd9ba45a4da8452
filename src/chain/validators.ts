/** The validator set as the chain commits to it. Constant until key epochs change it. */

import { type ValidatorSet, validatorSetHash } from '../consensus/validator-set.ts'
import type { Hash32 } from '../primitives/hashes.ts'
import type { ChainParams } from './params.ts'

const cache = new WeakMap<ChainParams, Hash32>()

export function validatorSetOf(params: ChainParams): ValidatorSet {
  return { epoch: 0, keys: params.validators }
}

export function validatorSetHashOf(params: ChainParams): Hash32 {
  const known = cache.get(params)
  if (known !== undefined) return known
  const hash = validatorSetHash(validatorSetOf(params))
  cache.set(params, hash)
  return hash
}

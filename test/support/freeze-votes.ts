/** Freeze votes of the test validators, with valid signatures. */

import { schnorr } from '@noble/curves/secp256k1.js'
import type { ChainParams } from '../../src/chain/params.ts'
import { type FreezeVote, freezeVoteDigest } from '../../src/chain/peg/freeze-vote.ts'
import { present } from '../../src/primitives/assert.ts'
import { secretOf } from './chain-world.ts'

const AUX = new Uint8Array(32)

export interface Voting {
  readonly validator: number
  readonly serial: number
  readonly freeze: boolean
}

export function freezeVote(params: ChainParams, { validator, serial, freeze }: Voting): FreezeVote {
  const digest = freezeVoteDigest(params.chainId, { serial, freeze })
  return {
    validator: present(params.validators[validator], 'validator'),
    serial,
    freeze,
    signature: schnorr.sign(digest, secretOf(`validator ${validator}`), AUX),
  }
}

/** The same wish of several validators, in the order in which a block has them. */
export function freezeVotes(
  params: ChainParams,
  validators: readonly number[],
  wish: Omit<Voting, 'validator'>,
): readonly FreezeVote[] {
  return validators
    .map((validator) => freezeVote(params, { validator, ...wish }))
    .toSorted((a, b) => (a.validator < b.validator ? -1 : 1))
}

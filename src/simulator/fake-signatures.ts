/**
 * Stand-ins for BIP340 that cost one hash: a signature is a tagged hash of key and message. Anybody
 * could forge them; the simulator's adversaries do not.
 */

import { type Statement, type VoteContext, voteDigest } from '../consensus/votes.ts'
import { present } from '../primitives/assert.ts'
import { concatBytes, equalBytes } from '../primitives/bytes.ts'
import {
  hash32FromBytes,
  hashToBytes,
  type XOnlyKey,
  xOnlyKeyFromBytes,
} from '../primitives/hashes.ts'
import { taggedHash } from '../primitives/sha256.ts'

function fakeKey(index: number): XOnlyKey {
  return xOnlyKeyFromBytes(taggedHash('causeway/simulated-key', new Uint8Array([index])))
}

export function fakeSignature(key: XOnlyKey, message: Uint8Array): Uint8Array {
  const half = taggedHash('causeway/simulated-signature', hashToBytes(key), message)
  return concatBytes(half, half)
}

/** A context whose votes are checked against the stand-ins. */
export function fakeContext(validatorCount: number): VoteContext & FakeSigners {
  return fakeContextOf(
    0,
    Array.from({ length: validatorCount }, (_, i) => i),
  )
}

/** The same of an epoch whose validators have the keys of these numbers. */
export function fakeContextOf(
  epoch: number,
  members: readonly number[],
): VoteContext & FakeSigners {
  const validators = members.map(fakeKey)
  const keyOf = (signer: number): XOnlyKey => present(validators[signer], 'simulated key')
  const context: VoteContext = {
    chainId: hash32FromBytes(taggedHash('causeway/simulated-chain')),
    epoch,
    validators,
    verify: (signature, message, publicKey) =>
      equalBytes(signature, fakeSignature(xOnlyKeyFromBytes(publicKey), message)),
  }
  return {
    ...context,
    sign: (signer, statement) => fakeSignature(keyOf(signer), voteDigest(context, statement)),
    signDigest: (signer, digest) => fakeSignature(keyOf(signer), digest),
  }
}

/** Signatures of validator `signer`. */
export interface FakeSigners {
  readonly sign: (signer: number, statement: Statement) => Uint8Array
  readonly signDigest: (signer: number, digest: Uint8Array) => Uint8Array
}

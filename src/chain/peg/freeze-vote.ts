/**
 * A validator's vote to stop the payment of releases, or to let it go on: signed by the validator key
 * and by nothing else, so anybody may carry it to any node. The vote with the highest serial number is
 * the one that stands. What votes lead to is in `freeze.ts`.
 */

import { type ByteReader, type ByteWriter, decodeAll, encodeWith } from '../../primitives/codec.ts'
import {
  type Hash32,
  hashToBytes,
  writeHash32,
  type XOnlyKey,
  xOnlyKeyFromBytes,
} from '../../primitives/hashes.ts'
import { verifySchnorr } from '../../primitives/secp256k1.ts'
import { taggedHash } from '../../primitives/sha256.ts'

/** What the signature covers, besides the chain. */
export interface FreezeWish {
  /** u32; by custom the time of the vote, in seconds since 1970. */
  readonly serial: number
  /** True: stop. False: go on. */
  readonly freeze: boolean
}

export interface FreezeVote extends FreezeWish {
  /** Whose vote it is. By key, not by index: it stands whatever happens to the validator set. */
  readonly validator: XOnlyKey
  /** BIP340, 64 bytes. */
  readonly signature: Uint8Array
}

export const FREEZE_VOTE_BYTES = 32 + 4 + 1 + 64

/** The 32 bytes that a validator signs. */
export function freezeVoteDigest(chainId: Hash32, { serial, freeze }: FreezeWish): Uint8Array {
  const fields = encodeWith((writer) => {
    writeHash32(writer, chainId)
    writer.u32be(serial).bool(freeze)
  })
  return taggedHash('causeway/freeze-vote', fields)
}

/** Is the signature good? Whether the key is a validator's is another question. Never throws. */
export function verifyFreezeVote(chainId: Hash32, vote: FreezeVote): boolean {
  const digest = freezeVoteDigest(chainId, vote)
  return verifySchnorr(vote.signature, digest, hashToBytes(vote.validator))
}

/** Key (32) ‖ serial u32 ‖ freeze u8 ‖ signature (64). */
export function writeFreezeVote(writer: ByteWriter, vote: FreezeVote): void {
  writer.bytes(hashToBytes(vote.validator)).u32(vote.serial).bool(vote.freeze).bytes(vote.signature)
}

/** @throws DecodeError */
export function readFreezeVote(reader: ByteReader): FreezeVote {
  return {
    validator: xOnlyKeyFromBytes(reader.bytes(32)),
    serial: reader.u32(),
    freeze: reader.bool(),
    signature: reader.bytes(64).slice(),
  }
}

export function encodeFreezeVote(vote: FreezeVote): Uint8Array {
  return encodeWith((writer) => writeFreezeVote(writer, vote))
}

/** @throws DecodeError for anything but one whole vote. */
export function decodeFreezeVote(bytes: Uint8Array): FreezeVote {
  return decodeAll(bytes, readFreezeVote)
}

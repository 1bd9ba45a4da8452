/**
 * HELLO binds a node's transport key to a validator key: the transport has proved the peer id, the
 * signature proves that the validator vouches for it. Not a vote: it has its own tag.
 */

import { encodeWith } from '../primitives/codec.ts'
import { hashToBytes } from '../primitives/hashes.ts'
import { verifySchnorr } from '../primitives/secp256k1.ts'
import { taggedHash } from '../primitives/sha256.ts'
import { type HelloMessage, writeHelloFields } from './messages.ts'
import type { VoteContext } from './votes.ts'

/** Who may say HELLO. */
export type HelloContext = Pick<VoteContext, 'chainId' | 'validators' | 'verify'>

/** TH("causeway/hello", the fields in wire order): the 32 bytes that the validator key signs. */
export function helloDigest(hello: Omit<HelloMessage, 'kind' | 'signature'>): Uint8Array {
  return taggedHash(
    'causeway/hello',
    encodeWith((writer) => writeHelloFields(writer, hello)),
  )
}

/**
 * True when the HELLO is for this chain, by one of the validators, about the peer that the
 * transport has proved, and signed. Never throws.
 */
export function verifyHello(
  hello: HelloMessage,
  remotePeerId: string,
  context: HelloContext,
): boolean {
  if (hello.chainId !== context.chainId || hello.peerId !== remotePeerId) return false
  if (!context.validators.includes(hello.validatorKey)) return false
  const verify = context.verify ?? verifySchnorr
  return verify(hello.signature, helloDigest(hello), hashToBytes(hello.validatorKey))
}

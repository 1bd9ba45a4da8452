/**
 * The envelope of everything that members say to one another about keys and signatures:
 *
 *     payload = u8 version ‖ u8 protocol ‖ u32be epoch ‖ u8 sender ‖ u8 recipient ‖ body
 *     sealed  = payload ‖ BIP340 signature (64) by the sender's validator key
 *               over TH('causeway/federation', chainId ‖ payload)
 *
 * Members are positions in the epoch's list, from 0; recipient 255 is everybody. A sealed message can
 * be shown to a third member, which is how blame is proved. Leaves out secrecy: messages with secrets
 * travel over encrypted direct streams only.
 */

import { assert } from '../../src/primitives/assert.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { ByteReader, DecodeError, encodeWith } from '../../src/primitives/codec.ts'
import { type Hash32, hashToBytes, type XOnlyKey } from '../../src/primitives/hashes.ts'
import { verifySchnorr } from '../../src/primitives/secp256k1.ts'
import { taggedHash } from '../../src/primitives/sha256.ts'

const ENVELOPE_VERSION = 1
/** 100 inputs under 100 members' nonces fit, which is the largest message there is. */
const MAX_SEALED_BYTES = 1_048_576
const EVERYBODY = 255
const SIGNATURE_BYTES = 64

type FederationProtocol = 'key-generation' | 'signing'

const PROTOCOL_CODES: Record<FederationProtocol, number> = { 'key-generation': 1, signing: 2 }

/** A member of one key epoch, as the envelope needs it. */
export interface FederationContext {
  readonly chainId: Hash32
  readonly epoch: number
  readonly members: readonly XOnlyKey[]
}

export interface Envelope {
  readonly protocol: FederationProtocol
  readonly epoch: number
  readonly sender: number
  /** Undefined: everybody. */
  readonly recipient: number | undefined
  readonly body: Uint8Array
}

/** BIP340 signature (64 bytes) of this member's validator key over a 32-byte digest. */
export type HostSigner = (digest: Uint8Array) => Uint8Array

export function sealMessage(envelope: Envelope, chainId: Hash32, sign: HostSigner): Uint8Array {
  const payload = encodeWith((writer) =>
    writer
      .u8(ENVELOPE_VERSION)
      .u8(PROTOCOL_CODES[envelope.protocol])
      .u32be(envelope.epoch)
      .u8(envelope.sender)
      .u8(envelope.recipient ?? EVERYBODY)
      .bytes(envelope.body),
  )
  const sealed = concatBytes(payload, sign(payloadDigest(chainId, payload)))
  assert(sealed.length <= MAX_SEALED_BYTES, 'sealed message too long')
  return sealed
}

/**
 * Reads the envelope without checking who sealed it: enough to route a message to its epoch.
 * @throws DecodeError
 */
export function decodeEnvelope(sealed: Uint8Array): Envelope {
  if (sealed.length > MAX_SEALED_BYTES) throw new DecodeError('sealed message too long')
  if (sealed.length < SIGNATURE_BYTES) throw new DecodeError('sealed message too short')
  const reader = new ByteReader(sealed.subarray(0, sealed.length - SIGNATURE_BYTES))
  if (reader.u8() !== ENVELOPE_VERSION) throw new DecodeError('unknown envelope version')
  const code = reader.u8()
  const protocol = (['key-generation', 'signing'] as const).find(
    (name) => PROTOCOL_CODES[name] === code,
  )
  if (protocol === undefined) throw new DecodeError('unknown federation protocol')
  const epoch = reader.u32be()
  const sender = reader.u8()
  const recipient = reader.u8()
  return {
    protocol,
    epoch,
    sender,
    recipient: recipient === EVERYBODY ? undefined : recipient,
    body: reader.bytes(reader.remaining),
  }
}

/** The envelope, when it is of this epoch and its sender, a member, sealed it. */
export function openMessage(sealed: Uint8Array, context: FederationContext): Envelope | undefined {
  let envelope: Envelope
  try {
    envelope = decodeEnvelope(sealed)
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
  const key = context.members[envelope.sender]
  if (envelope.epoch !== context.epoch || key === undefined) return undefined
  const payload = sealed.subarray(0, sealed.length - SIGNATURE_BYTES)
  const signature = sealed.subarray(sealed.length - SIGNATURE_BYTES)
  const digest = payloadDigest(context.chainId, payload)
  return verifySchnorr(signature, digest, hashToBytes(key)) ? envelope : undefined
}

function payloadDigest(chainId: Hash32, payload: Uint8Array): Uint8Array {
  return taggedHash('causeway/federation', hashToBytes(chainId), payload)
}

/**
 * The messages of ROAST (RRJSS, ia.cr/2022/550), as bodies of the federation's envelope. One session
 * signs every input of one transaction: k nonce commitments, k shares, k signatures.
 *
 *     HELLO   signer → coordinator   here are nonces, under a handle
 *     START   coordinator → signers  sign with these members and nonces; one message for all of them
 *     SHARE   signer → coordinator   k shares, and as a rule the next HELLO
 *     GONE    signer → coordinator   that handle is not known (restart, timeout), and a new HELLO
 *     SIGNED  to everybody           the k signatures
 *
 * Integers are little-endian. Leaves out whether points and scalars parse: `roast-*.ts` check that
 * and name the sender.
 */

import { MAX_MEMBERS } from '../../src/chain/peg/key-epoch-announcement.ts'
import {
  type ByteReader,
  type ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
} from '../../src/primitives/codec.ts'
import { type Hash32, readHash32, writeHash32 } from '../../src/primitives/hashes.ts'
import type { NonceCommitment } from './frost.ts'

/** Inputs of one transaction that one session signs. */
export const MAX_SESSION_INPUTS = 100

/** What is signed: a version (fee bump) of a batch. */
export interface SigningTask {
  readonly batchId: Hash32
  readonly version: number
}

/** Nonces of one signer, one pair per input. The handle is 64 random bits. */
export interface NonceOffer {
  readonly handle: bigint
  readonly nonces: readonly NonceCommitment[]
}

export interface HelloMessage extends SigningTask {
  readonly kind: 'hello'
  readonly offer: NonceOffer
}

export interface StartMessage extends SigningTask {
  readonly kind: 'start'
  /** 64 random bits. */
  readonly session: bigint
  /** Ascending by member. */
  readonly participants: readonly { readonly member: number; readonly offer: NonceOffer }[]
}

export interface ShareMessage extends SigningTask {
  readonly kind: 'share'
  readonly session: bigint
  /** Over everything the signer signed under (see `roast-session.ts`), 32 bytes. */
  readonly sessionHash: Uint8Array
  /** 32 bytes each, by input. */
  readonly shares: readonly Uint8Array[]
  /** Undefined: this coordinator has to wait for the next HELLO. */
  readonly next: NonceOffer | undefined
}

export interface GoneMessage extends SigningTask {
  readonly kind: 'gone'
  readonly session: bigint
  readonly handle: bigint
  readonly next: NonceOffer
}

export interface SignedMessage extends SigningTask {
  readonly kind: 'signed'
  /** 64 bytes each, by input. */
  readonly signatures: readonly Uint8Array[]
}

export type SigningMessage =
  | HelloMessage
  | StartMessage
  | ShareMessage
  | GoneMessage
  | SignedMessage

const CODES = { hello: 1, start: 2, share: 3, gone: 4, signed: 5 } as const

export function encodeSigningMessage(message: SigningMessage): Uint8Array {
  return encodeWith((writer) => {
    writer.u8(CODES[message.kind])
    writeHash32(writer, message.batchId)
    writer.u32(message.version)
    switch (message.kind) {
      case 'hello':
        return writeOffer(writer, message.offer)
      case 'start':
        writer.u64(message.session)
        writer.list(message.participants, (w, { member, offer }) => writeOffer(w.u8(member), offer))
        return undefined
      case 'share':
        writer.u64(message.session).bytes(message.sessionHash)
        writer.list(message.shares, (w, share) => w.bytes(share))
        writer.bool(message.next !== undefined)
        return message.next === undefined ? undefined : writeOffer(writer, message.next)
      case 'gone':
        writer.u64(message.session).u64(message.handle)
        return writeOffer(writer, message.next)
      case 'signed':
        writer.list(message.signatures, (w, signature) => w.bytes(signature))
        return undefined
    }
  })
}

/** @throws DecodeError */
export function decodeSigningMessage(bytes: Uint8Array): SigningMessage {
  return decodeAll(bytes, (reader) => {
    const code = reader.u8()
    const task = { batchId: readHash32(reader), version: reader.u32() }
    switch (code) {
      case CODES.hello:
        return { kind: 'hello', ...task, offer: readOffer(reader) }
      case CODES.start: {
        const session = reader.u64()
        return { kind: 'start', ...task, session, participants: readParticipants(reader) }
      }
      case CODES.share:
        return {
          kind: 'share',
          ...task,
          session: reader.u64(),
          sessionHash: reader.bytes(32),
          shares: nonEmpty(reader.list(MAX_SESSION_INPUTS, (r) => r.bytes(32))),
          next: reader.bool() ? readOffer(reader) : undefined,
        }
      case CODES.gone:
        return {
          kind: 'gone',
          ...task,
          session: reader.u64(),
          handle: reader.u64(),
          next: readOffer(reader),
        }
      case CODES.signed: {
        const signatures = nonEmpty(reader.list(MAX_SESSION_INPUTS, (r) => r.bytes(64)))
        return { kind: 'signed', ...task, signatures }
      }
      default:
        throw new DecodeError(`unknown signing message ${code}`)
    }
  })
}

function writeOffer(writer: ByteWriter, offer: NonceOffer): void {
  writer.u64(offer.handle)
  writer.list(offer.nonces, (w, { hiding, binding }) => w.bytes(hiding).bytes(binding))
}

function readOffer(reader: ByteReader): NonceOffer {
  const handle = reader.u64()
  const nonces = reader.list(MAX_SESSION_INPUTS, (r) => ({
    hiding: r.bytes(33),
    binding: r.bytes(33),
  }))
  return { handle, nonces: nonEmpty(nonces) }
}

function readParticipants(reader: ByteReader): StartMessage['participants'] {
  const participants = reader.list(MAX_MEMBERS, (r) => ({ member: r.u8(), offer: readOffer(r) }))
  const ascending = participants.every(
    ({ member }, i) => i === 0 || member > (participants[i - 1]?.member ?? member),
  )
  if (!ascending) throw new DecodeError('participants are not in ascending order')
  return nonEmpty(participants)
}

function nonEmpty<T>(items: readonly T[]): readonly T[] {
  if (items.length === 0) throw new DecodeError('empty list')
  return items
}

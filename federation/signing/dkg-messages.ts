/**
 * The messages of the key generation, as bodies of the federation's envelope. Each names its attempt and
 * carries the attempt's context (`keyGenerationContext`), so that nothing said for one member list,
 * threshold or attempt counts in another.
 *
 *     DEAL     to everybody   commitments to the sender's polynomial, and the proof for it
 *     ECHO     to everybody   all n deals as the sender has them, sealed by their dealers, in order
 *     SHARE    to one         the recipient's value of the sender's polynomial; secret
 *     CERTIFY  to everybody   BIP340 over the certificate digest: "my share is on disk"
 *     TEST     either         a message of ROAST, for the key's first signature
 */

import { MAX_MEMBERS } from '../../src/chain/peg/key-epoch-announcement.ts'
import { unreachable } from '../../src/primitives/assert.ts'
import { type ByteReader, DecodeError, decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import type { Dealing } from './key-generation.ts'
import {
  decodeSigningMessage,
  encodeSigningMessage,
  type SigningMessage,
} from './signing-messages.ts'

export type DkgPayload =
  | { readonly kind: 'deal'; readonly dealing: Dealing }
  | { readonly kind: 'echo'; readonly deals: readonly Uint8Array[] }
  | { readonly kind: 'share'; readonly secret: Uint8Array }
  | { readonly kind: 'certify'; readonly signature: Uint8Array }
  | { readonly kind: 'test'; readonly message: SigningMessage }

export interface DkgMessage {
  /** From 1. */
  readonly attempt: number
  /** 32 bytes. */
  readonly context: Uint8Array
  readonly payload: DkgPayload
}

/** Above the deal of a hundred members with its envelope. */
const MAX_SEALED_DEAL_BYTES = 4096

const CODES = { deal: 1, echo: 2, share: 3, certify: 4, test: 5 } as const

export function encodeDkgMessage({ attempt, context, payload }: DkgMessage): Uint8Array {
  return encodeWith((writer) => {
    writer.u8(CODES[payload.kind]).u32(attempt).bytes(context)
    if (payload.kind === 'deal') {
      writer.list(payload.dealing.commitments, (w, point) => w.bytes(point))
    }
    if (payload.kind === 'echo') {
      writer.list(payload.deals, (w, sealed) => w.varBytes(sealed))
    }
    writer.bytes(fixedPart(payload))
  })
}

function fixedPart(payload: DkgPayload): Uint8Array {
  switch (payload.kind) {
    case 'deal':
      return payload.dealing.proof
    case 'echo':
      return new Uint8Array()
    case 'share':
      return payload.secret
    case 'certify':
      return payload.signature
    case 'test':
      return encodeSigningMessage(payload.message)
    default:
      return unreachable(payload)
  }
}

/** @throws DecodeError */
export function decodeDkgMessage(bytes: Uint8Array): DkgMessage {
  return decodeAll(bytes, (reader) => {
    const code = reader.u8()
    const attempt = reader.u32()
    if (attempt === 0) throw new DecodeError('attempts count from 1')
    const header = { attempt, context: reader.bytes(32) }
    switch (code) {
      case CODES.deal: {
        const commitments = reader.list(MAX_MEMBERS, (r) => r.bytes(33))
        const dealing = { commitments, proof: reader.bytes(64) }
        return { ...header, payload: { kind: 'deal', dealing } }
      }
      case CODES.echo:
        return { ...header, payload: { kind: 'echo', deals: readDeals(reader) } }
      case CODES.share:
        return { ...header, payload: { kind: 'share', secret: reader.bytes(32) } }
      case CODES.certify:
        return { ...header, payload: { kind: 'certify', signature: reader.bytes(64) } }
      case CODES.test: {
        const message = decodeSigningMessage(reader.bytes(reader.remaining))
        return { ...header, payload: { kind: 'test', message } }
      }
      default:
        throw new DecodeError(`unknown key generation message ${code}`)
    }
  })
}

function readDeals(reader: ByteReader): readonly Uint8Array[] {
  return reader.list(MAX_MEMBERS, (r) => r.varBytes(MAX_SEALED_DEAL_BYTES))
}

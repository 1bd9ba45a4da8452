/**
 * What validators say to each other: one codec for the direct streams and the gossip topics.
 *
 *   HELLO        first frame of a link: whose link it is
 *   PROPOSE      a block with its justification; the leader's notarize vote authenticates it
 *   VOTE         one vote, once, when it is cast
 *   ENTER        the certificates that move a peer to a view
 *   STATUS       where the sender is; in full, also what it holds of its view
 *   GET-BLOCK, BLOCK   a body by its hash
 *   DECIDED      a final block with its certificate
 *   EVIDENCE     two votes that contradict each other
 *   TRANSACTIONS opaque here
 *
 * Every message is a kind byte and a body; every list is bounded before anything is allocated.
 * Height and view of a proposal are its vote's. Decoding checks form; `verify-message.ts` checks
 * signatures. Not here: compact proposals, the topics' envelopes.
 */

import {
  type ByteReader,
  type ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
} from '../primitives/codec.ts'
import {
  type BlockHash,
  type Hash32,
  hashToBytes,
  readBlockHash,
  readHash32,
  writeHash32,
  writeReversed,
  type XOnlyKey,
  xOnlyKeyFromBytes,
} from '../primitives/hashes.ts'
import { type Certificate, readCertificate, writeCertificate } from './certificate.ts'
import { type Evidence, writeEvidence } from './evidence.ts'
import { type Justification, readJustification, writeJustification } from './justification.ts'
import { MAX_VALIDATORS } from './validator-set.ts'
import { readVote, SIGNATURE_BYTES, type Vote, writeVote } from './votes.ts'

export interface HelloMessage {
  readonly kind: 'hello'
  readonly chainId: Hash32
  readonly validatorKey: XOnlyKey
  /** libp2p peer id, its text form. The transport has proved it. */
  readonly peerId: string
  /** The highest one seen wins. */
  readonly sequence: number
  /** BIP340 over `helloDigest`. */
  readonly signature: Uint8Array
}

export interface ProposeMessage {
  readonly kind: 'propose'
  readonly block: Uint8Array
  readonly justification: Justification
  /** The leader's notarize: it carries height, view and block hash. */
  readonly leaderVote: Vote
}

interface VoteMessage {
  readonly kind: 'vote'
  readonly vote: Vote
}

export interface EnterMessage {
  readonly kind: 'enter'
  readonly height: number
  readonly view: number
  readonly certificates: readonly Certificate[]
}

/** What the sender of a STATUS holds at its height; bitmaps are about its view. */
export interface StatusDetail {
  readonly notarize: Uint8Array
  readonly nullify: Uint8Array
  /** Finalize votes of every view of the height. */
  readonly finalize: readonly { readonly view: number; readonly signer: number }[]
  readonly hasProposal: boolean
  readonly hasNotarization: boolean
}

export interface StatusMessage {
  readonly kind: 'status'
  readonly height: number
  readonly view: number
  /** Present in the full form, which asks for what is missing. */
  readonly detail?: StatusDetail
}

export interface GetBlockMessage {
  readonly kind: 'get-block'
  readonly height: number
  readonly hash: BlockHash
}

export interface BlockMessage {
  readonly kind: 'block'
  readonly height: number
  readonly block: Uint8Array
}

interface DecidedMessage {
  readonly kind: 'decided'
  readonly block: Uint8Array
  readonly certificate: Certificate
}

interface EvidenceMessage extends Evidence {
  readonly kind: 'evidence'
}

interface TransactionsMessage {
  readonly kind: 'transactions'
  readonly transactions: readonly Uint8Array[]
}

export type Message =
  | HelloMessage
  | ProposeMessage
  | VoteMessage
  | EnterMessage
  | StatusMessage
  | GetBlockMessage
  | BlockMessage
  | DecidedMessage
  | EvidenceMessage
  | TransactionsMessage

/** Room for the largest block of the chain's rules, 2.01 MB. */
export const MAX_BLOCK_MESSAGE_BYTES = 2_100_000
export const MAX_ENTER_CERTIFICATES = 64
export const MAX_STATUS_FINALIZE = 1_024
export const MAX_TRANSACTIONS = 1_000
/** Bitcoin's standard limit, with room for a witness. */
export const MAX_TRANSACTION_BYTES = 400_000
const MAX_BITMAP_BYTES = MAX_VALIDATORS / 8
const MAX_PEER_ID_BYTES = 128

type Codec<M extends Message> = {
  readonly code: number
  readonly write: (writer: ByteWriter, message: M) => void
  readonly read: (reader: ByteReader) => M
}

const hello: Codec<HelloMessage> = {
  code: 1,
  write(writer, message) {
    writeHelloFields(writer, message)
    writer.bytes(message.signature)
  },
  read: (reader) => ({
    kind: 'hello',
    chainId: readHash32(reader),
    validatorKey: xOnlyKeyFromBytes(reader.bytes(32)),
    peerId: reader.utf8(MAX_PEER_ID_BYTES),
    sequence: reader.safeU64(),
    signature: reader.bytes(SIGNATURE_BYTES).slice(),
  }),
}

const propose: Codec<ProposeMessage> = {
  code: 2,
  write(writer, message) {
    writeVote(writer, message.leaderVote)
    writeJustification(writer, message.justification)
    writer.varBytes(message.block)
  },
  read(reader) {
    const leaderVote = readVote(reader)
    if (leaderVote.type !== 'notarize') throw new DecodeError('a proposal is a notarize vote')
    const justification = readJustification(reader)
    return {
      kind: 'propose',
      leaderVote,
      justification,
      block: reader.varBytes(MAX_BLOCK_MESSAGE_BYTES),
    }
  },
}

const vote: Codec<VoteMessage> = {
  code: 3,
  write: (writer, message) => writeVote(writer, message.vote),
  read: (reader) => ({ kind: 'vote', vote: readVote(reader) }),
}

const enter: Codec<EnterMessage> = {
  code: 4,
  write(writer, message) {
    writer.safeU64(message.height).u32(message.view)
    writer.list(message.certificates, writeCertificate)
  },
  read: (reader) => ({
    kind: 'enter',
    height: reader.safeU64(),
    view: reader.u32(),
    certificates: reader.list(MAX_ENTER_CERTIFICATES, readCertificate),
  }),
}

const status: Codec<StatusMessage> = {
  code: 5,
  write(writer, message) {
    writer.safeU64(message.height).u32(message.view)
    const { detail } = message
    writer.bool(detail !== undefined)
    if (detail === undefined) return
    writer.varBytes(detail.notarize).varBytes(detail.nullify)
    writer.list(detail.finalize, (out, item) => out.u32(item.view).u16(item.signer))
    writer.bool(detail.hasProposal).bool(detail.hasNotarization)
  },
  read(reader) {
    const place = { kind: 'status' as const, height: reader.safeU64(), view: reader.u32() }
    if (!reader.bool()) return place
    const detail: StatusDetail = {
      notarize: reader.varBytes(MAX_BITMAP_BYTES).slice(),
      nullify: reader.varBytes(MAX_BITMAP_BYTES).slice(),
      finalize: reader.list(MAX_STATUS_FINALIZE, (item) => ({
        view: item.u32(),
        signer: item.u16(),
      })),
      hasProposal: reader.bool(),
      hasNotarization: reader.bool(),
    }
    return { ...place, detail }
  },
}

const getBlock: Codec<GetBlockMessage> = {
  code: 6,
  write(writer, message) {
    writer.safeU64(message.height)
    writeReversed(writer, message.hash)
  },
  read: (reader) => ({
    kind: 'get-block',
    height: reader.safeU64(),
    hash: readBlockHash(reader),
  }),
}

const block: Codec<BlockMessage> = {
  code: 7,
  write: (writer, message) => writer.safeU64(message.height).varBytes(message.block),
  read: (reader) => ({
    kind: 'block',
    height: reader.safeU64(),
    block: reader.varBytes(MAX_BLOCK_MESSAGE_BYTES),
  }),
}

const decided: Codec<DecidedMessage> = {
  code: 8,
  write(writer, message) {
    writeCertificate(writer, message.certificate)
    writer.varBytes(message.block)
  },
  read(reader) {
    const certificate = readCertificate(reader)
    if (certificate.type !== 'finalize') throw new DecodeError('not a finality certificate')
    return { kind: 'decided', certificate, block: reader.varBytes(MAX_BLOCK_MESSAGE_BYTES) }
  },
}

const evidence: Codec<EvidenceMessage> = {
  code: 9,
  write: writeEvidence,
  // In either order: whoever keeps it puts it right.
  read: (reader) => ({ kind: 'evidence', first: readVote(reader), second: readVote(reader) }),
}

const transactions: Codec<TransactionsMessage> = {
  code: 10,
  write: (writer, message) =>
    writer.list(message.transactions, (out, transaction) => out.varBytes(transaction)),
  read: (reader) => ({
    kind: 'transactions',
    transactions: reader.list(MAX_TRANSACTIONS, (item) => item.varBytes(MAX_TRANSACTION_BYTES)),
  }),
}

const READERS = new Map<number, (reader: ByteReader) => Message>(
  [hello, propose, vote, enter, status, getBlock, block, decided, evidence, transactions].map(
    (codec) => [codec.code, codec.read],
  ),
)

export function encodeMessage(message: Message): Uint8Array {
  return encodeWith((writer) => writeMessage(writer, message))
}

function writeMessage(writer: ByteWriter, message: Message): void {
  switch (message.kind) {
    case 'hello':
      return hello.write(writer.u8(hello.code), message)
    case 'propose':
      return propose.write(writer.u8(propose.code), message)
    case 'vote':
      return vote.write(writer.u8(vote.code), message)
    case 'enter':
      return enter.write(writer.u8(enter.code), message)
    case 'status':
      return status.write(writer.u8(status.code), message)
    case 'get-block':
      return getBlock.write(writer.u8(getBlock.code), message)
    case 'block':
      return block.write(writer.u8(block.code), message)
    case 'decided':
      return decided.write(writer.u8(decided.code), message)
    case 'evidence':
      return evidence.write(writer.u8(evidence.code), message)
    case 'transactions':
      return transactions.write(writer.u8(transactions.code), message)
  }
}

/** @throws DecodeError for anything but one whole, well-formed message. */
export function decodeMessage(bytes: Uint8Array): Message {
  return decodeAll(bytes, (reader) => {
    const read = READERS.get(reader.u8())
    if (read === undefined) throw new DecodeError('unknown message kind')
    return read(reader)
  })
}

/** Everything of a HELLO that its signature covers. */
export function writeHelloFields(
  writer: ByteWriter,
  message: Omit<HelloMessage, 'kind' | 'signature'>,
): void {
  writeHash32(writer, message.chainId)
  writer.bytes(hashToBytes(message.validatorKey)).utf8(message.peerId).safeU64(message.sequence)
}

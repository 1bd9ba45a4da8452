/**
 * What binds a block's extension to its validators' certificate: the header, the coinbase with its
 * Merkle proof, and the extension that the coinbase commits to. Part of every proof for light clients;
 * nothing here needs Node.
 */

import { type BlockHeader, decodeHeader, encodeHeader, HEADER_BYTES } from '../bitcoin/header.ts'
import {
  buildMerkleProof,
  type MerkleProof,
  readMerkleProof,
  verifyMerkleProof,
  writeMerkleProof,
} from '../bitcoin/merkle.ts'
import {
  encodeTransactionWithoutWitness,
  isCoinbase,
  readTransaction,
  type Transaction,
  transactionId,
} from '../bitcoin/transaction.ts'
import { type Certificate, readCertificate, writeCertificate } from '../consensus/certificate.ts'
import { type ValidatorSet, validatorSetHash } from '../consensus/validator-set.ts'
import { present } from '../primitives/assert.ts'
import {
  type ByteReader,
  type ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
} from '../primitives/codec.ts'
import type { BlockHash, Hash32 } from '../primitives/hashes.ts'
import { type Rejection, type Result, reject } from '../primitives/result.ts'
import type { Block } from './block.ts'
import { commitsToExtension } from './coinbase.ts'
import { type BlockExtension, extensionHash, readExtension, writeExtension } from './extension.ts'
import { checkFinality } from './finality.ts'

/** Binds an extension to a certificate. */
export interface BlockEvidence {
  readonly header: BlockHeader
  readonly certificate: Certificate
  /** Its witness, which says nothing here, is not part of the proof. */
  readonly coinbase: Transaction
  /** Of the coinbase. */
  readonly merkle: MerkleProof
  readonly extension: BlockExtension
}

/** Without its witness a transaction weighs four units a byte. */
const COINBASE_BYTES_MAX = 250_000
const CERTIFICATE_BYTES_MAX = 20_000

export function buildBlockEvidence(block: Block, certificate: Certificate): BlockEvidence {
  return {
    header: block.header,
    certificate,
    coinbase: present(block.transactions[0], 'coinbase'),
    merkle: buildMerkleProof(block.transactions.map(transactionId), 0),
    extension: block.extension,
  }
}

export function writeBlockEvidence(writer: ByteWriter, block: BlockEvidence): void {
  writer.bytes(encodeHeader(block.header))
  writer.varBytes(encodeWith((w) => writeCertificate(w, block.certificate)))
  writer.varBytes(encodeTransactionWithoutWitness(block.coinbase))
  writeMerkleProof(writer, block.merkle)
  writeExtension(writer, block.extension)
}

/** @throws DecodeError */
export function readBlockEvidence(reader: ByteReader): BlockEvidence {
  return {
    header: decodeHeader(reader.bytes(HEADER_BYTES)),
    certificate: decodeAll(reader.varBytes(CERTIFICATE_BYTES_MAX), readCertificate),
    coinbase: decodeAll(reader.varBytes(COINBASE_BYTES_MAX), readBareTransaction),
    merkle: readMerkleProof(reader),
    extension: readExtension(reader),
  }
}

function readBareTransaction(reader: ByteReader): Transaction {
  const transaction = readTransaction(reader)
  if (transaction.inputs.some(({ witness }) => witness.length > 0)) {
    throw new DecodeError('a coinbase with its witness')
  }
  return transaction
}

/** Certificate → header → coinbase → extension, under the validators that it must be of. */
export function checkBlockEvidence(
  chainId: Hash32,
  set: ValidatorSet,
  block: BlockEvidence,
): Result<BlockHash, Rejection> {
  const { header, coinbase, merkle, extension, certificate } = block
  const final = checkFinality(chainId, set, header, certificate)
  if (!final.ok) return final
  if (!isCoinbase(coinbase) || merkle.position !== 0) return reject('proof-coinbase')
  if (!verifyMerkleProof(transactionId(coinbase), merkle, header.merkleRoot)) {
    return reject('proof-coinbase', 'invalid', 'it is not in the block')
  }
  if (!commitsToExtension(coinbase, extensionHash(extension))) return reject('proof-extension')
  if (extension.height !== certificate.height) {
    return reject('proof-extension', 'invalid', 'the certificate is for another height')
  }
  return extension.validatorSetHash === validatorSetHash(set)
    ? final
    : reject('proof-validator-set')
}

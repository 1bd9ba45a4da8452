/**
 * A change of members, as the current validators approve it: the members of the next epoch, who make a
 * new group key among themselves and, once that key has proved itself, are the validators as well.
 *
 *     digest = TH('causeway/member-change', chainId ‖ current set hash ‖ epoch u32be ‖ t u8 ‖ n u8 ‖ keys)
 *
 * Every change takes an epoch number of its own, the next one that was never used, so what was approved
 * once cannot be used again, and of two changes for one number only one can ever be in the chain. A change
 * that replaces one under way has the next number. Leaves out the rules over the state
 * (`connect-member-change.ts`) and how approvals are collected.
 */

import { faultTolerance, quorumSize } from '../consensus/quorum.ts'
import { checkValidatorSet, MAX_VALIDATORS } from '../consensus/validator-set.ts'
import {
  type ByteReader,
  type ByteWriter,
  DecodeError,
  decodeAll,
  encodeWith,
} from '../primitives/codec.ts'
import {
  type Hash32,
  hashToBytes,
  writeHash32,
  type XOnlyKey,
  xOnlyKeyFromBytes,
} from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { verifySchnorr } from '../primitives/secp256k1.ts'
import { taggedHash } from '../primitives/sha256.ts'
import { MAX_MEMBERS } from './peg/key-epoch-announcement.ts'

/** Fewer cannot bear one faulty member. */
export const MIN_MEMBERS = 4

/** What is approved. */
export interface MemberChangeTerms {
  /** Of the key and of the validator set that the change leads to. */
  readonly epoch: number
  /** FROST threshold of the new key. */
  readonly threshold: number
  /** Validator keys; the order gives validator indexes and FROST identifiers. */
  readonly members: readonly XOnlyKey[]
}

export interface Approval {
  /** Index in the set that approves. */
  readonly signer: number
  /** BIP340 over `memberChangeDigest`, 64 bytes. */
  readonly signature: Uint8Array
}

export interface MemberChange extends MemberChangeTerms {
  /** Ascending by signer. */
  readonly approvals: readonly Approval[]
}

/** Who approves. */
export interface ApprovalContext {
  readonly chainId: Hash32
  /** `validatorSetHash` of the current validators. */
  readonly setHash: Hash32
  /** Their keys, in order. */
  readonly validators: readonly XOnlyKey[]
}

/** The 32 bytes that a current validator signs. */
export function memberChangeDigest(
  context: Pick<ApprovalContext, 'chainId' | 'setHash'>,
  terms: MemberChangeTerms,
): Uint8Array {
  const data = encodeWith((writer) => {
    writeHash32(writer, context.chainId)
    writeHash32(writer, context.setHash)
    writer.u32be(terms.epoch).u8(terms.threshold).u8(terms.members.length)
    for (const key of terms.members) writer.bytes(hashToBytes(key))
  })
  return taggedHash('causeway/member-change', data)
}

/** Can these members with this threshold be a federation? The rule that genesis files follow, too. */
export function checkMemberTerms(
  terms: Pick<MemberChangeTerms, 'threshold' | 'members'>,
): Result<void, Rejection> {
  const { members, threshold } = terms
  if (members.length < MIN_MEMBERS || members.length > MAX_MEMBERS) {
    return reject('member-count', 'invalid', `${members.length} members`)
  }
  const keys = checkValidatorSet({ epoch: 0, keys: members })
  if (!keys.ok) return keys
  // With f faulty members, f must not be able to sign and n − f must.
  const faulty = faultTolerance(members.length)
  if (threshold <= faulty || threshold > members.length - faulty) {
    return reject('member-threshold', 'invalid', `${threshold} of ${members.length}`)
  }
  return ok(undefined)
}

/** True when this one approval is by its signer and about these terms. */
export function verifyApproval(
  context: ApprovalContext,
  terms: MemberChangeTerms,
  { signer, signature }: Approval,
): boolean {
  const key = context.validators[signer]
  if (key === undefined || signature.length !== 64) return false
  return verifySchnorr(signature, memberChangeDigest(context, terms), hashToBytes(key))
}

/** The terms are possible, and a quorum of the current validators approves: n − f, each once. */
export function checkMemberChange(
  context: ApprovalContext,
  change: MemberChange,
): Result<void, Rejection> {
  const terms = checkMemberTerms(change)
  if (!terms.ok) return terms
  const { approvals } = change
  if (approvals.some(({ signer }, i) => i > 0 && signer <= (approvals[i - 1]?.signer ?? -1))) {
    return reject('member-approval-order')
  }
  if (approvals.length < quorumSize(context.validators.length)) {
    return reject('member-approvals-missing', 'invalid', `${approvals.length} approvals`)
  }
  const isApproved = approvals.every((approval) => verifyApproval(context, change, approval))
  return isApproved ? ok(undefined) : reject('member-approval')
}

export function writeMemberChange(writer: ByteWriter, change: MemberChange): void {
  writer.u32(change.epoch).u8(change.threshold)
  writer.list(change.members, (w, key) => w.bytes(hashToBytes(key)))
  writer.list(change.approvals, (w, { signer, signature }) => w.u16(signer).bytes(signature))
}

/** @throws DecodeError */
export function readMemberChange(reader: ByteReader): MemberChange {
  const epoch = reader.u32()
  const threshold = reader.u8()
  const members = reader.list(MAX_MEMBERS, (r) => xOnlyKeyFromBytes(r.bytes(32)))
  const approvals = reader.list(MAX_VALIDATORS, (r) => ({
    signer: r.u16(),
    signature: r.bytes(64).slice(),
  }))
  if (members.length === 0) throw new DecodeError('a change to no members')
  return { epoch, threshold, members, approvals }
}

export function encodeMemberChange(change: MemberChange): Uint8Array {
  return encodeWith((writer) => writeMemberChange(writer, change))
}

/** @throws DecodeError */
export function decodeMemberChange(bytes: Uint8Array): MemberChange {
  return decodeAll(bytes, readMemberChange)
}

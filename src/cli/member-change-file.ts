/**
 * The file by which operators agree on a change of members: what is to be, under which validators, and
 * the approvals so far. It says everything that an approval signs, so it is checked without a node;
 * whether it is about the present validators, only a node can say.
 */

import { z } from 'zod'
import {
  type Approval,
  type ApprovalContext,
  checkMemberTerms,
  type MemberChange,
  type MemberChangeTerms,
  memberChangeDigest,
  verifyApproval,
} from '../chain/member-change.ts'
import { hashOfSet } from '../chain/validators.ts'
import { quorumSize } from '../consensus/quorum.ts'
import { bytesToHex, hexToBytes, isHex } from '../primitives/bytes.ts'
import { toHash32, toXOnlyKey, type XOnlyKey } from '../primitives/hashes.ts'
import { usageError } from './cli-error.ts'
import { readJsonFile } from './json-file.ts'

const key = z.string().refine((text) => isHex(text, 32), 'not a validator key')
const keys = z.array(key).min(1).max(256)

const fileSchema = z.strictObject({
  version: z.literal(1),
  chainId: key,
  /** Who approves: the present validators. */
  validators: z.strictObject({ epoch: z.number().int().min(0), keys }),
  epoch: z.number().int().min(1).max(0xffff_ffff),
  threshold: z.number().int().min(1).max(255),
  members: keys,
  approvals: z
    .array(
      z.strictObject({
        signer: z.number().int().min(0).max(255),
        signature: z.string().refine((text) => isHex(text, 64), 'not a signature'),
      }),
    )
    .max(256),
})

export type MemberChangeFile = z.infer<typeof fileSchema>

/** @throws CliError when the file cannot be read, says nonsense, or has an approval that is none. */
export async function readMemberChangeFile(path: string): Promise<MemberChangeFile> {
  const parsed = fileSchema.safeParse(await readJsonFile(path))
  if (!parsed.success) {
    throw usageError(`${path} is not a change of members: ${z.prettifyError(parsed.error)}`)
  }
  const file = parsed.data
  const { members, threshold } = termsOf(file)
  const possible = checkMemberTerms({ members, threshold })
  if (!possible.ok) {
    throw usageError(`${path} is impossible: ${possible.error.detail ?? possible.error.code}`)
  }
  for (const approval of changeOf(file).approvals) {
    if (verifyApproval(contextOf(file), termsOf(file), approval)) continue
    throw usageError(`${path}: the approval of validator ${approval.signer} is not good`)
  }
  return file
}

export function formatMemberChangeFile(file: MemberChangeFile): string {
  return `${JSON.stringify(file, undefined, 2)}\n`
}

export function termsOf(file: MemberChangeFile): MemberChangeTerms {
  const { epoch, threshold, members } = file
  return { epoch, threshold, members: members.map(toXOnlyKey) }
}

export function contextOf(file: MemberChangeFile): ApprovalContext {
  const validators = file.validators.keys.map(toXOnlyKey)
  const setHash = hashOfSet({ epoch: file.validators.epoch, keys: validators })
  return { chainId: toHash32(file.chainId), setHash, validators }
}

export function changeOf(file: MemberChangeFile): MemberChange {
  const approvals = file.approvals.map(
    ({ signer, signature }): Approval => ({ signer, signature: hexToBytes(signature) }),
  )
  return { ...termsOf(file), approvals: approvals.toSorted((a, b) => a.signer - b.signer) }
}

/** Approvals still missing, at least. */
export function missingApprovals(file: MemberChangeFile): number {
  return Math.max(0, quorumSize(file.validators.keys.length) - file.approvals.length)
}

/** The file with one validator's approval. @throws CliError when its key has no say. */
export function withApproval(
  file: MemberChangeFile,
  publicKey: XOnlyKey,
  sign: (digest: Uint8Array) => Uint8Array,
): MemberChangeFile {
  const signer = file.validators.keys.indexOf(publicKey)
  if (signer === -1) {
    throw usageError(`the validator key ${publicKey} is not among those who approve this change`)
  }
  const signature = bytesToHex(sign(memberChangeDigest(contextOf(file), termsOf(file))))
  return joinApprovals(file, [{ signer, signature }])
}

/** The same change with the approvals of several copies. @throws CliError for another change. */
export function mergeFiles(files: readonly MemberChangeFile[]): MemberChangeFile {
  const [first, ...others] = files
  if (first === undefined) throw usageError('name a file with a change of members')
  return others.reduce((merged, file) => {
    const same = formatMemberChangeFile({ ...merged, approvals: [] })
    if (formatMemberChangeFile({ ...file, approvals: [] }) !== same) {
      throw usageError('the files are about different changes')
    }
    return joinApprovals(merged, file.approvals)
  }, first)
}

function joinApprovals(
  file: MemberChangeFile,
  added: MemberChangeFile['approvals'],
): MemberChangeFile {
  const bySigner = new Map([...file.approvals, ...added].map((each) => [each.signer, each]))
  return { ...file, approvals: [...bySigner.values()].toSorted((a, b) => a.signer - b.signer) }
}

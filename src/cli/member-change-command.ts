/**
 * `causeway federation propose-members | approve | submit`: a change of members as a file that goes from
 * operator to operator. Whoever approves signs with the validator key of a home; any node takes the result.
 */

import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { checkMemberTerms } from '../chain/member-change.ts'
import { quorumSize } from '../consensus/quorum.ts'
import { isHex } from '../primitives/bytes.ts'
import { toXOnlyKey } from '../primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../primitives/secp256k1.ts'
import { writeFileDurably } from '../storage/durable-file.ts'
import { parseWhole } from './arguments.ts'
import { CliError, usageError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, type CommandContext, handle } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { readJsonFile } from './json-file.ts'
import {
  contextOf,
  formatMemberChangeFile,
  type MemberChangeFile,
  mergeFiles,
  missingApprovals,
  readMemberChangeFile,
  withApproval,
} from './member-change-file.ts'
import { openNodeHome } from './node/node-home.ts'
import { fields } from './output.ts'
import { confirm } from './spend.ts'

export function addMemberChangeCommands(federation: Command, io: CliIo): void {
  const propose = federation
    .command('propose-members')
    .description('write a change of members for the validators to approve')
    .option('--add <key...>', 'validator keys to let in', [])
    .option('--remove <key...>', 'validator keys to let go', [])
    .option('--members <file>', 'all new members instead, as a JSON list of validator keys')
    .option('--threshold <count>', 'shares that sign; default: as many as agree on a block')
    .requiredOption('--out <file>', 'a new file')
  handle(propose, io, runPropose)

  const approve = federation
    .command('approve')
    .description('sign a change of members with the validator key of this home')
    .argument('<file>', 'from propose-members; the approval is added to it')
    .option('--offline', 'do not ask the node whether it is about the present validators')
    .option('--yes', 'do not ask')
  handle(approve, io, runApprove)

  const submit = federation
    .command('submit')
    .description('hand an approved change of members to a node')
    .argument('<file...>', 'the change, or several copies with approvals')
  handle(submit, io, runSubmit)
}

const proposeOptions = z.object({
  add: z.array(z.string()),
  remove: z.array(z.string()),
  members: z.string().optional(),
  threshold: z.string().optional(),
  out: z.string(),
})

async function runPropose({ context, options }: CommandCall): Promise<void> {
  const chosen = proposeOptions.parse(options)
  const [answer, status] = [await context.node.federation(), await context.node.status()]
  const present = answer.members.map(({ publicKey }) => publicKey)
  const members = await newMembers(chosen, present)
  const threshold =
    chosen.threshold === undefined
      ? quorumSize(members.length)
      : parseWhole(chosen.threshold, 'the threshold', { min: 1, max: 100 })
  const possible = checkMemberTerms({ members: members.map(toXOnlyKey), threshold })
  if (!possible.ok) {
    const { code, detail } = possible.error
    throw usageError(`these cannot be the members: ${detail ?? code}`, HINTS[code])
  }
  const file: MemberChangeFile = {
    version: 1,
    chainId: status.chainId,
    validators: { epoch: answer.epoch, keys: present },
    epoch: answer.nextEpoch,
    threshold,
    members: [...members],
    approvals: [],
  }
  if (contextOf(file).setHash !== answer.setHash) throw wrongSet()
  await writeNew(chosen.out, formatMemberChangeFile(file))
  showFile(context, chosen.out, file, `causeway federation approve ${chosen.out}`)
}

const HINTS: Readonly<Record<string, string | undefined>> = {
  'member-count': 'a federation has 4 to 100 members',
  'member-threshold': 'of n members, f of which may fail, more than f and at most n − f sign',
}

async function newMembers(
  chosen: z.infer<typeof proposeOptions>,
  present: readonly string[],
): Promise<readonly string[]> {
  if (chosen.members !== undefined) {
    if (chosen.add.length + chosen.remove.length > 0) {
      throw usageError('--members names all of them: leave out --add and --remove')
    }
    const parsed = z
      .array(z.string())
      .max(100)
      .safeParse(await readJsonFile(chosen.members))
    if (!parsed.success) throw usageError(`${chosen.members} is not a JSON list of validator keys`)
    return parsed.data.map(parseKey)
  }
  const [added, removed] = [chosen.add.map(parseKey), chosen.remove.map(parseKey)]
  const stranger = removed.find((key) => !present.includes(key))
  if (stranger !== undefined) throw usageError(`not a member: ${stranger}`)
  const known = added.find((key) => present.includes(key))
  if (known !== undefined) throw usageError(`a member already: ${known}`)
  if (added.length + removed.length === 0) throw usageError('nothing to change', 'use --add KEY')
  return [...present.filter((key) => !removed.includes(key)), ...added]
}

function parseKey(text: string): string {
  const key = text.toLowerCase()
  if (isHex(key, 32)) return key
  throw usageError(`not a validator key, 64 hex digits: ${text}`, 'see: causeway node init')
}

async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(resolve(path), text, { flag: 'wx' })
  } catch (cause) {
    const isThere = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
    throw new CliError(
      EXIT.failed,
      isThere ? 'file-exists' : 'unwritable-file',
      isThere ? `${path} exists already` : `cannot write ${path}: ${String(cause)}`,
      { cause },
    )
  }
}

const approveOptions = z.object({
  offline: z.boolean().default(false),
  yes: z.boolean().default(false),
})

async function runApprove({ context, args, options }: CommandCall): Promise<void> {
  const chosen = approveOptions.parse(options)
  const path = args[0] ?? ''
  const file = await readMemberChangeFile(path)
  const home = await openNodeHome(join(context.home, 'node'), context.io.env)
  const secret = home.validatorSecret
  if (secret === undefined) throw usageError(`${home.path} has no validator key`)
  if (!chosen.offline) await requirePresent(context, file)
  context.output.progress(describeChange(file))
  await confirm(context, 'Approve this change of members?', chosen.yes)
  const approved = withApproval(file, xOnlyPublicKey(secret), (digest) =>
    signSchnorr(digest, secret, context.io.random.bytes(32)),
  )
  await writeFileDurably(
    resolve(path),
    new TextEncoder().encode(formatMemberChangeFile(approved)),
    0o644,
  )
  const missing = missingApprovals(approved)
  showFile(
    context,
    path,
    approved,
    missing > 0 ? moreApprovals(missing) : `causeway federation submit ${path}`,
  )
}

/** @throws CliError exit 9 unless the file is about the node's present validators and next epoch. */
async function requirePresent(context: CommandContext, file: MemberChangeFile): Promise<void> {
  const [answer, status] = [await context.node.federation(), await context.node.status()]
  if (status.chainId !== file.chainId) {
    throw new CliError(EXIT.verificationFailed, 'wrong-chain', 'the change is about another chain')
  }
  if (contextOf(file).setHash !== answer.setHash || file.epoch !== answer.nextEpoch)
    throw wrongSet()
}

function wrongSet(): CliError {
  return new CliError(
    EXIT.verificationFailed,
    'wrong-validators',
    'the change is not about the present validators and the next epoch',
    { hint: 'propose it again: causeway federation propose-members' },
  )
}

async function runSubmit({ context, args }: CommandCall): Promise<void> {
  const files: MemberChangeFile[] = []
  for (const path of args) files.push(await readMemberChangeFile(path))
  const merged = mergeFiles(files)
  const missing = missingApprovals(merged)
  if (missing > 0) {
    throw new CliError(
      EXIT.rejected,
      'member-approvals-missing',
      `${moreApprovals(missing)} wanted`,
      {
        hint: 'causeway federation approve FILE, on the machines of other validators',
      },
    )
  }
  const { epoch, threshold, members, approvals } = merged
  await context.node.submitMemberChange({ epoch, threshold, members, approvals })
  context.output.result({ accepted: true, epoch }, () =>
    [
      `the change to epoch ${epoch} is on its way into a block`,
      'follow it: causeway federation epochs',
    ].join('\n'),
  )
}

function moreApprovals(missing: number): string {
  return missing === 1 ? '1 more approval' : `${missing} more approvals`
}

function describeChange(file: MemberChangeFile): string {
  const before = new Set(file.validators.keys)
  const after = new Set(file.members)
  return [
    `epoch ${file.epoch}: ${file.members.length} members, ${file.threshold} sign`,
    ...file.members.filter((key) => !before.has(key)).map((key) => `  in:  ${key}`),
    ...file.validators.keys.filter((key) => !after.has(key)).map((key) => `  out: ${key}`),
  ].join('\n')
}

function showFile(
  context: CommandContext,
  path: string,
  file: MemberChangeFile,
  next: string,
): void {
  const approvals = file.approvals.map(({ signer }) => signer)
  context.output.result({ file: resolve(path), ...file }, () =>
    [
      describeChange(file),
      fields([
        ['approved by', approvals.length === 0 ? 'nobody yet' : approvals.join(', ')],
        ['next', next],
      ]),
    ].join('\n'),
  )
}

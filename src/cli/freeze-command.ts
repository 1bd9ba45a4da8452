/**
 * `causeway federation freeze`, `unfreeze`, `vote` and `status`: a validator's vote to stop the payment
 * of releases. The vote is signed here, with the validator's key and the genesis file, and any node
 * takes it; so it can also be signed on a machine without a network.
 */

import { join } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { chainId } from '../../genesis/network.ts'
import { encodeFreezeVote, freezeVoteDigest } from '../chain/peg/freeze-vote.ts'
import { bytesToHex } from '../primitives/bytes.ts'
import { type Hash32, toXOnlyKey } from '../primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../primitives/secp256k1.ts'
import { parseWhole } from './arguments.ts'
import { chainIdentity } from './chain-identity.ts'
import { CliError, usageError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, type CommandContext, handle } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { homePaths, readGenesis, readSecret } from './node/node-home.ts'
import type { NodeStatus, PegLimits } from './node-answers.ts'
import { btc, fields, table, utcTime } from './output.ts'
import { pegState } from './peg-state.ts'

const SERIAL_MAX = 0xffff_ffff

export function addFreezeCommands(group: Command, io: CliIo): void {
  const freeze = group
    .command('freeze')
    .description('vote to stop the payment of releases; this member signs nothing more at once')
  handle(addVoteOptions(freeze), io, (call) => vote(call, true))
  const unfreeze = group
    .command('unfreeze')
    .description('vote to let releases be paid again; it takes a quorum as well')
  handle(addVoteOptions(unfreeze), io, (call) => vote(call, false))
  const send = group
    .command('vote')
    .description('send a vote that was signed with --sign-only')
    .argument('<hex>', 'the signed vote')
  handle(send, io, sendVote)
  const status = group
    .command('status')
    .description('freeze votes, and the limits on what leaves to L1')
  handle(status, io, showStatus)
}

function addVoteOptions(command: Command): Command {
  return command
    .option(
      '--key <file>',
      'the validator key; by default keys/validator.key of the node in --home',
    )
    .option('--genesis <file>', 'the genesis file; needed with --sign-only')
    .option('--serial <number>', 'above that of the last vote; by default the time')
    .option('--sign-only', 'ask no node: print the signed vote for "federation vote"')
}

const voteOptions = z.object({
  key: z.string().optional(),
  genesis: z.string().optional(),
  serial: z.string().optional(),
  signOnly: z.boolean().default(false),
})

async function vote({ context, options }: CommandCall, freeze: boolean): Promise<void> {
  const wanted = voteOptions.parse(options)
  const secret = await readSecret(wanted.key ?? homePaths(join(context.home, 'node')).validatorKey)
  const chain = await chainOf(context, wanted)
  const validator = toXOnlyKey(xOnlyPublicKey(secret))
  const index = chain.validators.indexOf(validator)
  if (index === -1 && !wanted.signOnly) {
    throw usageError('this key is none of the validators of today')
  }
  // The clock, not the node: a node that lies about the last vote could make all later ones void.
  const serial =
    wanted.serial === undefined
      ? Math.floor(context.io.clock.nowMs() / 1_000)
      : parseWhole(wanted.serial, '--serial', { min: 0, max: SERIAL_MAX })
  const wish = { serial, freeze }
  const signature = signSchnorr(
    freezeVoteDigest(chain.chainId, wish),
    secret,
    context.io.random.bytes(32),
  )
  const hex = bytesToHex(encodeFreezeVote({ ...wish, validator, signature }))
  const known = index === -1 ? null : index
  const result = { validator: known, publicKey: validator, ...wish, vote: hex }
  if (wanted.signOnly) {
    if (known === null) {
      context.output.progress('not a genesis validator: it counts if the key has joined since')
    }
    context.output.result({ ...result, sent: false }, () => hex)
    return
  }
  await context.node.submitFreezeVote(hex)
  context.output.result({ ...result, sent: true }, () =>
    fields([
      ['validator', String(index)],
      ['vote', freeze ? 'stop all releases' : 'let releases go on'],
      ['serial', String(serial)],
      ['follow it', 'causeway federation status'],
    ]),
  )
}

interface Chain {
  readonly chainId: Hash32
  /** Of today; without a node to ask, of the genesis. */
  readonly validators: readonly string[]
}

async function chainOf(
  context: CommandContext,
  { signOnly, genesis: path }: z.infer<typeof voteOptions>,
): Promise<Chain> {
  if (signOnly) {
    if (path === undefined) throw usageError('--sign-only needs --genesis <file>')
    const genesis = await readGenesis(path)
    return { chainId: chainId(genesis), validators: genesis.validators }
  }
  const identity = await chainIdentity(context, await context.node.status(), path)
  const { members } = await context.node.federation()
  return { chainId: identity.chainId, validators: members.map(({ publicKey }) => publicKey) }
}

async function sendVote({ context, args }: CommandCall): Promise<void> {
  const [hex = ''] = args
  if (!/^[0-9a-f]{2,400}$/.test(hex)) throw usageError('a vote is lower-case hex')
  await context.node.submitFreezeVote(hex)
  context.output.result({ sent: true }, () => 'the node has taken the vote')
}

async function showStatus({ context }: CommandCall): Promise<void> {
  const [status, peg] = await Promise.all([context.node.status(), context.node.peg()])
  requireQuorum(peg)
  context.output.result({ state: status.peg.state, ...peg }, () =>
    [describeFreeze(context, status, peg), '', describeLimits(peg), ...describeWaiting(peg)].join(
      '\n',
    ),
  )
}

/** What a node says about a quorum, it has to show. @throws CliError exit 9. */
function requireQuorum({ freeze }: PegLimits): void {
  if (new Set(freeze.votes.map(({ publicKey }) => publicKey)).size === freeze.votes.length) return
  throw new CliError(
    EXIT.verificationFailed,
    'bad-freeze-votes',
    'the node shows two votes of one validator',
    { hint: 'do not trust this node; try another with --api URL' },
  )
}

function describeFreeze(context: CommandContext, status: NodeStatus, peg: PegLimits): string {
  const { votes, quorum } = peg.freeze
  const stops = votes.filter((one) => one.freeze).length
  const state = pegState(status, peg)
  const rows = votes.map((one) => [
    String(one.validator),
    one.freeze ? 'freeze' : 'go on',
    String(one.serial),
    one.height === null ? 'waits for a block' : `height ${one.height}`,
    `${one.publicKey.slice(0, 16)}…`,
  ])
  return [
    fields([
      ['peg', context.output.paint(state.style, state.text)],
      ['votes to freeze', `${stops} of ${quorum} that decide`],
    ]),
    ...(rows.length === 0
      ? []
      : ['', table(['VALIDATOR', 'VOTE', 'SERIAL', 'IN THE CHAIN', 'KEY'], rows)]),
  ].join('\n')
}

function describeLimits({ outflow, largeReleases, l1Height }: PegLimits): string {
  const [next] = outflow.frees
  return fields([
    [
      'outflow cap',
      `${btc(outflow.capSats)} in ${outflow.windowL1Blocks} L1 blocks, ${btc(outflow.freeSats)} free`,
    ],
    [
      'more room',
      next === undefined ? undefined : `${btc(next.sats)} in ${next.l1Height - l1Height} L1 blocks`,
    ],
    [
      'large releases',
      `from ${btc(largeReleases.fromSats)} on: ${largeReleases.delayL1Blocks} L1 blocks later`,
    ],
  ])
}

function describeWaiting({ waiting, l1Height }: PegLimits): readonly string[] {
  if (waiting.length === 0) return []
  const rows = waiting.map(({ id, valueSats, wait }) => [
    String(id),
    btc(valueSats),
    wait.kind,
    wait.untilL1Height === null ? '-' : `${wait.untilL1Height - l1Height} L1 blocks`,
    wait.expectedTimeMs === null ? 'not known' : utcTime(Math.floor(wait.expectedTimeMs / 1_000)),
  ])
  return ['', table(['RELEASE', 'AMOUNT', 'WAITS FOR', 'STILL', 'EXPECTED ABOUT'], rows)]
}

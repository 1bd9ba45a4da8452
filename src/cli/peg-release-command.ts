/** `causeway peg withdraw-address` and `release`: the way back to L1. */

import type { Command } from 'commander'
import { z } from 'zod'
import { equalBytes } from '../primitives/bytes.ts'
import { type Sats, sats } from '../primitives/units.ts'
import { parseAmount, parseWhole } from './arguments.ts'
import { chainIdentity } from './chain-identity.ts'
import { CliError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, type CommandContext, handle } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import type { NodeStatus } from './node-answers.ts'
import { btc, duration, fields } from './output.ts'
import { deriveWithdrawAddress, verifyWithdrawAddress } from './peg-checks.ts'
import { qrBlock } from './qr-code.ts'
import { awaitRelease, releaseFields } from './release-progress.ts'
import { confirm, type PlannedSpend, planSpend, sendSpend, spendSummary } from './spend.ts'
import { addPayingOptions } from './wallet-send-command.ts'
import {
  DEFAULT_WALLET,
  openSession,
  requireSynced,
  scanWallet,
  statusForWallet,
} from './wallet-session.ts'

/** Releases wait for L1 blocks: an hour or so at the usual depths. */
const DEFAULT_TIMEOUT_SECONDS = '7200'
const MAX_TIMEOUT_SECONDS = 604_800

const FROZEN_NOTE =
  'the peg is frozen: the release will wait in the queue; see causeway federation status'

const addressOptions = z.object({ genesis: z.string().optional(), qr: z.boolean().optional() })

const releaseOptions = z.object({
  wallet: z.string().default(DEFAULT_WALLET),
  sats: z.boolean().default(false),
  feeRate: z.string().optional(),
  genesis: z.string().optional(),
  yes: z.boolean().default(false),
  dryRun: z.boolean().default(false),
  wait: z.boolean().default(false),
  timeout: z.string(),
})

export function addReleaseCommands(group: Command, io: CliIo): void {
  const address = group
    .command('withdraw-address')
    .description('the sidechain address whose payments leave for an L1 address; checked')
    .argument('<l1-address>', 'where the bitcoin shall go')
    .option('--genesis <file>', 'check against this genesis file instead of what the node serves')
    .option('--qr', 'show a QR code')
    .option('--no-qr', 'show none')
  handle(address, io, showWithdrawAddress)

  const release = group
    .command('release')
    .description('send bitcoin from the wallet back to L1')
    .argument('<amount>', 'bitcoin, e.g. 0.015; or "all"')
    .argument('<l1-address>', 'where the bitcoin shall go')
    .option('--genesis <file>', 'check against this genesis file instead of what the node serves')
  addWaitOptions(addPayingOptions(release), DEFAULT_TIMEOUT_SECONDS)
  handle(release, io, startRelease)
}

/** --wait and --timeout, for commands that can follow something to its end. */
export function addWaitOptions(command: Command, defaultSeconds: string): Command {
  return command
    .option('--wait', 'follow it to the end, with progress on standard error')
    .option('--timeout <seconds>', 'with --wait: give up after this long', defaultSeconds)
}

export function parseTimeout(text: string): number {
  return parseWhole(text, '--timeout', { min: 0, max: MAX_TIMEOUT_SECONDS })
}

interface WithdrawQuote {
  readonly withdrawAddress: string
  readonly script: Uint8Array
  readonly minReleaseSats: Sats
  readonly estimatedFeeSats: Sats
  readonly estimatedSeconds: number
}

/** Asks the node and derives the address again. @throws CliError exit 9 when they differ. */
async function quote(
  context: CommandContext,
  status: NodeStatus,
  wanted: { readonly l1Address: string; readonly genesis: string | undefined },
): Promise<WithdrawQuote> {
  const identity = await chainIdentity(context, status, wanted.genesis)
  const { script, address } = deriveWithdrawAddress(identity, wanted.l1Address)
  const answer = await context.node.withdrawAddress(wanted.l1Address)
  verifyWithdrawAddress(answer.withdrawAddress, address)
  const { withdrawAddress, estimatedFeeSats, estimatedSeconds } = answer
  // From the genesis file: the node's word is not needed.
  const minReleaseSats = sats(identity.genesis.peg.minReleaseSats)
  return { withdrawAddress, script, minReleaseSats, estimatedFeeSats, estimatedSeconds }
}

async function showWithdrawAddress({ context, args, options }: CommandCall): Promise<void> {
  const [l1Address = ''] = args
  const { genesis, qr } = addressOptions.parse(options)
  const status = await context.node.status()
  requireSynced(status)
  const found = await quote(context, status, { l1Address, genesis })
  const { withdrawAddress, minReleaseSats, estimatedFeeSats, estimatedSeconds } = found
  const result = {
    withdrawAddress,
    l1Address,
    minReleaseSats,
    estimatedFeeSats,
    estimatedSeconds,
    verified: true,
  }
  context.output.result(result, () =>
    [
      qrBlock(context, withdrawAddress.toUpperCase(), qr),
      fields([
        ['withdraw address', context.output.paint('bold', withdrawAddress)],
        ['pays on L1', l1Address],
        ['at least', btc(minReleaseSats)],
        [
          'L1 fee now',
          `at most ${btc(estimatedFeeSats)}, taken from the amount, fixed by the burn`,
        ],
        ['time', `about ${duration(estimatedSeconds)}, unless it has to wait`],
      ]),
    ].join(''),
  )
}

async function startRelease({ context, args, options }: CommandCall): Promise<void> {
  const [amountText = '', l1Address = ''] = args
  const wanted = releaseOptions.parse(options)
  const value = amountText === 'all' ? undefined : parseAmount(amountText, wanted.sats)
  const timeoutSeconds = parseTimeout(wanted.timeout)
  const session = await openSession(context, wanted.wallet)
  const status = await statusForWallet(context, session)
  requireSynced(status)
  const terms = await quote(context, status, { l1Address, genesis: wanted.genesis })
  const wallet = await scanWallet(context, wanted.wallet)
  const { script } = terms
  const planned = await planSpend(context, wallet, {
    pay:
      value === undefined
        ? { kind: 'everything', script }
        : { kind: 'amounts', payees: [{ script, value }] },
    feeRate: wanted.feeRate,
    replaceable: false,
  })
  const summary = releaseSummary(planned, terms, l1Address)
  requireWorthwhile(summary, terms)
  if (wanted.dryRun) {
    context.output.result({ sent: false, ...summary }, () => describeRelease(summary))
    return
  }
  if (!wanted.yes) context.output.progress(describeRelease(summary))
  if (status.peg.state === 'frozen') context.output.progress(FROZEN_NOTE)
  await confirm(context, 'Release?', wanted.yes)
  const sent = await sendSpend(context, wallet, planned)
  const burnVout = planned.plan.transaction.outputs.findIndex((output) =>
    equalBytes(output.script, script),
  )
  const id = `${sent.txid}:${burnVout}`
  const started = { sent: true, id, txid: sent.txid, ...summary }
  if (!wanted.wait) {
    context.output.result(started, () =>
      fields([
        ['release', id],
        ['watch it', `causeway peg status ${id} --wait`],
      ]),
    )
    return
  }
  context.output.progress(`burnt in ${sent.txid}`)
  const release = await awaitRelease(context, id, timeoutSeconds)
  context.output.result({ ...started, release }, () => releaseFields(release))
}

interface ReleaseSummary {
  readonly valueSats: Sats
  readonly l1Address: string
  readonly withdrawAddress: string
  /** Fee of the payment on the sidechain. */
  readonly feeSats: Sats
  readonly estimatedL1FeeSats: Sats
  /** What arrives at least, if the burn is final before L1's fee rate has changed twice. */
  readonly estimatedNetSats: bigint
  readonly estimatedSeconds: number
}

function releaseSummary(
  planned: PlannedSpend,
  terms: WithdrawQuote,
  l1Address: string,
): ReleaseSummary {
  const valueSats = planned.plan.paid
  return {
    valueSats,
    l1Address,
    withdrawAddress: terms.withdrawAddress,
    feeSats: spendSummary(planned).feeSats,
    estimatedL1FeeSats: terms.estimatedFeeSats,
    estimatedNetSats: valueSats - terms.estimatedFeeSats,
    estimatedSeconds: terms.estimatedSeconds,
  }
}

function requireWorthwhile(summary: ReleaseSummary, terms: WithdrawQuote): void {
  if (summary.valueSats < terms.minReleaseSats) {
    throw new CliError(
      EXIT.rejected,
      'below-minimum',
      `releases are at least ${btc(terms.minReleaseSats)}, not ${btc(summary.valueSats)}`,
    )
  }
  if (summary.estimatedNetSats > 0n) return
  throw new CliError(
    EXIT.rejected,
    'eaten-by-fee',
    `the L1 fee of ${btc(terms.estimatedFeeSats)} would eat it all`,
    { hint: 'release more at once, or wait for lower L1 fees' },
  )
}

function describeRelease(summary: ReleaseSummary): string {
  return fields([
    ['release', btc(summary.valueSats)],
    ['to (L1)', summary.l1Address],
    ['L1 fee', `at most ${btc(summary.estimatedL1FeeSats)}, fixed by the burn`],
    ['arrives', `at least ${btc(summary.estimatedNetSats)}`],
    ['time', `about ${duration(summary.estimatedSeconds)}, unless it has to wait`],
    ['fee here', btc(summary.feeSats)],
  ])
}

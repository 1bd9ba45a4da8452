/**
 * `causeway peg status`: where a deposit or a release is. Without an id, the peg as a whole. An id
 * is a release's number, an outpoint TXID:VOUT (a burn here or a deposit on L1), a transaction id,
 * or a sidechain address (its deposits).
 */

import type { Command } from 'commander'
import { z } from 'zod'
import { isHex } from '../primitives/bytes.ts'
import { findOutPoint } from './arguments.ts'
import { CliError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, type CommandContext, handle } from './command-context.ts'
import { depositState } from './deposit-state.ts'
import { EXIT } from './exit-codes.ts'
import type { Deposit, Release } from './node-answers.ts'
import { btc, fields } from './output.ts'
import { addWaitOptions, parseTimeout } from './peg-release-command.ts'
import { pegState, recoveryText, waitingText } from './peg-state.ts'
import { findRelease, releaseFields, releaseState } from './release-progress.ts'
import { waitUntil } from './wait-until.ts'

const DEFAULT_TIMEOUT_SECONDS = '7200'
/** How many of the newest releases are searched for a transaction id. */
const RELEASES_SEARCHED = 100

const statusOptions = z.object({ wait: z.boolean().default(false), timeout: z.string() })

export function addPegStatusCommand(group: Command, io: CliIo): void {
  const command = group
    .command('status')
    .description('where a deposit or release is; without an id, the state of the peg')
    .argument('[id]', 'release number, TXID:VOUT, TXID, or a sidechain address')
  handle(addWaitOptions(command, DEFAULT_TIMEOUT_SECONDS), io, showStatus)
}

/** What an id stands for. */
interface Tracked {
  readonly deposits: readonly Deposit[]
  readonly releases: readonly Release[]
}

async function showStatus({ context, args, options }: CommandCall): Promise<void> {
  const [id] = args
  if (id === undefined) {
    await showPeg(context)
    return
  }
  const { wait, timeout } = statusOptions.parse(options)
  const timeoutSeconds = parseTimeout(timeout)
  const found = wait
    ? await waitUntil(context, {
        ask: () => track(context, id),
        isDone,
        describe: (tracked) => describe(tracked).join('; '),
        timeoutSeconds,
      })
    : await track(context, id)
  if (isEmpty(found)) {
    throw new CliError(EXIT.notFound, 'not-found', `no deposit or release matches ${id}`, {
      hint: 'L1 deposits show up once a node sees them; or tell it: causeway peg claim TXID:VOUT ADDRESS',
    })
  }
  if (wait) requireMintable(found)
  context.output.result({ id, ...found }, () => details(found))
}

/** Who waited for coins must not take their absence for success. @throws CliError exit 6. */
function requireMintable({ deposits }: Tracked): void {
  const expired = deposits.find(({ status }) => status === 'expired')
  if (expired === undefined) return
  throw new CliError(
    EXIT.rejected,
    'deposit-expired',
    `${expired.l1Txid}:${expired.vout} is too old to be minted`,
    { hint: 'the holders of the recovery keys can return it' },
  )
}

async function track(context: CommandContext, id: string): Promise<Tracked> {
  if (/^\d{1,15}$/.test(id)) return { deposits: [], releases: await releasesById(context, id) }
  const outPoint = findOutPoint(id)
  if (outPoint !== undefined) {
    const releases = await releasesById(context, id)
    if (releases.length > 0) return { deposits: [], releases }
    const { deposits } = await context.node.deposits(undefined)
    const { txid, vout } = outPoint
    return {
      deposits: deposits.filter((deposit) => deposit.l1Txid === txid && deposit.vout === vout),
      releases: [],
    }
  }
  if (isHex(id, 32)) return await trackTransaction(context, id)
  const { deposits } = await context.node.deposits(id)
  return { deposits, releases: [] }
}

async function releasesById(context: CommandContext, id: string): Promise<readonly Release[]> {
  const release = await findRelease(context, id)
  return release === undefined ? [] : [release]
}

async function trackTransaction(context: CommandContext, txid: string): Promise<Tracked> {
  const { deposits } = await context.node.deposits(undefined)
  const { releases } = await context.node.releases(RELEASES_SEARCHED)
  return {
    deposits: deposits.filter(({ l1Txid, mintTxid }) => l1Txid === txid || mintTxid === txid),
    releases: releases.filter(({ burnTxid, l1Txid }) => burnTxid === txid || l1Txid === txid),
  }
}

function isEmpty({ deposits, releases }: Tracked): boolean {
  return deposits.length === 0 && releases.length === 0
}

function isDone(tracked: Tracked): boolean {
  const { deposits, releases } = tracked
  if (isEmpty(tracked)) return false
  return (
    deposits.every(({ status }) => status === 'minted' || status === 'expired') &&
    releases.every(({ status }) => status === 'paid')
  )
}

function describe(tracked: Tracked): readonly string[] {
  if (isEmpty(tracked)) return ['nothing seen yet']
  return [
    ...tracked.deposits.map(
      (deposit) => `deposit of ${btc(deposit.valueSats)}: ${depositState(deposit)}`,
    ),
    ...tracked.releases.map((release) => `release ${release.id}: ${releaseState(release)}`),
  ]
}

function details({ deposits, releases }: Tracked): string {
  const parts = deposits.map((deposit) =>
    fields([
      ['deposit', `${deposit.l1Txid}:${deposit.vout}`],
      ['amount', btc(deposit.valueSats)],
      ['recipient', deposit.recipient],
      ['status', depositState(deposit)],
      ['mint', deposit.mintTxid ?? undefined],
    ]),
  )
  return [...parts, ...releases.map(releaseFields)].join('\n\n')
}

async function showPeg(context: CommandContext): Promise<void> {
  const [status, limits] = await Promise.all([context.node.status(), context.node.peg()])
  const { peg, l1, height } = status
  const { freeze, waiting } = limits
  const state = pegState(status, limits)
  context.output.result({ height, l1, peg, freeze, waiting }, () =>
    fields([
      ['peg', context.output.paint(state.style, state.text)],
      ['key epoch', peg.keyEpoch === null ? 'none yet' : String(peg.keyEpoch)],
      ['group key', peg.groupKey ?? undefined],
      ['supply', btc(peg.supply)],
      ['pending releases', btc(peg.pendingReleases)],
      ['waiting', waitingText(limits)],
      ['fee reserve', btc(peg.feeReserve)],
      ['reserves', btc(peg.reserves)],
      ['solvent', context.output.paint(peg.solvent ? 'green' : 'red', peg.solvent ? 'yes' : 'NO')],
      ['least deposit', btc(peg.minDepositSats)],
      ['least release', btc(peg.minReleaseSats)],
      ['recovery keys', recoveryText(peg.recovery)],
      ['L1', `${l1.network}, ${l1.state}, chain at ${l1.chainHeight}`],
    ]),
  )
}

/** What the devnet benchmark measured, as sections of its report. */

import type { Devnet } from '../../src/cli/devnet/devnet.ts'
import { present } from '../../src/primitives/assert.ts'
import type { SeenBlock } from './block-watch.ts'
import { distributionFigures, median } from './distribution.ts'
import { folderBytes, type ProcessCost, processCost } from './processes.ts'
import { loopbackRoundTripsMs, signatureChecksPerSecond, syncDurationsMs } from './references.ts'
import { type Figure, figure, type Section } from './report.ts'
import type { PaymentTimes } from './single-payments.ts'
import type { LoadOutcome } from './transaction-load.ts'
import { complaintsIn } from './validator-log.ts'

export interface ValidatorCost extends ProcessCost {
  readonly diskBytes: number
  readonly atMs: number
}

export async function measureCost(devnet: Devnet): Promise<readonly ValidatorCost[]> {
  return Promise.all(
    devnet.validators.map(async (validator) => ({
      ...(await processCost(validator.process().pid)),
      diskBytes: await folderBytes(validator.home),
      atMs: performance.now(),
    })),
  )
}

const HEARTBEAT_SECONDS = 60

export function idleSection(idle: {
  readonly seconds: number
  readonly before: readonly ValidatorCost[]
  readonly after: readonly ValidatorCost[]
  readonly blocks: readonly SeenBlock[]
}): Section {
  const { seconds, before, after, blocks } = idle
  return {
    title: 'Idle',
    about: 'No transaction, no L1 block. A heartbeat block a minute is all that should be made.',
    figures: [
      figure('watched', seconds, 's'),
      figure('blocks made', blocks.length),
      figure('heartbeats expected', Math.floor(seconds / HEARTBEAT_SECONDS)),
      figure('blocks that carried transactions', blocks.filter((b) => b.txCount > 1).length),
      ...after.map((cost, validator) =>
        figure(`validator ${validator}, of a core`, coreShare(before[validator], cost), '%'),
      ),
    ],
  }
}

function coreShare(before: ValidatorCost | undefined, after: ValidatorCost): number | null {
  if (before === undefined || after.atMs <= before.atMs) return null
  return (100 * (after.processorMs - before.processorMs)) / (after.atMs - before.atMs)
}

export function paymentSection(
  times: readonly PaymentTimes[],
  blocks: readonly MadeBlock[],
): Section {
  return {
    title: 'One payment at a time',
    about:
      'Accepted: the validator has answered the POST. Final: its event stream tells of the block. "here" ' +
      'is the validator that was asked, "elsewhere" the next one.',
    figures: [
      figure('payments', times.length),
      ...distributionFigures(
        'POST to accepted',
        times.map((t) => t.acceptMs),
        'ms',
      ),
      ...distributionFigures(
        'accepted to final here',
        times.map((t) => t.finalMs),
        'ms',
      ),
      ...distributionFigures(
        'accepted to final elsewhere',
        times.map((t) => t.finalElsewhereMs),
        'ms',
      ),
      figure('blocks until final, worst', Math.max(0, ...times.map((t) => t.blocks))),
      ...blockFigures(blocks),
    ],
  }
}

/** With the view that it became final in: as many leaders failed before. */
export interface MadeBlock extends SeenBlock {
  readonly view: number
}

export async function withViews(
  devnet: Devnet,
  blocks: readonly SeenBlock[],
): Promise<readonly MadeBlock[]> {
  const { client } = present(devnet.validators[0], 'first validator')
  const made: MadeBlock[] = []
  for (const block of blocks) {
    const { view } = await client.certificate(block.height)
    made.push({ ...block, view })
  }
  return made
}

function blockFigures(blocks: readonly MadeBlock[]): readonly Figure[] {
  const empty = blocks.filter(({ txCount }) => txCount === 1).length
  const share = blocks.length === 0 ? null : (100 * empty) / blocks.length
  return [
    figure('blocks', blocks.length),
    figure('of them empty', share, '%'),
    figure(
      'views that failed',
      blocks.reduce((sum, { view }) => sum + view, 0),
    ),
  ]
}

export function loadSection(
  load: LoadOutcome,
  blocks: readonly MadeBlock[],
  perSecond: number,
  before: readonly ValidatorCost[],
  after: readonly ValidatorCost[],
): Section {
  const processorMs = after.map((cost, v) => cost.processorMs - (before[v]?.processorMs ?? 0))
  const perTransaction = median(processorMs.map((ms) => (ms * 1000) / load.accepted))
  const full = load.blocks.filter(({ txCount }) => txCount > 1).map(({ txCount }) => txCount - 1)
  return {
    title: 'Load',
    about:
      'One-input two-output P2TR payments, to all validators in turn, each in a request of its own.',
    figures: [
      figure('accepted', load.accepted),
      figure('refused', load.refused),
      ...(load.firstRefusal === undefined ? [] : [figure('first refusal', load.firstRefusal)]),
      figure('offered', perSecond, '1/s'),
      figure('accepted per second', (load.accepted * 1000) / load.submitMs, '1/s'),
      figure('committed per second', (load.accepted * 1000) / load.totalMs, '1/s'),
      ...distributionFigures('accepted to final', load.finalMs, 'ms'),
      ...distributionFigures('answer to /healthz meanwhile', load.answerMs, 'ms'),
      figure('processor time per transaction and validator', perTransaction ?? null, 'µs'),
      figure('transactions per block that has any, median', median(full) ?? null),
      ...blockFigures(blocks),
    ],
  }
}

export function costSection(
  idle: readonly ValidatorCost[],
  after: readonly ValidatorCost[],
  transactions: number,
): Section {
  return {
    title: 'Memory and disk',
    about: `Resident memory of each validator before the deposit and after ${transactions} transactions, and the size of its folder.`,
    figures: after.flatMap((cost, validator) => [
      figure(`validator ${validator}, idle`, idle[validator]?.residentMb ?? null, 'MB'),
      figure(`validator ${validator}, loaded`, cost.residentMb, 'MB'),
      figure(`validator ${validator}, peak`, cost.peakMb, 'MB'),
      figure(`validator ${validator}, disk`, cost.diskBytes / 2 ** 20, 'MB'),
    ]),
  }
}

/** Do the validators agree, and did any complain? */
export async function consistencySection(devnet: Devnet): Promise<Section> {
  const statuses = await Promise.all(devnet.validators.map(({ client }) => client.status()))
  const figures = statuses.map((status, validator) =>
    figure(
      `validator ${validator}`,
      `height ${status.height} ${status.blockHash.slice(0, 16)} supply ${status.peg.supply} ` +
        `${status.peg.solvent ? 'solvent' : 'NOT SOLVENT'} ${status.synced ? 'synced' : 'NOT SYNCED'}` +
        (status.halted === null ? '' : ` HALTED: ${status.halted}`),
    ),
  )
  const complaints = await Promise.all(
    devnet.validators.map(async (validator) =>
      (await complaintsIn(validator.process().logFile)).map(({ level, message, count }) =>
        figure(`validator ${validator.index}, ${level}`, `${count} × ${message}`),
      ),
    ),
  )
  return {
    title: 'Agreement and complaints',
    about:
      'The status of each validator at the end, and what is in its log above the level "info".',
    figures: [
      figure('different tips', new Set(statuses.map((status) => status.blockHash)).size),
      ...figures,
      ...complaints.flat(),
    ],
  }
}

const SYNCS = 200
/** The validators share a disk here, and sync at the same moments. */
const WRITERS_AT_ONCE = 4
const ROUND_TRIPS = 2_000

/** The floors of the figures above. */
export async function referenceSection(folder: string): Promise<Section> {
  const syncs = await syncDurationsMs(folder, SYNCS)
  const atOnce = await Promise.all(
    Array.from({ length: WRITERS_AT_ONCE }, () => syncDurationsMs(folder, SYNCS)),
  )
  const roundTrips = await loopbackRoundTripsMs(ROUND_TRIPS)
  return {
    title: 'Reference',
    about:
      'With the validators idle. Finality takes three message delays (half a round trip each) and four syncs ' +
      'in a row (proposal, notarize vote, finalize vote, block); a transaction costs each validator one check.',
    figures: [
      figure('signature checks, one core', signatureChecksPerSecond(), '1/s'),
      ...distributionFigures('sync of 200 bytes', syncs, 'ms'),
      ...distributionFigures('the same, four writers at once', atOnce.flat(), 'ms'),
      ...distributionFigures('loopback round trip of 200 bytes', roundTrips, 'ms'),
    ],
  }
}

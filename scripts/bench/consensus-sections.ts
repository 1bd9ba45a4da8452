/** What the consensus benchmark measured, as sections of its report. */

import { readExtension } from '../../src/chain/extension.ts'
import type { Devnet } from '../../src/cli/devnet/devnet.ts'
import { present } from '../../src/primitives/assert.ts'
import { hexToBytes } from '../../src/primitives/bytes.ts'
import { ByteReader } from '../../src/primitives/codec.ts'
import type { SeenBlock } from './block-watch.ts'
import type { Pace } from './catch-up.ts'
import type { ValidatorCost } from './devnet-sections.ts'
import { distributionFigures, median } from './distribution.ts'
import type { LoadOutcome } from './payment-load.ts'
import type { CpuProfile } from './process-profile.ts'
import { stageShares } from './profile-stages.ts'
import { type Figure, figure, type Section } from './report.ts'
import type { PaymentTimes } from './single-payments.ts'
import type { VoteFloor } from './vote-floor.ts'

/** A block with what its certificate's answer says of it. */
export interface ProposedBlock extends SeenBlock {
  /** That it became final in: as many leaders failed before. */
  readonly view: number
  /** From the time in the block, which its proposer takes when it begins to build, to the event. */
  readonly finalMs: number
}

export async function withProposals(
  devnet: Devnet,
  blocks: readonly SeenBlock[],
): Promise<readonly ProposedBlock[]> {
  const { client } = present(devnet.validators[0], 'first validator')
  const proposed: ProposedBlock[] = []
  for (const block of blocks) {
    const { view, extension } = await client.certificate(block.height)
    const { timeMs } = readExtension(new ByteReader(hexToBytes(extension)))
    const seenMs = performance.timeOrigin + block.atMs
    proposed.push({ ...block, view, finalMs: Math.max(0, seenMs - timeMs) })
  }
  return proposed
}

/** Every transaction is checked by every validator. */
const VALIDATORS = 4

export function floorSection(floor: VoteFloor, checksPerSecond: number): Section {
  return {
    title: 'Floors',
    about:
      'Before anything else runs: a vote there and back over the streams of validators, both ends in one ' +
      'process; records synced one by one; signatures checked by all cores at once.',
    figures: [
      ...distributionFigures('round trip of 200 bytes', floor.roundTripsMs, 'ms'),
      ...distributionFigures('sync of 200 bytes', floor.syncsMs, 'ms'),
      figure('three delays and two syncs', floor.floorMs, 'ms'),
      figure('signature checks, all cores', checksPerSecond, '1/s'),
      figure('the same, a quarter', checksPerSecond / VALIDATORS, '1/s'),
    ],
  }
}

export function idleChainSection(
  times: readonly PaymentTimes[],
  blocks: readonly ProposedBlock[],
  floorMs: number,
): Section {
  const full = blocks.filter(({ txCount }) => txCount > 1)
  const proposedMs = full.map(({ finalMs }) => finalMs)
  const typical = median(proposedMs)
  return {
    title: 'One payment at a time',
    about:
      'Accepted: the validator has answered the POST. Final: its event stream tells of the block, which is on ' +
      'its disk. Proposed: the proposer began to build.',
    figures: [
      figure('payments', times.length),
      ...distributionFigures(
        'POST to accepted',
        times.map((one) => one.acceptMs),
        'ms',
      ),
      ...distributionFigures(
        'accepted to final here',
        times.map((one) => one.finalMs),
        'ms',
      ),
      ...distributionFigures(
        'accepted to final elsewhere',
        times.map((one) => one.finalElsewhereMs),
        'ms',
      ),
      ...distributionFigures('proposed to final', proposedMs, 'ms'),
      figure('the same, p50, times the floor', typical === undefined ? null : typical / floorMs),
      figure('views that failed', failedViews(blocks)),
    ],
  }
}

export interface MeasuredLoad {
  readonly load: LoadOutcome
  /** Offered; undefined for as many as are taken. */
  readonly perSecond: number | undefined
  readonly committedPerSecond: number
  readonly finalMs: readonly number[]
  readonly blocks: readonly ProposedBlock[]
  /** Of /healthz. */
  readonly answersMs: readonly number[]
  readonly before: readonly ValidatorCost[]
  readonly after: readonly ValidatorCost[]
  /** Processor time of the load itself. */
  readonly generatorMs: number
}

export function loadSection(
  title: string,
  measured: MeasuredLoad,
  checksPerSecond: number,
): Section {
  const { load, blocks, before, after, committedPerSecond } = measured
  const intervals = blocks.slice(1).map((block, index) => block.atMs - (blocks[index]?.atMs ?? 0))
  return {
    title,
    about:
      'One-input two-output P2TR payments, signed before, to all validators in requests of many; from the first ' +
      'request until the first validator told of the last block. The load shares the processors.',
    figures: [
      figure('accepted', load.accepted),
      figure('refused', load.refused),
      ...(load.firstRefusal === undefined ? [] : [figure('first refusal', load.firstRefusal)]),
      ...(measured.perSecond === undefined ? [] : [figure('offered', measured.perSecond, '1/s')]),
      figure('committed per second', committedPerSecond, '1/s'),
      figure(
        'the same, of a quarter of the signature checks',
        (100 * committedPerSecond * VALIDATORS) / checksPerSecond,
        '%',
      ),
      ...distributionFigures('accepted to final', measured.finalMs, 'ms'),
      ...distributionFigures(
        'proposed to final',
        blocks.map(({ finalMs }) => finalMs),
        'ms',
      ),
      ...distributionFigures('between two blocks', intervals, 'ms'),
      figure(
        'payments per block, median',
        median(blocks.map(({ txCount }) => txCount - 1)) ?? null,
      ),
      figure('views that failed', failedViews(blocks)),
      ...distributionFigures('answer to /healthz meanwhile', measured.answersMs, 'ms'),
      ...costFigures(before, after, load.accepted),
      figure(
        'processor time of the load, per payment',
        perPayment(measured.generatorMs, load),
        'µs',
      ),
    ],
  }
}

function costFigures(
  before: readonly ValidatorCost[],
  after: readonly ValidatorCost[],
  accepted: number,
): readonly Figure[] {
  const processorMs = after.map(
    (cost, index) => cost.processorMs - (before[index]?.processorMs ?? 0),
  )
  const typical = median(processorMs)
  const micros = typical === undefined || accepted === 0 ? null : (typical * 1000) / accepted
  return [
    figure('processor time per payment and validator', micros, 'µs'),
    figure(
      'resident memory after it, median',
      median(after.map((cost) => cost.residentMb)) ?? null,
      'MB',
    ),
    figure('peak so far, median', median(after.map((cost) => cost.peakMb)) ?? null, 'MB'),
  ]
}

function perPayment(tookMs: number, { accepted }: LoadOutcome): number | null {
  return accepted === 0 ? null : (tookMs * 1000) / accepted
}

function failedViews(blocks: readonly ProposedBlock[]): number {
  return blocks.reduce((sum, { view }) => sum + view, 0)
}

export function stageSection(profile: CpuProfile): Section {
  return {
    title: 'Where the time goes',
    about:
      'One validator under full load, its main thread sampled every millisecond: shares of the time that is not ' +
      'idle. Waiting for the disk is idle; other threads collect garbage, compile, and write the database.',
    figures: stageShares(profile).map(({ stage, share }) => figure(stage, share * 100, '%')),
  }
}

export function catchUpSection(together: Pace, alone: Pace, transactions: number): Section {
  const blocks = together.toHeight - together.fromHeight
  const rate = ({ tookMs }: Pace): number => (transactions * 1000) / tookMs
  return {
    title: 'Catch-up',
    about:
      'A new node without validator key fetches, checks and stores the chain while the validators idle; then one ' +
      'process checks and stores the same blocks out of memory. All signatures are checked by both.',
    figures: [
      figure('blocks', blocks),
      figure('transactions', transactions),
      figure('new node', rate(together), '1/s'),
      figure('one process alone', rate(alone), '1/s'),
      figure('share', (100 * alone.tookMs) / together.tookMs, '%'),
    ],
  }
}

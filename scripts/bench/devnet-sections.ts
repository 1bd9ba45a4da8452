/** What the devnet benchmark measured, as sections of its report. */

import type { Devnet } from '../../src/cli/devnet/devnet.ts'
import type { SeenBlock } from './block-watch.ts'
import { folderBytes, type ProcessCost, processCost } from './processes.ts'
import { figure, type Section } from './report.ts'
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
      ...after.flatMap((cost, validator) => [
        figure(`validator ${validator}, of a core`, coreShare(before[validator], cost), '%'),
        figure(`validator ${validator}, resident memory`, cost.residentMb, 'MB'),
        figure(`validator ${validator}, disk`, cost.diskBytes / 2 ** 20, 'MB'),
      ]),
    ],
  }
}

function coreShare(before: ValidatorCost | undefined, after: ValidatorCost): number | null {
  if (before === undefined || after.atMs <= before.atMs) return null
  return (100 * (after.processorMs - before.processorMs)) / (after.atMs - before.atMs)
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

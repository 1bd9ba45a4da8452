/** Agreement between continents, simulated: what distance alone costs, with and without crashed leaders. */

import { setImmediate } from 'node:timers/promises'
import { faultTolerance } from '../../src/consensus/quorum.ts'
import { type LatencyFigures, studyLatency } from '../../src/simulator/latency-study.ts'
import type { Section } from './report.ts'

const VALIDATORS = [4, 10, 25, 50]
const MIN_BLOCK_INTERVAL_MS = 250
const SEED = 1

export async function wideAreaSection(blocks: number): Promise<Section> {
  const rows: LatencyFigures[] = []
  for (const validators of VALIDATORS) {
    for (const crashed of [0, faultTolerance(validators)]) {
      rows.push(
        studyLatency({
          validators,
          crashed,
          profile: 'wan',
          blocks,
          minBlockIntervalMs: MIN_BLOCK_INTERVAL_MS,
          seed: SEED,
        }),
      )
      await setImmediate()
    }
  }
  return {
    title: 'Between continents, simulated',
    about:
      `The production core in virtual time: delays of networks and disks, no time for computing. ${blocks} blocks ` +
      `each, ${MIN_BLOCK_INTERVAL_MS} ms apart at least, milliseconds.`,
    figures: [],
    table: {
      columns: [
        'validators',
        'crashed',
        'interval p50',
        'interval p99',
        'accepted to final p50',
        'accepted to final p99',
        'views lost',
      ],
      rows: rows.map((row) => [
        row.validators,
        row.crashed,
        row.intervalMs.p50,
        row.intervalMs.p99,
        row.acceptedToFinalMs.p50,
        row.acceptedToFinalMs.p99,
        row.lostViews,
      ]),
    },
  }
}

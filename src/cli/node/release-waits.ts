/** Why releases wait, as the API shows it: a word for programs, a line for people, expected times. */

import type { WaitView } from '../../api/peg-schemas.ts'
import type { ChainState } from '../../chain/connect-block.ts'
import type { ChainParams } from '../../chain/params.ts'
import { BATCH_INPUTS_MAX } from '../../chain/peg/batch-transaction.ts'
import { getPegBooks } from '../../chain/peg/books.ts'
import { type ReleaseHold, ReleaseHolds } from '../../chain/peg/release-holds.ts'
import type { Release } from '../../chain/peg/releases.ts'

/** Bitcoin's average, for expected times; regtest has blocks when somebody mines. */
export const L1_BLOCK_SECONDS = 600

export interface ReleaseWait {
  readonly wait: WaitView
  readonly reason: string
}

/** For the releases of one answer. */
export interface ReleaseWaits {
  /** Of a queued release. */
  of(release: Release): ReleaseWait
  /** Milliseconds since 1970 at which the chain may have this L1 header. */
  expectedAt(l1Height: number): number
}

export function releaseWaits(params: ChainParams, { tip, view }: ChainState): ReleaseWaits {
  const { l1Height } = getPegBooks(view)
  const holds = new ReleaseHolds(view, params, tip.timeMs)
  const expectedAt = (height: number): number =>
    tip.timeMs + Math.max(0, height - l1Height) * L1_BLOCK_SECONDS * 1_000
  return {
    of(release) {
      const hold = holds.holdOf(release)
      return { wait: waitOf(hold, expectedAt), reason: reasonOf(hold) }
    },
    expectedAt,
  }
}

function waitOf(hold: ReleaseHold, expectedAt: (l1Height: number) => number): WaitView {
  const untilL1Height = l1HeightOf(hold)
  const fromL1 = untilL1Height === undefined ? null : expectedAt(untilL1Height)
  return {
    kind: hold.kind,
    untilL1Height: untilL1Height ?? null,
    expectedTimeMs: hold.kind === 'interval' ? hold.untilMs : fromL1,
  }
}

function l1HeightOf(hold: ReleaseHold): number | undefined {
  if (hold.kind === 'large-release') return hold.untilL1Height
  return hold.kind === 'outflow-cap' ? hold.aboutL1Height : undefined
}

function reasonOf(hold: ReleaseHold): string {
  switch (hold.kind) {
    case 'frozen':
      return `the validators have frozen the peg at height ${hold.sinceHeight}`
    case 'no-key':
      return 'the members have no key yet'
    case 'large-release':
      return `large releases wait: until the chain has L1 block ${hold.untilL1Height}`
    case 'outflow-cap':
      return `waiting for room under the outflow cap, until about L1 block ${hold.aboutL1Height}`
    case 'interval':
      return 'waiting for the next batch'
    case 'reserves-in-flight':
      return 'waiting for reserves that are in other batches'
    case 'reserves-scattered':
      return `waiting for larger reserve coins: one batch can spend ${BATCH_INPUTS_MAX} of them`
    case 'fee-reserve':
      return 'waiting for a lower L1 fee rate, or for the fee reserve to grow'
    case 'queue':
      return 'waiting for its turn'
  }
}

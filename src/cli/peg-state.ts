/** The words for the peg as a whole: are releases paid, why not, what waits, who could move the reserves. */

import type { NodeStatus, PegLimits } from './node-answers.ts'
import { btc, type Style, utcTime } from './output.ts'

/** One line, and how bad it is. */
export function pegState(
  { peg, l1 }: Pick<NodeStatus, 'peg' | 'l1'>,
  { freeze }: Pick<PegLimits, 'freeze'>,
): { readonly text: string; readonly style: Style } {
  const { since, votes } = freeze
  if (since !== null) {
    const by = votes.filter((one) => one.freeze).map(({ validator }) => validator)
    const when = utcTime(Math.floor(since.timeMs / 1_000))
    const text = `frozen since height ${since.height}, ${when}, by validators ${by.join(', ')}`
    return { text, style: 'red' }
  }
  if (peg.state === 'frozen') {
    return { text: `frozen at this node: ${l1.message ?? `its L1 is ${l1.state}`}`, style: 'red' }
  }
  if (peg.state === 'closed') {
    return { text: 'closed: the members have no key yet', style: 'yellow' }
  }
  return { text: 'open: releases are paid', style: 'green' }
}

/** Undefined when nothing waits. */
export function waitingText({ waiting }: Pick<PegLimits, 'waiting'>): string | undefined {
  if (waiting.length === 0) return undefined
  const kinds = [...new Set(waiting.map(({ wait }) => wait.kind))]
  const count = waiting.length === 1 ? '1 release' : `${waiting.length} releases`
  return `${count} (${kinds.join(', ')}); see: causeway federation status`
}

/** Undefined without reserves. */
export function recoveryText(recovery: NodeStatus['peg']['recovery']): string | undefined {
  if (recovery === null) return undefined
  const { blocksLeft, valueSats, opensAtL1Height } = recovery
  return blocksLeft === 0
    ? `COULD MOVE ${btc(valueSats)} NOW`
    : `none before L1 block ${opensAtL1Height}, ${blocksLeft} to come`
}

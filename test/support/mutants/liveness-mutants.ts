/** Mutants of timers, of repair, of idleness, and of the bounds of memory. */

import { edit, type Mutant } from './mutant.ts'

export const LIVENESS_MUTANTS: readonly Mutant[] = [
  {
    name: 'timers never grow',
    edits: [
      edit('consensus/timers.ts', 'baseMs * 1.5 ** Math.floor(view / (faults + 1))', 'baseMs'),
    ],
    profile: 'slow',
  },
  {
    name: 'a stalled node keeps its transactions to itself',
    edits: [
      edit('consensus/step.ts', "core.emit({ kind: 'share-transactions' })", 'core.ticks += 0'),
    ],
  },
  {
    name: 'nobody repairs what others lack',
    edits: [
      edit(
        'consensus/status-repair.ts',
        'replyAtHeight(core, from, status.view, status.detail)',
        '',
      ),
    ],
  },
  {
    name: 'nobody who is behind catches up',
    edits: [
      edit(
        'consensus/status-repair.ts',
        "core.emit({ kind: 'catch-up', peer, height })",
        'core.ticks += 0',
      ),
    ],
  },
  {
    name: 'a notarized view is waited for, for ever',
    edits: [edit('consensus/step.ts', 'enterView(core, height.view + 1)', '')],
  },
  {
    name: 'a view without a proposal is never given up',
    edits: [
      edit(
        'consensus/step.ts',
        'if (!isNotarized && !height.proposals.has(height.view)) nullify(core)',
        '',
      ),
      edit('consensus/step.ts', 'if (!isNotarized) nullify(core)', ''),
    ],
  },
  {
    name: 'any vote wakes a sleeping node',
    edits: [
      edit(
        'consensus/tally.ts',
        'height.signers.size >= core.faults + 1',
        'height.signers.size >= 1',
      ),
    ],
    adversaries: ['nullify-spammer'],
  },
  {
    name: 'what waits for the next height is not bounded',
    edits: [edit('consensus/receiving.ts', 'queue.length >= room || ', '')],
    adversaries: ['flooder'],
  },
  {
    name: 'bodies are not bounded',
    edits: [
      edit(
        'consensus/height-state.ts',
        'if (this.bodies.size <= MAX_BODIES) return',
        'if (this.bodies.size > 0) return',
      ),
    ],
    adversaries: ['flooder'],
  },
  {
    name: 'the height changes inside a handler',
    edits: [
      edit(
        'consensus/view-change.ts',
        'core.height.finality = certificate\n',
        "core.height.finality = certificate\n      { const block = core.height.bodies.get(certificate.blockHash); if (block !== undefined) { core.emit({ kind: 'commit', height: core.height.height, block, certificate }); core.openNextHeight({ block, certificate }) } }\n",
      ),
    ],
  },
]

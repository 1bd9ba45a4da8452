/** Mutants of what happens where the validators change. */

import { edit, type Mutant } from './mutant.ts'

export const EPOCH_MUTANTS: readonly Mutant[] = [
  {
    name: 'the old validators vote on beyond their last height',
    changes: true,
    edits: [
      edit('consensus/step.ts', 'if (block.endsEpoch) {', 'if (block.height < 0) {'),
      edit(
        'simulator/simulated-node.ts',
        'if (effect.block.endsEpoch) this.#handOver(effect.block)',
        '',
      ),
    ],
  },
  {
    name: 'votes do not name their epoch',
    changes: true,
    edits: [
      edit('consensus/votes.ts', '.u32be(context.epoch)', '.u32be(0)'),
      edit('consensus/step.ts', 'if (block.endsEpoch) {', 'if (block.height < 0) {'),
      edit(
        'simulator/simulated-node.ts',
        'if (effect.block.endsEpoch) this.#handOver(effect.block)',
        '',
      ),
    ],
  },
  {
    name: 'a new epoch begins without the records of its first height',
    changes: true,
    edits: [
      edit(
        'simulator/simulated-node.ts',
        'this.#records.filter((record) => record.height >= height)',
        'this.#records.filter((record) => record.height >= height && this.#set.epoch === 0)',
      ),
    ],
  },
]

/** Whole nodes with one rule broken: of the driver, the mempool, block sync, the peg or the member. */

import { edit, type Mutant } from './mutant.ts'

const WHOLE = { whole: true } as const

export const WHOLE_MUTANTS: readonly (Mutant & { readonly because: RegExp })[] = [
  {
    ...WHOLE,
    name: 'messages leave before their records are on disk',
    edits: [
      edit(
        'src/node/consensus-driver.ts',
        'this.#output.act(() => this.#outbox.broadcast(effect.message, validators))',
        'this.#outbox.broadcast(effect.message, validators)',
      ),
    ],
    because: /left (?:before it was on disk|without a durable)/,
  },
  {
    ...WHOLE,
    name: 'bodies are not journaled before the vote for them leaves',
    edits: [
      edit(
        'src/node/consensus-driver.ts',
        "case 'persist':\n",
        "case 'persist':\n        if (effect.record.kind === 'block') return\n",
      ),
    ],
    because: /without a durable body/,
  },
  {
    ...WHOLE,
    name: 'a restarted node forgets its journal',
    edits: [
      edit(
        'src/node/epoch-core.ts',
        '.filter((record) => record.height > tip.height)',
        '.filter(() => false)',
      ),
    ],
    because: /double-\w+ by honest|nullify-\w+ by honest|halts: a vote of this validator/,
  },
  {
    ...WHOLE,
    name: 'a block is told of before it is on disk',
    edits: [edit('src/node/consensus-driver.ts', '      await durable\n', '')],
    because: /is durable and has it not|durable blocks and starts with/,
  },
  {
    ...WHOLE,
    name: 'the mempool keeps what a block has made impossible',
    edits: [edit('src/mempool/mempool.ts', 'this.#drop(conflicted)', 'void conflicted')],
    because: /in its mempool, whose coin is spent/,
  },
  {
    ...WHOLE,
    name: 'block sync takes blocks without a valid certificate',
    edits: [
      edit(
        'src/node/block-sync.ts',
        'if (!this.#isFinal(decided)) {',
        'if (!this.#isFinal(decided) && decided.certificate.height === -1) {',
      ),
    ],
    wholeAdversaries: ['sync-liar'],
    because: /with a bad certificate|two blocks/,
  },
  {
    ...WHOLE,
    name: 'a deposit can be minted again, and the books are not compared with the coins',
    edits: [
      edit(
        'src/chain/transition.ts',
        "if (totals.reserves !== reservesBefore + reservesChange(overlay)) return reject('insolvent')",
        'void reservesBefore',
      ),
      edit(
        'src/chain/peg/deposits.ts',
        'if (findClaimHeight(overlay, deposit.outPoint) !== undefined) {',
        'if (findClaimHeight(overlay, deposit.outPoint) === -1) {',
      ),
    ],
    wholeAdversaries: ['peg-liar'],
    because: /is minted at \d+ and again/,
  },
  {
    ...WHOLE,
    name: 'members agree to whatever is said about L1',
    edits: [
      edit(
        'federation/section-judge.ts',
        "return (await isBuried(last)) ? 'valid' : 'pending'",
        "return 'valid'",
      ),
    ],
    wholeAdversaries: ['lying-l1'],
    because: /is not on L1 at height|is minted at depth/,
  },
  {
    ...WHOLE,
    name: 'members agree to any fee rate',
    edits: [
      edit('federation/section-judge.ts', '!feeRates.isReasonable(feeRate)', 'feeRate === -1'),
    ],
    wholeAdversaries: ['peg-liar'],
    because: /which no honest member finds reasonable/,
  },
  {
    ...WHOLE,
    name: 'a batched release stays in the queue',
    edits: [
      edit(
        'src/chain/peg/releases.ts',
        'else overlay.delete(queueKey)',
        "else if (release.stage.kind === 'paid') overlay.delete(queueKey)",
      ),
    ],
    because: /is paid twice|the chain owes/,
  },
  {
    ...WHOLE,
    name: 'large releases do not wait',
    edits: [
      edit(
        'src/chain/peg/release-limits.ts',
        'if (untilL1Height > l1Height) {',
        'if (untilL1Height === -1) {',
      ),
    ],
    because: /large release \d+ waits \d L1 blocks only/,
  },
  {
    ...WHOLE,
    name: 'a frozen peg goes on paying',
    edits: [
      edit('src/chain/peg/release-limits.ts', 'if (isFrozen(view)) return', ''),
      edit('src/chain/peg/plan-batches.ts', 'isFrozen(overlay) || ', ''),
    ],
    because: /while the peg is frozen|in a freeze/,
  },
]

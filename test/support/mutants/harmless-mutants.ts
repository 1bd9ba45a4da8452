/** Mutants that break no promise, each with the reason. */

import { edit, type Mutant } from './mutant.ts'

export const HARMLESS_MUTANTS: readonly (Mutant & { readonly because: string })[] = [
  {
    name: 'notarize is cast after nullify',
    edits: [
      edit(
        'consensus/voting.ts',
        'own.notarize !== undefined || own.nullify || height',
        'own.notarize !== undefined || height',
      ),
      edit(
        'consensus/voting.ts',
        "assert(own.notarize === undefined && !own.nullify, 'second vote in a view')",
        '',
      ),
    ],
    because: 'the two do not contradict each other: the model finds no fork with it either',
  },
  {
    name: 'early messages are dropped',
    edits: [
      edit(
        'consensus/receiving.ts',
        'if (heightOf(message) === core.height.height + 1) return buffer(core, event)',
        'if (heightOf(message) === core.height.height + 1) return',
      ),
    ],
    because: 'STATUS repairs every loss, at a price in time',
  },
  {
    name: 'the last of two contradicting votes counts',
    edits: [
      edit(
        'consensus/tally.ts',
        'if (!sameStatement(earlier, vote)) reportContradiction(core, earlier, vote)\n    return\n',
        'if (sameStatement(earlier, vote)) return\n    reportContradiction(core, earlier, vote)\n',
      ),
    ],
    because: 'still one vote a signer; a Byzantine one can show each node another one anyway',
  },
  {
    name: 'timers of another view count',
    edits: [
      edit(
        'consensus/step.ts',
        'if (event.view !== height.view || !height.active) return',
        'if (!height.active) return',
      ),
    ],
    because: 'drivers keep one timer of each kind, and a timer can only nullify too early',
  },
  {
    name: 'a leader that has lied is waited for all the same',
    edits: [
      edit(
        'consensus/proposing.ts',
        'if (core.height.active && core.height.abandoned.has(core.height.view)) abandonView(core)',
        '',
      ),
    ],
    because: 'the view ends by its timer',
  },
  {
    name: 'soft validity is asked of repeated proposals',
    edits: [
      edit(
        'consensus/voting.ts',
        "findVerdict(core, block, isFresh ? 'fresh' : 'hard')",
        "findVerdict(core, block, 'fresh')",
      ),
    ],
    because:
      'in the simulator every soft verdict becomes valid in the end; a unit test pins the rule',
  },
  {
    name: 'signatures do not cover the epoch',
    edits: [edit('consensus/votes.ts', '.u32be(context.epoch)', '.u32be(0)')],
    because: 'there is one epoch; a unit test pins the signed bytes',
  },
  {
    name: 'the body of a proposal need not be the one voted for',
    edits: [
      edit(
        'consensus/receiving.ts',
        'if (block?.hash !== hash) return',
        'if (block === undefined) return',
      ),
    ],
    adversaries: ['invalid-proposer'],
    because:
      'bodies are kept under the hash of what they are: a wrong one is never taken for another',
  },
  {
    name: 'finalize votes are not repaired',
    edits: [
      edit(
        'consensus/status-repair.ts',
        'const missing = missingFinalize(core, theirs)',
        'const missing = missingFinalize(core, theirs).slice(0, 0)',
      ),
    ],
    because: 'a notarized block is proposed, and finalized, again in the next view',
  },
  {
    name: 'bodies are not asked for',
    edits: [
      edit(
        'consensus/bodies.ts',
        "core.send(source, { kind: 'get-block', height: height.height, hash })",
        '',
      ),
    ],
    because: 'within f + 1 views somebody leads who has the body, and shows it',
  },
  {
    name: 'a verdict that is pending is not asked for again',
    edits: [edit('consensus/step.ts', 'forgetPendingVerdicts(core)', '')],
    because: 'drivers answer again by themselves, and another leader follows',
  },
]

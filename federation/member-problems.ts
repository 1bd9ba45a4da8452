/** What the operator of a member must know or do, besides the health of L1. */

import { openBatches } from '../src/chain/peg/batches.ts'
import type { StateView } from '../src/chain/state.ts'
import type { DepositWatcher } from './deposits/deposit-watcher.ts'
import type { KeyCeremonies } from './key-ceremonies.ts'
import type { MemberSteps } from './member-steps.ts'
import type { ConfirmationFinder } from './releases/confirmation-finder.ts'
import type { ReleaseSigner } from './releases/release-signer.ts'
import type { SignedBatches } from './releases/signed-batches.ts'
import type { SigningWork } from './signing/work-jobs.ts'

export interface ProblemSources {
  readonly view: StateView
  readonly steps: Pick<MemberSteps, 'problems'>
  readonly keys: Pick<KeyCeremonies, 'problems'>
  readonly watcher: Pick<DepositWatcher, 'problem'>
  readonly finder: Pick<ConfirmationFinder, 'find' | 'problems'>
  readonly work: Pick<SigningWork, 'problem'> | undefined
  readonly signers: Iterable<Pick<ReleaseSigner, 'problems'>>
  readonly signed: Pick<SignedBatches, 'refusal'>
}

/** One line each. */
export function memberProblems(sources: ProblemSources): readonly string[] {
  const { steps, keys, watcher, finder, work, signers } = sources
  const single = [watcher.problem(), work?.problem()].filter((problem) => problem !== undefined)
  return [
    ...steps.problems(),
    ...keys.problems(),
    ...single,
    ...finder.problems(),
    ...[...signers].flatMap((signer) => signer.problems()),
    ...refusals(sources),
  ]
}

function refusals({ view, finder, signed }: ProblemSources): readonly string[] {
  return [...openBatches(view)].flatMap((batch) => {
    // L1 has a version of it, and no use for another.
    if (finder.find(batch) !== undefined) return []
    const refusal = signed.refusal(batch)
    return refusal === undefined ? [] : [`L1 refuses the signed batch ${batch.id}: ${refusal}`]
  })
}

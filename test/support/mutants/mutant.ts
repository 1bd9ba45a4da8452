/** The agreement protocol with one rule broken, as replacements of its source text. */

import type { MutantRun } from '../run-mutant.ts'

type Edit = MutantRun['edits'][number]

export interface Mutant extends Partial<Omit<MutantRun, 'edits' | 'seeds'>> {
  readonly name: string
  readonly edits: readonly Edit[]
}

export function edit(file: string, from: string, to: string): Edit {
  return { file, from, to }
}

/**
 * Rules of whole nodes deliberately broken, one at a time: the sweep of whole nodes must notice. A mutant
 * that survives means that the simulator has gone blind, or that the rule is not needed.
 */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { WHOLE_MUTANTS } from '../support/mutants/whole-mutants.ts'
import type { MutantRun } from '../support/run-mutant.ts'

const execute = promisify(execFile)
const RUNNER = new URL('../support/run-mutant.ts', import.meta.url).pathname
const SEEDS = 60

describe('whole nodes notice when', () => {
  it.each(WHOLE_MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    '%s',
    async (_, mutant) => {
      const run: MutantRun = { validators: 4, profile: 'lan', ...mutant, seeds: SEEDS }
      const { stdout } = await execute(process.execPath, [RUNNER, JSON.stringify(run)])
      expect(stdout).toMatch(/^broken at seed \d+: /)
      expect(stdout).toMatch(mutant.because)
    },
  )
})

/**
 * Rules deliberately broken, one at a time: the simulator must notice. A mutant that survives means
 * that the simulator has gone blind, or that the rule is not needed.
 */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { CERTIFICATE_MUTANTS } from '../support/mutants/certificate-mutants.ts'
import { EPOCH_MUTANTS } from '../support/mutants/epoch-mutants.ts'
import { HARMLESS_MUTANTS } from '../support/mutants/harmless-mutants.ts'
import { LIVENESS_MUTANTS } from '../support/mutants/liveness-mutants.ts'
import type { Mutant } from '../support/mutants/mutant.ts'
import {
  JUSTIFICATION_MUTANTS,
  LOG_MUTANTS,
  VOTE_MUTANTS,
} from '../support/mutants/voting-mutants.ts'
import type { MutantRun } from '../support/run-mutant.ts'

const HARMFUL_MUTANTS = [
  ...LOG_MUTANTS,
  ...VOTE_MUTANTS,
  ...JUSTIFICATION_MUTANTS,
  ...CERTIFICATE_MUTANTS,
  ...LIVENESS_MUTANTS,
  ...EPOCH_MUTANTS,
]

const execute = promisify(execFile)
const RUNNER = new URL('../support/run-mutant.ts', import.meta.url).pathname

async function outcome(mutant: Mutant, seeds: number): Promise<string> {
  const run: MutantRun = { validators: 4, profile: 'lan', ...mutant, seeds }
  const { stdout } = await execute(process.execPath, [RUNNER, JSON.stringify(run)])
  return stdout
}

describe('a mutant is caught when', () => {
  it.concurrent.each(HARMFUL_MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    '%s',
    async (_, mutant) => {
      expect(await outcome(mutant, 250)).toMatch(/^broken at seed \d+: /)
    },
  )
})

describe('nothing breaks when', () => {
  it.concurrent.each(
    HARMLESS_MUTANTS.map((mutant) => [mutant.name, mutant.because, mutant] as const),
  )('%s: %s', async (_, __, mutant) => {
    expect(await outcome(mutant, 30)).toBe('survived\n')
  })
})

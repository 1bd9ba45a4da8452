/**
 * The Script engine against a real bitcoind: the same spends judged by both, under the standard flags
 * and under Bitcoin's consensus flags, verdict and error compared. CAUSEWAY_SCRIPT_CASES sets how many
 * random scripts, CAUSEWAY_SCRIPT_SEED which ones.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readScriptTests, recast } from '../bitcoin/script-tests.ts'
import { parseScript } from '../bitcoin/vectors.ts'
import { bitcoindPath } from '../support/bitcoind.ts'
import { compareVerdicts, tableOf } from './script-differential/compare-verdicts.ts'
import { CoreOracle } from './script-differential/core-oracle.ts'
import { namedCases } from './script-differential/named-cases.ts'
import { opcodeCases } from './script-differential/opcode-cases.ts'
import { randomCases } from './script-differential/random-cases.ts'
import { leafCase, type SpendCase, scriptHashCase } from './script-differential/spend-case.ts'

const RANDOM_CASES = Number(process.env['CAUSEWAY_SCRIPT_CASES'] ?? 3_000)
const SEED = Number(process.env['CAUSEWAY_SCRIPT_SEED'] ?? 1)
const OPCODE_ROUNDS = RANDOM_CASES > 10_000 ? 4 : 1

/**
 * Core's own rows for legacy scripts: the scriptSig's pushes as witness items, or, where it does more,
 * as the script's first part.
 */
function recastCases(): SpendCase[] {
  return readScriptTests().flatMap((vector) => {
    const name = `${vector.scriptSig} | ${vector.scriptPubKey}`
    const joined = parseScript(`${vector.scriptSig} ${vector.scriptPubKey}`)
    const { script, stack } = recast(vector) ?? { script: joined, stack: [] }
    return [scriptHashCase(name, script, stack), leafCase(name, script, stack)]
  })
}

describe.skipIf(bitcoindPath === undefined)('beside a real bitcoind', () => {
  let oracle: CoreOracle
  beforeAll(async () => {
    oracle = await CoreOracle.start()
  })
  afterAll(async () => {
    await oracle.stop()
  })

  it.each([
    { what: 'every trap that the documents name', cases: namedCases },
    { what: 'every opcode', cases: () => opcodeCases(OPCODE_ROUNDS, SEED) },
    { what: 'script_tests as witness scripts', cases: recastCases },
    { what: 'random scripts', cases: () => randomCases(RANDOM_CASES, SEED) },
  ])('the engine says the same of $what', async ({ what, cases }) => {
    const report = await compareVerdicts(oracle, cases())
    process.stdout.write(`\n${what} (seed ${SEED})\n${tableOf(report)}\n`)
    expect(report.cases).toBeGreaterThan(2_000)
    expect(report.differences).toEqual([])
  })
})

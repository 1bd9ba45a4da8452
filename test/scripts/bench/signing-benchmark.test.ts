import { describe, expect, it } from 'vitest'
import { optionReader } from '../../../scripts/bench/benchmark.ts'
import { signingBenchmark } from '../../../scripts/bench/signing-benchmark.ts'

describe('the signing benchmark', () => {
  it('makes a key and signatures that verify, and reports what they cost', async () => {
    const sections = await signingBenchmark.run({
      ...optionReader({ rounds: 1, small: true }),
      signal: new AbortController().signal,
      progress: () => undefined,
    })
    expect(sections.map(({ title }) => title)).toEqual(['Federation of 3 of 4', 'Reference'])
    for (const { value } of sections.flatMap(({ figures }) => figures)) {
      expect(value).toBeGreaterThan(0)
    }
  })
})

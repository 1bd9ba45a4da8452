import { describe, expect, it } from 'vitest'
import { describeMachine } from '../../../scripts/bench/machine.ts'
import {
  type BenchmarkReport,
  figure,
  reportAsJson,
  reportAsText,
} from '../../../scripts/bench/report.ts'

const report: BenchmarkReport = {
  benchmark: 'example',
  measures: 'nothing',
  machine: describeMachine(),
  options: { rounds: 3 },
  sections: [
    {
      title: 'Figures',
      about: 'made up',
      figures: [figure('speed', 12.3456, 'ms'), figure('count', 12_345), figure('gone', null)],
    },
  ],
}

describe('a report', () => {
  it('is one JSON document', () => {
    expect(JSON.parse(reportAsJson(report))).toEqual(report)
  })

  it('is a table with the machine that it is of', () => {
    const text = reportAsText(report)
    expect(text).toContain(`Node ${process.versions.node}`)
    expect(text).toMatch(/^speed\s+12\.3\s+ms$/m)
    expect(text).toMatch(/^count\s+12345$/m)
    expect(text).toMatch(/^gone\s+unknown$/m)
  })
})

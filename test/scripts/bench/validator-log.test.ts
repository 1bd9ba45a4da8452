import { describe, expect, it } from 'vitest'
import { complaintsOf } from '../../../scripts/bench/validator-log.ts'

const line = (level: number, msg: string): string => JSON.stringify({ level, msg })

describe('complaints in a log', () => {
  it('are warnings, errors and what is no log line, counted', () => {
    const text = [
      line(30, 'started'),
      line(40, 'slow'),
      line(40, 'slow'),
      line(50, 'halted'),
      '(node:1) MaxListenersExceededWarning: Possible leak',
      '',
    ].join('\n')
    expect(complaintsOf(text)).toEqual([
      { level: 'warn', message: 'slow', count: 2 },
      { level: 'error', message: 'halted', count: 1 },
      {
        level: 'not a log line',
        message: '(node:1) MaxListenersExceededWarning: Possible leak',
        count: 1,
      },
    ])
  })
})

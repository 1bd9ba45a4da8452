import { describe, expect, it } from 'vitest'
import { type Benchmark, BenchmarkError, optionReader } from '../../../scripts/bench/benchmark.ts'
import { CommandLineError, parseCommandLine, usage } from '../../../scripts/bench/command-line.ts'

const example: Benchmark = {
  name: 'example',
  measures: 'nothing',
  options: {
    rounds: { fallback: 3, about: 'times' },
    where: { fallback: '', about: 'a folder' },
    large: { fallback: false, about: 'more of it' },
  },
  run: async () => [],
}

const parse = (...argv: string[]) => parseCommandLine(argv, [example])

describe('the command line of the benchmarks', () => {
  it('fills in what is not given', () => {
    expect(parse('example')).toEqual({
      benchmark: example,
      values: { rounds: 3, where: '', large: false },
      json: false,
    })
  })

  it('takes each option by the kind of its fallback', () => {
    const parsed = parse('example', '--json', '--rounds', '7', '--where=/tmp/x', '--large')
    expect(parsed?.values).toEqual({ rounds: 7, where: '/tmp/x', large: true })
    expect(parsed?.json).toBe(true)
  })

  it('answers a wish for help with nothing to run', () => {
    expect(parse()).toBeUndefined()
    expect(parse('--help')).toBeUndefined()
    expect(parse('example', '--help')).toBeUndefined()
    expect(usage([example])).toContain('--rounds')
  })

  it('refuses what it does not know', () => {
    expect(() => parse('other')).toThrow(CommandLineError)
    expect(() => parse('example', '--other')).toThrow(CommandLineError)
    expect(() => parse('example', '--rounds', 'many')).toThrow('--rounds takes a whole number')
    expect(() => parse('example', '--rounds', '-1')).toThrow(CommandLineError)
  })
})

describe('option values', () => {
  it('are read by name and kind', () => {
    const options = optionReader({ rounds: 3, where: 'x', large: true })
    expect(options.number('rounds')).toBe(3)
    expect(options.text('where')).toBe('x')
    expect(options.flag('large')).toBe(true)
    expect(() => options.number('where')).toThrow(BenchmarkError)
  })
})

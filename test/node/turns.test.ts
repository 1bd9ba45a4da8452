import { describe, expect, it } from 'vitest'
import { type Job, Turns } from '../../src/node/turns.ts'

/** Time passes while jobs work, and nothing else happens by itself. */
class Bench {
  nowMs = 0
  readonly timers: (() => void)[] = []
  readonly done: string[] = []
  readonly turns: Turns

  constructor(waitingMax = 100) {
    const clock = { nowMs: () => this.nowMs, monotonicMs: () => this.nowMs }
    const timers = {
      after: (_delayMs: number, run: () => void) => {
        this.timers.push(run)
        return () => void this.timers.splice(this.timers.indexOf(run) >>> 0, 1)
      },
    }
    this.turns = new Turns({ turnMs: 10, waitingMax }, { clock, timers })
  }

  *job(name: string, steps: number, stepMs: number): Job<string> {
    for (let step = 0; step < steps; step++) {
      yield
      this.nowMs += stepMs
    }
    this.done.push(name)
    return name
  }

  /** The rest of the program has had its turn. */
  next(): void {
    for (const run of this.timers.splice(0)) run()
  }
}

describe('turns', () => {
  it('do at once what takes no time, however much it is', () => {
    const bench = new Bench()
    expect(bench.turns.run(bench.job('long', 10_000, 0), 1, 'refused')).toBe('long')
    expect(bench.timers).toHaveLength(0)
  })

  it('do at once what fits a turn', () => {
    const bench = new Bench()
    expect(bench.turns.run(bench.job('short', 3, 2), 1, 'refused')).toBe('short')
  })

  it('leave the rest of a job for later turns', async () => {
    const bench = new Bench()
    const result = bench.turns.run(bench.job('long', 5, 4), 1, 'refused')
    expect(bench.done).toEqual([])
    expect(bench.nowMs).toBe(12)
    bench.next()
    expect(bench.nowMs).toBe(20)
    expect(await result).toBe('long')
  })

  it('count several jobs of one turn together, and keep their order', async () => {
    const bench = new Bench()
    const results = ['a', 'b', 'c', 'd'].map(async (name) =>
      bench.turns.run(bench.job(name, 1, 6), 1, 'refused'),
    )
    expect(bench.done).toEqual(['a', 'b'])
    bench.next()
    expect(bench.done).toEqual(['a', 'b', 'c', 'd'])
    expect(await Promise.all(results)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('begin anew when the rest of the program has had its turn', () => {
    const bench = new Bench()
    expect(bench.turns.run(bench.job('a', 1, 11), 1, 'refused')).toBe('a')
    bench.next()
    expect(bench.turns.run(bench.job('b', 1, 6), 1, 'refused')).toBe('b')
  })

  it('refuse when too much waits', async () => {
    const bench = new Bench(10)
    const first = bench.turns.run(bench.job('first', 2, 11), 6, 'refused')
    expect(await bench.turns.run(bench.job('second', 1, 1), 6, 'refused')).toBe('refused')
    const third = bench.turns.run(bench.job('third', 1, 1), 4, 'refused')
    bench.next()
    bench.next()
    expect(await Promise.all([first, third])).toEqual(['first', 'third'])
  })

  it('go on after a job that throws', async () => {
    const bench = new Bench()
    function* faulty(): Job<string> {
      bench.nowMs += 11
      yield
      throw new RangeError('a mistake')
    }
    const failed = bench.turns.run(faulty(), 1, 'refused')
    const after = bench.turns.run(bench.job('after', 1, 1), 1, 'refused')
    bench.next()
    await expect(failed).rejects.toThrow('a mistake')
    expect(await after).toBe('after')
    expect(bench.turns.run(bench.job('later', 1, 1), 100, 'refused')).toBe('later')
  })

  it('leave nobody waiting when they stop', async () => {
    const bench = new Bench()
    const waiting = bench.turns.run(bench.job('long', 5, 4), 1, 'refused')
    bench.turns.stop()
    expect(await waiting).toBe('refused')
    expect(bench.timers).toHaveLength(0)
    expect(bench.turns.run(bench.job('late', 1, 0), 1, 'refused')).toBe('refused')
  })
})

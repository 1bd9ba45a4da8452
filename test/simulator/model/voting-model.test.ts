import { describe, expect, it } from 'vitest'
import { exploreStates } from '../../../src/simulator/model/state-space.ts'
import {
  checkVotingRules,
  PROTOCOL_RULES,
  type VotingRules,
} from '../../../src/simulator/model/voting-model.ts'

describe('the voting rules', () => {
  it('of four validators, one Byzantine, allow no fork in any state of three views', () => {
    const { states, counterexample } = checkVotingRules(PROTOCOL_RULES)
    expect(counterexample).toBeUndefined()
    // The number is part of the result: a rule that forbids more would show here.
    expect(states).toBe(1_828_111)
  }, 120_000)

  it('allow none either when notarize may follow nullify', () => {
    const rules = { ...PROTOCOL_RULES, views: 2, notarizeFirst: false }
    expect(checkVotingRules(rules)).toEqual({ states: 10_000, counterexample: undefined })
  })

  const broken: [string, Partial<VotingRules>][] = [
    ['a justification is not required', { justification: 'not-required' }],
    ['a justification may have gaps', { justification: 'with-gaps' }],
    ['a quorum is one vote short', { quorum: 2 }],
    ['nullify and finalize go together', { exclusive: false }],
    ['two blocks may be notarized in a view', { notarizeOnce: false }],
    ['two of four are Byzantine', { honest: 2, byzantine: 2 }],
  ]
  it.each(broken)('lead to a fork when %s', (_, change) => {
    const { counterexample } = checkVotingRules({ ...PROTOCOL_RULES, ...change })
    expect(counterexample?.length).toBeGreaterThan(1)
    expect(counterexample?.[0]).not.toContain('N')
  })
})

describe('the state space', () => {
  it('is searched to its end, each state once, also beyond 32 bits', () => {
    const big = 2 ** 40
    const visited: number[] = []
    const { states, path } = exploreStates({
      initial: 0,
      next: (state) => {
        visited.push(state)
        return state < 100 * big ? [state + big, state + 2 * big] : []
      },
      isBroken: () => false,
    })
    expect({ states, path }).toEqual({ states: 102, path: undefined })
    expect(new Set(visited).size).toBe(visited.length)
  })

  it('gives the shortest way to a broken state', () => {
    const { path } = exploreStates({
      initial: 1,
      next: (state) => [state + 1, state * 2],
      isBroken: (state) => state === 10,
    })
    expect(path).toEqual([1, 2, 4, 5, 10])
  })
})

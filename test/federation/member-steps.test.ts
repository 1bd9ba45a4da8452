import { describe, expect, it } from 'vitest'
import { L1UnavailableError } from '../../federation/l1/l1-error.ts'
import { createMemberSteps } from '../../federation/member-steps.ts'
import { createSystemRuntime } from '../../src/runtime/system-runtime.ts'

const { log } = createSystemRuntime({ logLevel: 'silent' })

async function unplugged(): Promise<never> {
  throw new L1UnavailableError('gone')
}

async function diskFull(): Promise<never> {
  throw new RangeError('disk full')
}

describe('the steps of a member', () => {
  it('leave a failure of L1 for later, without a word to the operator', async () => {
    const steps = createMemberSteps(log)
    expect(await steps.run('scanning', unplugged)).toBeUndefined()
    expect(steps.problems()).toEqual([])
  })

  it('tell of any other failure until the step succeeds', async () => {
    const steps = createMemberSteps(log)
    await steps.run('settling', diskFull)
    expect(steps.problems()).toEqual(['settling failed: disk full'])
    expect(await steps.run('settling', () => Promise.resolve(7))).toBe(7)
    expect(steps.problems()).toEqual([])
  })

  it('do not begin after the stop, which waits for those under way', async () => {
    const steps = createMemberSteps(log)
    const { promise, resolve } = Promise.withResolvers<string>()
    const underWay = steps.run('planning', () => promise)
    steps.stop()
    let begun = false
    await steps.run('late', () => {
      begun = true
      return Promise.resolve()
    })
    expect(begun).toBe(false)
    const settled = steps.settled()
    resolve('planned')
    await settled
    expect(await underWay).toBe('planned')
  })
})

import { describe, expect, it } from 'vitest'
import { ViewAllowance } from '../../src/node/view-allowance.ts'

describe('the allowance of a view', () => {
  it('is nothing while blocks are no work', () => {
    const allowance = new ViewAllowance()
    expect(allowance.msOf('propose')).toBe(0)
    allowance.checked(0)
    allowance.stored(0)
    expect(allowance.msOf('propose')).toBe(0)
  })

  it('leaves room for checking a block several times', () => {
    const allowance = new ViewAllowance()
    allowance.checked(100)
    expect(allowance.msOf('propose')).toBe(400)
  })

  it('leaves room for storing the block before, here and at the leader', () => {
    const allowance = new ViewAllowance()
    allowance.checked(100)
    allowance.stored(50)
    expect(allowance.msOf('propose')).toBe(500)
    allowance.stored(0)
    expect(allowance.msOf('propose')).toBeCloseTo(470)
  })

  it('remembers a slow block for a while, and a slower one at once', () => {
    const allowance = new ViewAllowance()
    allowance.checked(100)
    allowance.checked(10)
    expect(allowance.msOf('propose')).toBeCloseTo(280)
    allowance.checked(200)
    expect(allowance.msOf('propose')).toBe(800)
    for (let block = 0; block < 20; block++) allowance.checked(1)
    expect(allowance.msOf('propose')).toBeLessThan(10)
  })

  it('is for the timers that end a view, and for no other', () => {
    const allowance = new ViewAllowance()
    allowance.checked(100)
    const timers = ['propose', 'notarize', 'finalize', 'retransmit', 'batch'] as const
    expect(timers.map((timer) => allowance.msOf(timer))).toEqual([400, 400, 400, 0, 0])
  })

  it('is bounded, whatever a leader makes others check', () => {
    const allowance = new ViewAllowance()
    allowance.checked(60_000)
    allowance.stored(60_000)
    expect(allowance.msOf('propose')).toBe(4_000)
  })
})

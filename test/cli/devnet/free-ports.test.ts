import { describe, expect, it } from 'vitest'
import { findFreePorts } from '../../../src/cli/devnet/free-ports.ts'

describe('free ports', () => {
  it('differ, and are none that systems hand out by themselves', async () => {
    const ports = await findFreePorts(30)
    expect(new Set(ports).size).toBe(30)
    expect(Math.max(...ports)).toBeLessThan(32_768)
  })
})

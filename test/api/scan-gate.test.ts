import { describe, expect, it } from 'vitest'
import { ScanGate } from '../../src/api/scan-gate.ts'

describe('the gate for scans', () => {
  it('lets a few run, keeps a bounded queue in order, and refuses the rest', async () => {
    const gate = new ScanGate(2, 2)
    const log: string[] = []
    const ends = Array.from({ length: 4 }, () => Promise.withResolvers<void>())
    const scan = async (index: number): Promise<void> =>
      gate.run(async () => {
        log.push(`start ${index}`)
        await ends[index]!.promise
      })
    const scans = [0, 1, 2, 3].map(scan)
    await expect(scan(4)).rejects.toMatchObject({ status: 503, retryAfterSeconds: 1 })
    expect(log).toEqual(['start 0', 'start 1'])
    ends[1]!.resolve()
    await scans[1]
    ends[0]!.reject(new RangeError('broken'))
    await expect(scans[0]).rejects.toThrow('broken')
    for (const end of ends) end.resolve()
    await Promise.all(scans.slice(1))
    expect(log).toEqual(['start 0', 'start 1', 'start 2', 'start 3'])
  })
})

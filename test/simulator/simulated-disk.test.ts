import { describe, expect, it } from 'vitest'
import { createSeededRandom } from '../../src/simulator/seeded-random.ts'
import { SimulatedDisk } from '../../src/simulator/simulated-disk.ts'
import { VirtualTime } from '../../src/simulator/virtual-time.ts'
import { CoreHarness } from '../support/core-harness.ts'

const harness = new CoreHarness()
const record = (view: number) =>
  ({ kind: 'vote', height: 1, vote: harness.vote(0, 'nullify', view) }) as const

function aDisk(seed = 1): { disk: SimulatedDisk; time: VirtualTime } {
  const time = new VirtualTime()
  const disk = new SimulatedDisk({ time, random: createSeededRandom(seed) })
  return { disk, time }
}

describe('simulated disk', () => {
  it('releases an action only when every record before it is synced', () => {
    const { disk, time } = aDisk()
    const durable: number[] = []
    disk.whenDurable(() => durable.push(disk.records().length))
    disk.append(record(0))
    disk.whenDurable(() => durable.push(disk.records().length))
    disk.append(record(1))
    disk.append(record(2))
    disk.whenDurable(() => durable.push(disk.records().length))
    expect(durable).toEqual([0])
    time.runUntil(100)
    expect(durable).toEqual([0, 1, 3])
  })

  it('keeps a prefix in a crash, never more than was appended, and releases nothing', () => {
    const kept = new Set<number>()
    for (let seed = 0; seed < 50; seed++) {
      const { disk, time } = aDisk(seed)
      let released = false
      disk.append(record(0))
      disk.append(record(1))
      disk.whenDurable(() => {
        released = true
      })
      disk.crash()
      time.runUntil(100)
      expect(released, `seed ${seed}`).toBe(false)
      const views = disk.records().map((found) => (found.kind === 'vote' ? found.vote.view : -1))
      expect([0, 1].slice(0, views.length), `seed ${seed}`).toEqual(views)
      kept.add(views.length)
    }
    expect(kept).toEqual(new Set([0, 1, 2]))
  })

  it('tears its last record anywhere in a crash, and is opened without it', () => {
    let torn = 0
    for (let seed = 0; seed < 100; seed++) {
      const { disk, time } = aDisk(seed)
      disk.append(record(0))
      time.runUntil(100)
      disk.append(record(1))
      disk.append(record(2))
      disk.crash()
      const views = disk.open().map((found) => (found.kind === 'vote' ? found.vote.view : -1))
      expect([0, 1, 2].slice(0, views.length), `seed ${seed}`).toEqual(views)
      expect(views.length, `seed ${seed}`).toBeGreaterThan(0)
      if (views.length < 3) torn++
      // What comes next stands behind what was whole.
      disk.append(record(9))
      time.runUntil(200)
      expect(disk.records()).toHaveLength(views.length + 1)
    }
    expect(torn).toBeGreaterThan(50)
  })

  it.each(['ENOSPC', 'EIO'] as const)(
    'that fails with %s says so and releases nothing',
    (error) => {
      const { disk, time } = aDisk()
      const told: string[] = []
      disk.onError = (which) => told.push(which)
      disk.error = error
      disk.append(record(0))
      disk.whenDurable(() => told.push('released'))
      time.runUntil(1_000)
      expect(told).toEqual([error])
      expect(disk.records()).toEqual([])
    },
  )

  it('drops the records of a height when its commit is durable', () => {
    const { disk, time } = aDisk()
    const block = harness.block(0, [1])
    const certificate = harness.certificate('finalize', 0, block.hash)
    disk.append(record(0))
    let applied = false
    disk.commit({ block, certificate }, () => {
      applied = true
    })
    time.runUntil(100)
    expect(applied).toBe(true)
    expect(disk.records()).toEqual([])
    expect(disk.decided).toHaveLength(1)
  })
})

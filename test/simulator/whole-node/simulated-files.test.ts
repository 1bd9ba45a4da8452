import { describe, expect, it } from 'vitest'
import { createSeededRandom } from '../../../src/simulator/seeded-random.ts'
import { ProcessLife } from '../../../src/simulator/whole-node/process-life.ts'
import { LogFile } from '../../../src/simulator/whole-node/simulated-log.ts'
import { StoreFile } from '../../../src/simulator/whole-node/simulated-store.ts'
import { StorageDevice } from '../../../src/simulator/whole-node/storage-device.ts'
import { WorldTime } from '../../../src/simulator/whole-node/world-time.ts'

function aDevice(seed = 1) {
  const time = new WorldTime()
  const device = new StorageDevice(time, createSeededRandom(seed))
  return { time, device, life: new ProcessLife(() => undefined) }
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const put = (key: number, value: number) =>
  ({ kind: 'put', key: bytes(key), value: bytes(value) }) as const

describe('the simulated log', () => {
  it('keeps what was waited for in every crash, and a beginning of the rest', async () => {
    const kept = new Set<number>()
    for (let seed = 1; seed <= 60; seed++) {
      const { time, device, life } = aDevice(seed)
      const file = new LogFile(device)
      const log = file.open(life)
      void log.append([bytes(1)])
      await time.pass(100)
      for (const record of [2, 3, 4]) void log.append([bytes(record)])
      life.end()
      file.crash()
      const records = file.records().map((record) => record[0])
      expect(records).toEqual([1, 2, 3, 4].slice(0, records.length))
      kept.add(records.length)
    }
    expect([...kept].toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4])
  })

  it('rejects for ever after an error, and takes records again once it is opened anew', async () => {
    const { time, device, life } = aDevice()
    const file = new LogFile(device)
    const log = file.open(life)
    device.error = 'ENOSPC'
    const failing = log.append([bytes(1)]).catch((error: Error) => error.name)
    await time.pass(100)
    expect(await failing).toBe('JournalFailedError')
    device.error = undefined
    await expect(log.append([bytes(2)])).rejects.toThrow('the log has failed')
    file.crash()
    const again = file.open(new ProcessLife(() => undefined))
    const done = again.append([bytes(3)])
    await time.pass(100)
    await done
    expect(file.records().at(-1)).toEqual(bytes(3))
  })

  it('replaces its records at once or not at all', async () => {
    const seen = new Set<string>()
    for (let seed = 1; seed <= 20; seed++) {
      const { time, device, life } = aDevice(seed)
      const file = new LogFile(device)
      const log = file.open(life)
      void log.append([bytes(1), bytes(2), bytes(3)])
      await time.pass(100)
      void log.rewrite([bytes(3)])
      life.end()
      file.crash()
      seen.add(file.records().join(' '))
    }
    expect([...seen].toSorted()).toEqual(['1 2 3', '3'])
  })
})

describe('the simulated store', () => {
  it('shows a batch when it is written, and loses none that was synced', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const { time, device, life } = aDevice(seed)
      const file = new StoreFile(device)
      const store = file.open(life)
      void store.write([put(1, 1)], { sync: true })
      await time.pass(100)
      expect(store.get(bytes(1))).toEqual(bytes(1))
      void store.write([put(1, 2), put(2, 2)], { sync: false })
      await time.pass(100)
      void store.write([put(3, 3)], { sync: true })
      life.end()
      file.crash()
      const after = file.open(new ProcessLife(() => undefined))
      const values = [1, 2, 3].map((key) => after.get(bytes(key))?.[0])
      // All of a batch or nothing, and the third never without the second.
      expect([
        [1, undefined, undefined],
        [2, 2, undefined],
        [2, 2, 3],
      ]).toContainEqual(values)
    }
  })
})

describe('a simulated process', () => {
  it('that is killed in a call never hears of its end, and calls nobody after it', async () => {
    const { time, device } = aDevice()
    let deaths = 0
    const life = new ProcessLife(() => {
      deaths += 1
      life.end()
    })
    const file = new LogFile(device)
    const log = file.open(life)
    life.dieAtCall(2)
    let isAnswered = false
    void log.append([bytes(1)]).then(() => {
      isAnswered = true
    })
    await time.pass(100)
    expect({ deaths, isAnswered, isAlive: life.isAlive }).toEqual({
      deaths: 1,
      isAnswered: false,
      isAlive: false,
    })
    expect(life.enter()).toBe(false)
  })
})

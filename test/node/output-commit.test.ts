import { describe, expect, it } from 'vitest'
import { createOutputQueue, type JournalRecord } from '../../src/node/output-commit.ts'
import { MemoryJournal } from '../support/memory-journal.ts'
import { settle } from '../support/virtual-runtime.ts'

const record = (height: number, tag: number, bytes = 1): JournalRecord => ({
  height,
  bytes: new Uint8Array(bytes).fill(tag),
})
const tags = (journal: MemoryJournal): readonly (number | undefined)[] =>
  journal.records.map(([first]) => first)

/** A disk that syncs when the test says so. */
function slowJournal(): { journal: MemoryJournal; sync: () => Promise<void> } {
  const waiting: (() => void)[] = []
  const journal = new MemoryJournal(() => new Promise((resolve) => waiting.push(resolve)))
  return {
    journal,
    async sync() {
      for (const resolve of waiting.splice(0)) resolve()
      await settle()
    },
  }
}

function queueOn(journal: MemoryJournal, recovered: readonly JournalRecord[] = []) {
  const failures: unknown[] = []
  const queue = createOutputQueue(journal.open(), recovered, (error) => failures.push(error))
  return { queue, failures }
}

describe('the output queue', () => {
  it('runs an action only when all records before it are on disk', async () => {
    const { journal, sync } = slowJournal()
    const { queue } = queueOn(journal)
    const done: string[] = []
    queue.persist(record(1, 1))
    queue.act(() => void done.push('first'))
    await settle()
    expect(done).toEqual([])
    queue.persist(record(1, 2))
    queue.act(() => void done.push('second'))
    await sync()
    expect(done).toEqual(['first'])
    expect(tags(journal)).toEqual([1])
    await sync()
    expect(done).toEqual(['first', 'second'])
    expect(tags(journal)).toEqual([1, 2])
  })

  it('shares one sync among the records of a turn', async () => {
    const { journal, sync } = slowJournal()
    const { queue } = queueOn(journal)
    for (let tag = 0; tag < 10; tag++) queue.persist(record(1, tag))
    await settle()
    await sync()
    expect(journal.appends).toBe(1)
    expect(tags(journal)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('splits what is too much for one append, in order', async () => {
    const journal = new MemoryJournal()
    const { queue } = queueOn(journal)
    for (let tag = 1; tag <= 10; tag++) queue.persist(record(1, tag, 4_000_000))
    await queue.flushed()
    expect(journal.appends).toBe(3)
    expect(tags(journal)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  it('waits for an action before the next one', async () => {
    const { queue } = queueOn(new MemoryJournal())
    const done: string[] = []
    const { promise, resolve: finish } = Promise.withResolvers<void>()
    queue.act(async () => {
      await promise
      done.push('slow')
    })
    queue.act(() => void done.push('next'))
    await settle()
    expect(done).toEqual([])
    finish()
    await queue.flushed()
    expect(done).toEqual(['slow', 'next'])
  })

  for (const succeeding of [0, 1, 2, 3]) {
    it(`does nothing more once append ${succeeding + 1} has failed`, async () => {
      const journal = new MemoryJournal()
      journal.appendsLeft = succeeding
      const { queue, failures } = queueOn(journal)
      const done: number[] = []
      for (let i = 0; i < 6; i++) {
        queue.persist(record(1, i))
        queue.act(() => void done.push(i))
        await settle()
      }
      await queue.flushed()
      expect(failures).toHaveLength(1)
      expect(tags(journal)).toEqual([0, 1, 2].slice(0, succeeding))
      expect(done).toEqual([0, 1, 2].slice(0, succeeding))
    })
  }

  it('does nothing more once an action has failed', async () => {
    const journal = new MemoryJournal()
    const { queue, failures } = queueOn(journal)
    const done: string[] = []
    queue.act(() => Promise.reject(new TypeError('the database is gone')))
    queue.act(() => void done.push('sent'))
    const flushed = queue.flushed()
    await flushed
    queue.persist(record(1, 1))
    await queue.flushed()
    expect(String(failures)).toContain('the database is gone')
    expect(done).toEqual([])
    expect(journal.appends).toBe(0)
  })

  it('drops the records of decided heights, and never others', async () => {
    const journal = new MemoryJournal()
    const { queue } = queueOn(journal)
    for (let height = 1; height <= 400; height++) {
      for (let tag = 0; tag < 3; tag++) queue.persist(record(height, tag))
      queue.act(() => {
        if (height < 400) queue.decided(height)
      })
    }
    queue.persist(record(401, 7))
    await queue.flushed()
    queue.persist(record(401, 8))
    await queue.flushed()
    expect(journal.rewrites).toBe(1)
    expect(tags(journal)).toEqual([0, 1, 2, 7, 8])
  })

  it('keeps records that come while it rewrites', async () => {
    const { journal, sync } = slowJournal()
    const { queue } = queueOn(journal)
    queue.persist(record(1, 1, 40_000_000))
    queue.persist(record(2, 2))
    queue.act(() => queue.decided(1))
    await settle()
    await sync()
    await sync()
    // Now the rewrite is under way.
    expect(journal.rewrites).toBe(1)
    queue.persist(record(2, 3))
    await sync()
    await sync()
    expect(tags(journal)).toEqual([2, 3])
  })

  it('counts what earlier runs left behind', async () => {
    const journal = new MemoryJournal()
    journal.records = Array.from({ length: 1_200 }, () => Uint8Array.of(1))
    const recovered = journal.records.map((bytes) => ({ height: 3, bytes }))
    const { queue } = queueOn(journal, [...recovered, record(9, 9)])
    queue.decided(8)
    queue.act(() => undefined)
    await queue.flushed()
    await settle()
    expect(tags(journal)).toEqual([9])
  })
})

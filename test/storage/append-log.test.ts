import { type FileHandle, open, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../src/primitives/assert.ts'
import { concatBytes, utf8 } from '../../src/primitives/bytes.ts'
import { openAppendLog } from '../../src/storage/append-log.ts'
import {
  encodeFrame,
  LOG_HEADER,
  LOG_RECORD_BYTES_MAX,
  LogDamage,
  scanLog,
} from '../../src/storage/append-log-format.ts'
import {
  JournalCorruptError,
  JournalFailedError,
  StorageError,
} from '../../src/storage/storage-error.ts'
import { temporaryDirectory } from './temporary-directory.ts'

async function logPath(): Promise<string> {
  return join(await temporaryDirectory(), 'journal')
}

/** A log of these appends, closed; returns the file's bytes and where each append ends. */
async function writtenLog(
  path: string,
  appends: readonly (readonly Uint8Array[])[],
): Promise<{ readonly bytes: Uint8Array; readonly ends: readonly number[] }> {
  const log = await openAppendLog(path)
  const ends: number[] = [LOG_HEADER.length]
  for (const records of appends) {
    await log.append(records)
    ends.push((await stat(path)).size)
  }
  await log.close()
  return { bytes: new Uint8Array(await readFile(path)), ends }
}

async function recovered(path: string): Promise<readonly Uint8Array[]> {
  const log = await openAppendLog(path)
  await log.close()
  return log.recovered
}

const APPENDS = [
  [utf8('first')],
  [utf8('second'), new Uint8Array(), utf8('third')],
  [new Uint8Array(300).fill(7)],
]

describe('an append log', () => {
  it('gives back its records in order after it was closed and opened again', async () => {
    const path = await logPath()
    await writtenLog(path, APPENDS)
    expect(await recovered(path)).toStrictEqual(APPENDS.flat())
  })

  it('has its records on the disk when append resolves, without a close', async () => {
    const path = await logPath()
    const log = await openAppendLog(path)
    await log.append([utf8('vote')])
    expect(scanLog(new Uint8Array(await readFile(path))).records).toStrictEqual([utf8('vote')])
    await log.close()
  })

  it('keeps the order of concurrent appends and gathers them into fewer writes', async () => {
    const path = await logPath()
    const log = await openAppendLog(path)
    const resolved: number[] = []
    const records = Array.from({ length: 200 }, (_, i) => utf8(`record ${i}`))
    await Promise.all(
      records.map(async (record, i) => {
        await log.append([record])
        resolved.push(i)
      }),
    )
    await log.close()
    expect(resolved).toEqual(records.map((_, i) => i))
    expect(await recovered(path)).toStrictEqual(records)
    const alone = records.reduce((sum, record) => sum + encodeFrame([record]).length, 0)
    expect((await stat(path)).size).toBeLessThan(alone)
  })

  it('takes a rewrite in its turn between appends', async () => {
    const path = await logPath()
    const log = await openAppendLog(path)
    await Promise.all([
      log.append([utf8('old')]),
      log.rewrite([utf8('kept')]),
      log.append([utf8('new')]),
    ])
    await log.close()
    expect(await recovered(path)).toStrictEqual([utf8('kept'), utf8('new')])
  })

  it('can be rewritten to nothing and used again', async () => {
    const path = await logPath()
    const log = await openAppendLog(path)
    await log.append([utf8('old')])
    await log.rewrite([])
    expect((await stat(path)).size).toBe(LOG_HEADER.length)
    await log.append([utf8('new')])
    await log.close()
    expect(await recovered(path)).toStrictEqual([utf8('new')])
  })

  it('ignores what a rewrite left that did not come to its end', async () => {
    const path = await logPath()
    await writtenLog(path, [[utf8('kept')]])
    await writeFile(`${path}.new`, 'half a fi')
    expect(await recovered(path)).toStrictEqual([utf8('kept')])
    await expect(stat(`${path}.new`)).rejects.toThrow('ENOENT')
  })

  it('refuses a record above its limit, as a mistake of the caller', async () => {
    const log = await openAppendLog(await logPath())
    const long = new Uint8Array(LOG_RECORD_BYTES_MAX + 1)
    expect(() => log.append([long])).toThrow(AssertionError)
    await log.append([long.subarray(1)])
    await log.close()
  })

  it('refuses work after it was closed', async () => {
    const log = await openAppendLog(await logPath())
    await log.close()
    await expect(log.append([utf8('late')])).rejects.toThrow(StorageError)
  })
})

describe('an append log that was cut off', () => {
  it('drops the torn last append and nothing else, at every byte', async () => {
    const path = await logPath()
    const { bytes, ends } = await writtenLog(path, APPENDS)
    for (let length = LOG_HEADER.length; length <= bytes.length; length++) {
      await writeFile(path, bytes.subarray(0, length))
      const whole = ends.filter((end) => end <= length).length - 1
      expect(await recovered(path)).toStrictEqual(APPENDS.slice(0, whole).flat())
      // The tail is gone for good: what is appended next stands behind the last whole record.
      expect((await stat(path)).size).toBe(ends[whole])
    }
  })

  it('goes on behind the cut', async () => {
    const path = await logPath()
    const { bytes, ends } = await writtenLog(path, APPENDS)
    await truncate(path, bytes.length - 1)
    const log = await openAppendLog(path)
    await log.append([utf8('next')])
    await log.close()
    expect((await stat(path)).size).toBeGreaterThan(ends[2]!)
    expect(await recovered(path)).toStrictEqual([...APPENDS.slice(0, 2).flat(), utf8('next')])
  })

  it('takes zeros at the end for a write that never reached the disk', async () => {
    const path = await logPath()
    const { bytes } = await writtenLog(path, APPENDS)
    await truncate(path, bytes.length + 5_000)
    expect(await recovered(path)).toStrictEqual(APPENDS.flat())
  })

  it('refuses a file whose header is not whole', async () => {
    const path = await logPath()
    for (let length = 0; length < LOG_HEADER.length; length++) {
      await writeFile(path, LOG_HEADER.subarray(0, length))
      await expect(openAppendLog(path)).rejects.toThrow(JournalCorruptError)
    }
  })
})

describe('an append log with damaged bytes', () => {
  it('never drops an append but the last, whichever bit flips', async () => {
    const { bytes, ends } = await writtenLog(await logPath(), APPENDS)
    const records = APPENDS.flat()
    const lastStart = ends.at(-2)!
    let dropped = 0
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      try {
        const scan = scanLog(damaged)
        // Only the last frame's body can pass for a torn tail.
        expect(bit >> 3).toBeGreaterThanOrEqual(lastStart + 12)
        expect(scan.records).toStrictEqual(records.slice(0, -1))
        expect(scan.goodBytes).toBe(lastStart)
        dropped++
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(LogDamage)
        expect(bit >> 3).toBeLessThan(lastStart + 12)
      }
    }
    expect(dropped).toBe((bytes.length - lastStart - 12) * 8)
  })

  it('says where the damage is and leaves the file as it was', async () => {
    const path = await logPath()
    const { bytes, ends } = await writtenLog(path, APPENDS)
    bytes[ends[1]! + 20]! ^= 1
    await writeFile(path, bytes)
    await expect(openAppendLog(path)).rejects.toThrow(`damaged at byte ${ends[1]}`)
    expect(new Uint8Array(await readFile(path))).toStrictEqual(bytes)
  })

  it('throws nothing but LogDamage for any bytes behind a header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
        try {
          scanLog(Uint8Array.of(...LOG_HEADER, ...tail))
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(LogDamage)
        }
      }),
    )
  })

  it('reads back whatever records were framed', () => {
    const records = fc.array(fc.uint8Array({ maxLength: 50 }), { minLength: 1 })
    fc.assert(
      fc.property(fc.array(records), (frames) => {
        const file = concatBytes(LOG_HEADER, ...frames.map(encodeFrame))
        const scan = scanLog(file)
        expect(scan).toStrictEqual({ records: frames.flat(), goodBytes: file.length })
      }),
    )
  })
})

describe('an append log whose disk fails', () => {
  it('rejects the write that failed and everything after it', async () => {
    const path = await logPath()
    const handles: FileHandle[] = []
    const log = await openAppendLog(path, {
      async openFile(file, flags) {
        const handle = await open(file, flags, 0o600)
        handles.push(handle)
        return handle
      },
    })
    await log.append([utf8('safe')])
    // From now on the descriptor is bad: every write fails in the kernel.
    await handles.at(-1)!.close()
    const outcomes = await Promise.allSettled([
      log.append([utf8('a')]),
      log.append([utf8('b')]),
      log.rewrite([utf8('c')]),
    ])
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(JournalFailedError) })
    }
    await expect(log.append([utf8('d')])).rejects.toThrow(JournalFailedError)
    await expect(log.append([])).rejects.toThrow(JournalFailedError)
    expect(await recovered(path)).toStrictEqual([utf8('safe')])
  })

  it('keeps the old log when a rewrite finds the disk full', async () => {
    const path = await logPath()
    let isFull = false
    const log = await openAppendLog(path, {
      openFile: (file, flags) => open(isFull ? '/dev/full' : file, isFull ? 'r+' : flags, 0o600),
    })
    await log.append([utf8('safe')])
    isFull = true
    const failed = log.rewrite([utf8('lost')])
    await expect(failed).rejects.toThrow(JournalFailedError)
    await expect(failed).rejects.toHaveProperty('cause.code', 'ENOSPC')
    await expect(log.append([utf8('late')])).rejects.toThrow(JournalFailedError)
    await log.close()
    expect(await recovered(path)).toStrictEqual([utf8('safe')])
  })

  it('reports a path that cannot be opened', async () => {
    const path = join(await temporaryDirectory(), 'absent', 'journal')
    await expect(openAppendLog(path)).rejects.toThrow(StorageError)
  })
})

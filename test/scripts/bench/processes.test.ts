import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { BenchmarkError } from '../../../scripts/bench/benchmark.ts'
import { folderBytes, processCost } from '../../../scripts/bench/processes.ts'

describe('what a process costs', () => {
  it('is read from /proc', async () => {
    const cost = await processCost(process.pid)
    expect(cost.residentMb).toBeGreaterThan(10)
    expect(cost.peakMb).toBeGreaterThanOrEqual(cost.residentMb)
    expect(cost.processorMs).toBeGreaterThan(0)
  })

  it('is not known of a process that is not there', async () => {
    await expect(processCost(undefined)).rejects.toThrow(BenchmarkError)
  })
})

describe('what a folder costs', () => {
  it('is the size of all files below', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'causeway-bytes-'))
    try {
      await mkdir(join(folder, 'inner'))
      await writeFile(join(folder, 'a'), new Uint8Array(100))
      await writeFile(join(folder, 'inner', 'b'), new Uint8Array(23))
      expect(await folderBytes(folder)).toBe(123)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

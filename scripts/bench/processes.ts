/** What processes and folders cost, as Linux tells: resident memory, processor time, bytes on disk. */

import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { BenchmarkError } from './benchmark.ts'

export interface ProcessCost {
  readonly residentMb: number
  /** The highest so far. */
  readonly peakMb: number
  /** User and system together since the process started, milliseconds. */
  readonly processorMs: number
}

/** USER_HZ, which Linux fixes at 100 for what it shows in /proc. */
const TICK_MS = 10

/** @throws BenchmarkError where there is no /proc, or no such process. */
export async function processCost(pid: number | undefined): Promise<ProcessCost> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    const times = await readFile(`/proc/${pid}/stat`, 'utf8')
    return {
      residentMb: kilobytes(status, 'VmRSS') / 1024,
      peakMb: kilobytes(status, 'VmHWM') / 1024,
      processorMs: processorTicks(times) * TICK_MS,
    }
  } catch (cause) {
    throw new BenchmarkError(`cannot read what process ${pid} costs`, { cause })
  }
}

function kilobytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
}

/** proc(5): utime and stime are fields 14 and 15; the name before may contain spaces. */
function processorTicks(text: string): number {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

/** Bytes of all files in a folder and below. Files that vanish meanwhile do not count. */
export async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        stat(join(entry.parentPath, entry.name)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

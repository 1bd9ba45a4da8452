/** The member change that no block has yet, in a file of its own. */

import { readFile, rm } from 'node:fs/promises'
import type { ChangeRecord } from '../../../federation/membership-pool.ts'
import { writeFileDurably } from '../../storage/durable-file.ts'

/** Longer than a change of the largest federation, which has about ten thousand bytes. */
const BYTES_MAX = 65_536

export function createChangeRecord(path: string): ChangeRecord {
  return {
    async read() {
      const bytes = await readFile(path).catch((error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
        throw error
      })
      return bytes === undefined || bytes.length > BYTES_MAX ? undefined : new Uint8Array(bytes)
    },
    async write(bytes) {
      if (bytes === undefined) await rm(path, { force: true })
      else await writeFileDurably(path, bytes, 0o600)
    },
  }
}

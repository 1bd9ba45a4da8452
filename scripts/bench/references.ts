/**
 * The floors that figures are read against, measured on the same machine in the same minute: signature
 * checks by the library in use, and syncing a small record to the disk.
 */

import { mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { utf8 } from '../../src/primitives/bytes.ts'
import { hashToBytes } from '../../src/primitives/hashes.ts'
import { signSchnorr, verifySchnorr, xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { BenchmarkError } from './benchmark.ts'

export interface SignedRecord {
  readonly signature: Uint8Array
  readonly message: Uint8Array
  readonly publicKey: Uint8Array
}

const NO_AUXILIARY = new Uint8Array(32)

/** Signatures of as many different keys. */
function signRecords(count: number): readonly SignedRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const secret = sha256(utf8(`reference key ${index}`))
    const message = sha256(utf8(`reference message ${index}`))
    return {
      signature: signSchnorr(message, secret, NO_AUXILIARY),
      message,
      publicKey: hashToBytes(xOnlyPublicKey(secret)),
    }
  })
}

/** Checks all of them; milliseconds. @throws BenchmarkError when one does not verify. */
export function timeChecks(records: readonly SignedRecord[]): number {
  const startedMs = performance.now()
  let good = 0
  for (const { signature, message, publicKey } of records) {
    if (verifySchnorr(signature, message, publicKey)) good += 1
  }
  const tookMs = performance.now() - startedMs
  if (good !== records.length) throw new BenchmarkError('a signature does not verify')
  return tookMs
}

const RECORDS = 300
const CHECK_AT_LEAST_MS = 1_000

/** BIP340 checks per second on one core. */
export function signatureChecksPerSecond(): number {
  const records = signRecords(RECORDS)
  let checked = 0
  let tookMs = 0
  timeChecks(records)
  while (tookMs < CHECK_AT_LEAST_MS) {
    tookMs += timeChecks(records)
    checked += records.length
  }
  return (checked / tookMs) * 1000
}

const RECORD_BYTES = 200

/** Milliseconds of appending 200 bytes and fdatasync, on the file system of `folder`. */
export async function syncDurationsMs(folder: string, count: number): Promise<readonly number[]> {
  const scratch = await mkdtemp(join(folder, 'sync-'))
  try {
    const file = await open(join(scratch, 'record.log'), 'a')
    const durations: number[] = []
    for (let index = 0; index < count; index++) {
      const startedMs = performance.now()
      await file.write(new Uint8Array(RECORD_BYTES))
      await file.datasync()
      durations.push(performance.now() - startedMs)
    }
    await file.close()
    return durations
  } finally {
    await rm(scratch, { recursive: true })
  }
}

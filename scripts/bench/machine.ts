/** What the figures were measured on: they mean nothing without it. */

import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os'
import { secp256k1Backend } from '../../src/primitives/secp256k1.ts'
import { sha256Backend } from '../../src/primitives/sha256.ts'

export interface Machine {
  readonly cores: number
  readonly cpu: string
  readonly memoryMb: number
  readonly platform: string
  readonly node: string
  /** The library that checks signatures. */
  readonly secp256k1: string
  /** What hashes. */
  readonly sha256: string
  /** Runnable processes over the last minute: what else the machine was busy with. */
  readonly loadAverage: number
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryMb: Math.round(totalmem() / 2 ** 20),
    platform: `${platform()} ${release()}`,
    node: process.versions.node,
    secp256k1: secp256k1Backend().name,
    sha256: sha256Backend().name,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  }
}

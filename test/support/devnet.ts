/**
 * A devnet for end-to-end tests: four validators as processes of their own over libp2p, and a real
 * bitcoind. One per group of tests, in a temporary folder that outlives a failure for whoever looks
 * into it. L1 blocks come only when a test mines them.
 */

import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll } from 'vitest'
import {
  type Devnet,
  type L1Choice,
  launchDevnet,
  startDevnet,
  type Validator,
} from '../../src/cli/devnet/devnet.ts'
import { until } from '../../src/cli/devnet/until.ts'
import { present } from '../../src/primitives/assert.ts'
import { createSystemRuntime } from '../../src/runtime/system-runtime.ts'
import { bitcoindPath } from './bitcoind.ts'

/** For whatever a busy machine may take; reaching it means that it never comes. */
export const PATIENCE_MS = 150_000
export const TEST_TIMEOUT_MS = 400_000
const START_TIMEOUT_MS = 200_000

interface TestDevnetOptions {
  /** Without it the tests go on as soon as the processes run. @default true */
  readonly waitUntilOpen?: boolean
  /** For L1's bitcoind, besides its own. */
  readonly bitcoindArguments?: readonly string[]
}

/** Starts a devnet before the tests of this group and stops it after them. */
export function useDevnet(options: TestDevnetOptions = {}): () => Devnet {
  const folder = useFolder('causeway-devnet-')
  let devnet: Devnet | undefined
  beforeAll(async () => {
    try {
      devnet = await startTestDevnet(folder.path, options)
    } catch (cause) {
      folder.keep()
      throw cause
    }
  }, START_TIMEOUT_MS)
  afterAll(async () => devnet?.stop(), START_TIMEOUT_MS)
  return () => present(devnet, 'devnet')
}

/** In a folder with a devnet it goes on with that. */
async function startTestDevnet(folder: string, options: TestDevnetOptions = {}): Promise<Devnet> {
  const start = options.waitUntilOpen === false ? launchDevnet : startDevnet
  const l1: L1Choice = { kind: 'bitcoind', program: bitcoindProgram(folder, options) }
  return await start({
    folder: join(folder, 'net'),
    l1,
    validators: 4,
    apiPort: 0,
    runtime: createSystemRuntime({ logLevel: 'silent' }),
    signal: new AbortController().signal,
    report: () => undefined,
  })
}

function bitcoindProgram(folder: string, { bitcoindArguments = [] }: TestDevnetOptions): string {
  const program = present(bitcoindPath, 'bitcoind')
  if (bitcoindArguments.length === 0) return program
  const wrapper = join(folder, 'bitcoind')
  const line = `exec "${program}" "$@" ${bitcoindArguments.join(' ')}`
  writeFileSync(wrapper, `#!/bin/sh\n${line}\n`, { mode: 0o700 })
  return wrapper
}

interface TestFolder {
  readonly path: string
  keep(): void
}

/** A folder for a group of tests; kept, and named, when one of them fails. */
export function useFolder(prefix: string): TestFolder {
  const path = mkdtempSync(join(tmpdir(), prefix))
  let failed = false
  afterEach(({ task }) => {
    failed ||= task.result?.state === 'fail'
  })
  // Registered first, so it runs after the group's other clean-up.
  afterAll(async () => {
    if (failed) process.stderr.write(`data and logs of the failed tests: ${path}\n`)
    else await rm(path, { recursive: true, force: true })
  })
  return {
    path,
    keep() {
      failed = true
    },
  }
}

/** Waits for something that has to come. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
): Promise<T> {
  return await until(ask, { timeoutMs: PATIENCE_MS, what })
}

export function validatorOf(devnet: Devnet, index: number): Validator {
  return present(devnet.validators[index % devnet.validators.length], 'validator')
}

/** Starts a validator that was stopped or killed, and waits until it is level with the others. */
export async function bringBack(devnet: Devnet, ...indices: readonly number[]): Promise<void> {
  for (const index of indices) validatorOf(devnet, index).start()
  for (const index of indices) {
    const { client } = validatorOf(devnet, index)
    await eventually(`validator ${index} to be in sync`, async () => {
      const own = await client.status()
      const others = await Promise.all(devnet.validators.map(heightOf))
      return own.synced && others.every((height) => own.height >= height)
    })
  }
}

/** 0 while it is down. */
async function heightOf({ client }: Validator): Promise<number> {
  return await client.status().then(
    ({ height }) => height,
    () => 0,
  )
}

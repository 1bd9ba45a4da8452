/**
 * A devnet: an L1 and the validators as separate processes, supervised. It ends everything that it
 * started; a second start in the same folder goes on where the first stopped.
 */

import { join, resolve } from 'node:path'
import type { Runtime } from '../../runtime/runtime.ts'
import type { NodeStatus } from '../node-answers.ts'
import { NodeClient } from '../node-client.ts'
import { type Child, startChild } from './child-process.ts'
import { createDevnet, DevnetError, type DevnetFiles, findDevnet } from './devnet-files.ts'
import { findFreePorts } from './free-ports.ts'
import { createL1Faucet, type L1Faucet } from './l1-faucet.ts'
import { type L1Node, l1Access, startL1 } from './l1-node.ts'
import { until } from './until.ts'

export type L1Choice =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'bitcoind'; readonly program: string }
  | { readonly kind: 'url'; readonly url: string }

export interface DevnetOptions {
  readonly folder: string
  readonly l1: L1Choice
  readonly validators: number
  readonly apiPort: number
  readonly runtime: Runtime
  readonly signal: AbortSignal
  /** One line about what goes on. */
  readonly report: (line: string) => void
}

export interface Validator {
  readonly index: number
  readonly home: string
  readonly apiUrl: string
  readonly client: NodeClient
  process(): Child
  start(): void
  stop(): Promise<void>
  kill(): Promise<void>
}

export interface Devnet {
  readonly folder: string
  readonly files: DevnetFiles
  readonly l1: L1Node
  readonly faucet: L1Faucet
  readonly validators: readonly Validator[]
  readonly resumed: boolean
  /** Status of a validator that answers. */
  status(): Promise<NodeStatus>
  stop(): Promise<void>
}

const READY_TIMEOUT_MS = 120_000
const PROGRAM = new URL('../../../scripts/causeway.ts', import.meta.url).pathname

/** Starts or resumes; resolves when the peg is open. @throws DevnetError */
export async function startDevnet(options: DevnetOptions): Promise<Devnet> {
  const folder = resolve(options.folder)
  const found = await findDevnet(folder)
  const files = found ?? (await makeDevnet(folder, options))
  if (found !== undefined) options.report(`going on with ${folder}`)
  options.report('starting L1')
  const l1 = await startL1(folder, files.l1, options.runtime)
  const faucet = createL1Faucet(l1.l1, l1.rpc, files.faucetSecret)
  const validators = files.validators.map((entry, index) =>
    createValidator(folder, entry, index, options.signal),
  )
  const devnet: Devnet = {
    folder,
    files,
    l1,
    faucet,
    validators,
    resumed: found !== undefined,
    status: () => firstStatus(validators),
    async stop() {
      await Promise.all(validators.map((validator) => validator.stop()))
      await l1.stop()
    },
  }
  try {
    await faucet.prepare()
    options.report(`starting ${validators.length} validators`)
    for (const validator of validators) validator.start()
    await waitUntilOpen(devnet, options)
  } catch (error) {
    await devnet.stop()
    throw error
  }
  return devnet
}

async function makeDevnet(folder: string, options: DevnetOptions): Promise<DevnetFiles> {
  const count = options.validators
  const free = await findFreePorts(count * 2 + 1)
  const l1: DevnetFiles['l1'] = {
    kind: options.l1.kind,
    rpcPort: free[0] ?? 0,
    target: targetOf(options.l1),
  }
  // The first validator's API has the port that the other commands expect, when it is free.
  const apiPorts = free.slice(1, count + 1)
  if (await isFree(options.apiPort)) apiPorts[0] = options.apiPort
  return createDevnet({
    folder,
    l1,
    l1Access: l1Access(folder, l1),
    apiPorts,
    p2pPorts: free.slice(count + 1),
  })
}

function targetOf(choice: L1Choice): string {
  switch (choice.kind) {
    case 'embedded':
      return ''
    case 'bitcoind':
      return choice.program
    case 'url':
      return choice.url
  }
}

async function isFree(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/healthz`).then(
    () => false,
    () => true,
  )
}

function createValidator(
  folder: string,
  entry: DevnetFiles['validators'][number],
  index: number,
  signal: AbortSignal,
): Validator {
  const home = join(folder, entry.home)
  const apiUrl = `http://127.0.0.1:${entry.apiPort}`
  let child: Child | undefined
  const running = (): Child => {
    if (child === undefined) throw new DevnetError(`validator ${index} was not started`)
    return child
  }
  return {
    index,
    home,
    apiUrl,
    client: new NodeClient({ apiUrl, signal }),
    process: running,
    start() {
      child = startChild({
        name: `validator-${index}`,
        program: process.execPath,
        args: [PROGRAM, 'node', 'start', '--home', home, '--stop-with-parent', '--quiet'],
        logFile: join(folder, `validator-${index}.log`),
      })
    },
    stop: async () => child?.stop(),
    kill: async () => child?.kill(),
  }
}

async function firstStatus(validators: readonly Validator[]): Promise<NodeStatus> {
  for (const { client } of validators) {
    const status = await client.status().catch(() => undefined)
    if (status !== undefined) return status
  }
  throw new DevnetError('no validator answers')
}

async function waitUntilOpen(devnet: Devnet, options: DevnetOptions): Promise<void> {
  let stage = ''
  const say = (line: string): void => {
    if (line !== stage) options.report(line)
    stage = line
  }
  await until(
    async () => {
      const dead = devnet.validators.find((validator) => !validator.process().isRunning())
      if (dead !== undefined) {
        throw new DevnetError(`validator ${dead.index} ended; see ${dead.process().logFile}`)
      }
      const statuses = await Promise.all(
        devnet.validators.map(({ client }) => client.status().catch(() => undefined)),
      )
      const up = statuses.filter((status) => status !== undefined)
      if (up.length < statuses.length) {
        say(`${up.length} of ${statuses.length} validators answer`)
        return false
      }
      if (up.every((status) => status.peg.state === 'open')) {
        say('waiting for the validators to be in sync')
        return up.every((status) => status.synced && status.l1.state === 'ok')
      }
      say('making the group key (no dealer)')
      return false
    },
    { timeoutMs: READY_TIMEOUT_MS, what: 'the peg to open', signal: options.signal },
  )
  say('peg open')
}

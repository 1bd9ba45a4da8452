/**
 * A devnet: an L1 and the validators as separate processes, supervised. It ends everything that it
 * started; a second start in the same folder goes on where the first stopped.
 */

import { join, resolve } from 'node:path'
import type { Runtime } from '../../runtime/runtime.ts'
import { type DataDirectory, openDataDirectory } from '../../storage/data-directory.ts'
import type { NodeStatus } from '../node-answers.ts'
import { NodeClient } from '../node-client.ts'
import { type Child, startChild } from './child-process.ts'
import { createDevnet, DevnetError, type DevnetFiles, findDevnet } from './devnet-files.ts'
import { findFreePorts, isPortFree } from './free-ports.ts'
import { createL1Faucet, type L1Faucet } from './l1-faucet.ts'
import { createL1Node, type L1Node, l1Access } from './l1-node.ts'
import { until } from './until.ts'

export type L1Choice =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'bitcoind'; readonly program: string }
  | { readonly kind: 'url'; readonly url: string }

export interface DevnetOptions {
  readonly folder: string
  readonly l1: L1Choice
  readonly validators: number
  /** The first validator's HTTP API, if it is free; 0 = any. */
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

const READY_TIMEOUT_MS = 300_000
const RELEASE_TIMEOUT_MS = 30_000
const PROGRAM = new URL('../../../scripts/causeway.ts', import.meta.url).pathname

/** Starts or resumes; resolves when the peg is open. @throws DevnetError, StorageLockedError */
export async function startDevnet(options: DevnetOptions): Promise<Devnet> {
  const devnet = await launchDevnet(options)
  try {
    await waitUntilOpen(devnet, options)
  } catch (error) {
    await devnet.stop()
    throw error
  }
  return devnet
}

/** Starts or resumes; resolves when all processes run, whatever they do. @throws as `startDevnet` */
export async function launchDevnet(options: DevnetOptions): Promise<Devnet> {
  const folder = resolve(options.folder)
  const found = await findDevnet(folder)
  const files = found ?? (await makeDevnet(folder, options))
  if (found !== undefined) options.report(`going on with ${folder}`)
  const directory = await openDataDirectory(folder)
  const l1 = createL1Node(folder, files.l1, options.runtime, options.signal)
  const validators = files.validators.map((entry, index) =>
    createValidator(folder, entry, index, options.signal),
  )
  const devnet: Devnet = {
    folder,
    files,
    l1,
    faucet: createL1Faucet(l1.l1, l1.rpc, files.faucetSecret),
    validators,
    resumed: found !== undefined,
    status: () => firstStatus(validators),
    stop: () => stopAll(validators, l1, directory),
  }
  try {
    await launchParts(devnet, options)
  } catch (error) {
    await devnet.stop()
    throw error
  }
  return devnet
}

async function launchParts(devnet: Devnet, options: DevnetOptions): Promise<void> {
  const { l1, faucet, validators } = devnet
  options.report('starting L1')
  await l1.start()
  await faucet.prepare()
  for (const validator of validators) await waitUntilReleased(validator, options.signal)
  options.report(`starting ${validators.length} validators`)
  for (const validator of validators) validator.start()
}

/** After a supervisor's violent end its validators are still on their way out. */
async function waitUntilReleased({ index, home }: Validator, signal: AbortSignal): Promise<void> {
  await until(
    async () => {
      const held = await openDataDirectory(join(home, 'node'))
      await held.release()
      return true
    },
    { timeoutMs: RELEASE_TIMEOUT_MS, what: `the home of validator ${index}`, signal },
  )
}

async function stopAll(
  validators: readonly Validator[],
  l1: L1Node,
  directory: DataDirectory,
): Promise<void> {
  await Promise.all(validators.map((validator) => validator.stop()))
  await l1.close()
  await directory.release()
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
  if (options.apiPort !== 0 && (await isPortFree(options.apiPort))) apiPorts[0] = options.apiPort
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

/** Until the peg is open and every validator is in sync. @throws DevnetError */
async function waitUntilOpen(
  devnet: Devnet,
  options: Pick<DevnetOptions, 'report' | 'signal'>,
): Promise<void> {
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

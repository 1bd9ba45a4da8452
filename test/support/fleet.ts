/**
 * Validators as processes on a network that can be made to fail, with the embedded L1 in this process
 * or a bitcoind. It is a devnet of another make, so everything that can be asked of a devnet can be
 * asked of it.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Genesis } from '../../genesis/network.ts'
import type { Devnet, Validator } from '../../src/cli/devnet/devnet.ts'
import { createDevnet, DevnetError, type DevnetFiles } from '../../src/cli/devnet/devnet-files.ts'
import { findFreePorts } from '../../src/cli/devnet/free-ports.ts'
import { createL1Faucet } from '../../src/cli/devnet/l1-faucet.ts'
import { createL1Node, l1Access } from '../../src/cli/devnet/l1-node.ts'
import { until } from '../../src/cli/devnet/until.ts'
import { homePaths, openNodeHome, readGenesis } from '../../src/cli/node/node-home.ts'
import type { NodeStatus } from '../../src/cli/node-answers.ts'
import { NodeClient } from '../../src/cli/node-client.ts'
import { formatConfig } from '../../src/node/config.ts'
import { present } from '../../src/primitives/assert.ts'
import { createSystemRuntime } from '../../src/runtime/system-runtime.ts'
import { eventually, PATIENCE_MS } from './devnet.ts'
import type { FleetNetwork } from './faulty-network.ts'
import { type NodeProcess, startNodeProcess } from './node-process.ts'

export interface FleetOptions {
  /** A folder that does not exist yet. */
  readonly folder: string
  readonly validators: number
  readonly network: FleetNetwork
  /** Of the bitcoind that is L1; without, the embedded regtest chain. */
  readonly bitcoind?: string
  /** What is different from a devnet's genesis. */
  readonly genesis?: Partial<Pick<Genesis, 'heartbeatMs' | 'minBlockIntervalMs'>>
}

export interface FleetValidator extends Validator {
  process(): NodeProcess
  /** By another launcher than the network's, if one is given. */
  start(launcher?: readonly string[]): void
}

export interface Fleet extends Devnet {
  readonly validators: readonly FleetValidator[]
  readonly validator: (index: number) => FleetValidator
  /** Kills these at the same moment. */
  kill(...indices: readonly number[]): Promise<void>
}

const OPEN_TIMEOUT_MS = 300_000

/** Resolves when the peg is open and all are in sync. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const fleet = await createFleet(options)
  try {
    await fleet.l1.start()
    await fleet.faucet.prepare()
    for (const validator of fleet.validators) validator.start()
    await waitUntilOpen(fleet)
    return fleet
  } catch (error) {
    await fleet.stop()
    throw error
  }
}

async function createFleet({
  folder,
  validators: count,
  network,
  bitcoind = '',
  genesis,
}: FleetOptions): Promise<Fleet> {
  const ports = await findFreePorts(count * 2 + 1)
  const [rpcPort = 0, ...others] = ports
  const [apiPorts, p2pPorts] = [others.slice(0, count), others.slice(count)]
  const kind = bitcoind === '' ? 'embedded' : 'bitcoind'
  const l1: DevnetFiles['l1'] = { kind, rpcPort, target: bitcoind }
  const files = await createDevnet({
    folder,
    l1,
    l1Access: l1Access(folder, l1),
    apiPorts,
    p2pPorts,
  })
  const l1Address = await network.l1Address(rpcPort)
  for (const [index, { home }] of files.validators.entries()) {
    const path = join(folder, home, 'node')
    changeGenesis(path, await readGenesis(homePaths(path).genesis), genesis)
    await settle(path, index, {
      network,
      p2pPorts,
      l1Url: `http://${l1Address.host}:${l1Address.port}`,
    })
  }
  const runtime = createSystemRuntime({ logLevel: 'silent' })
  const { signal } = new AbortController()
  const l1Node = createL1Node(folder, files.l1, runtime, signal)
  const validators = files.validators.map((entry, index) =>
    createFleetValidator(folder, entry, index, network),
  )
  return {
    folder,
    files,
    l1: l1Node,
    faucet: createL1Faucet(l1Node.l1, l1Node.rpc, files.faucetSecret),
    validators,
    resumed: false,
    validator: (index) => present(validators[index % count], 'validator'),
    kill: async (...indices) => {
      await Promise.all(indices.map((index) => present(validators[index], 'validator').kill()))
    },
    status: async () => await present(validators[0], 'validator').client.status(),
    async stop() {
      await Promise.all(validators.map((validator) => validator.stop()))
      await l1Node.close()
      await network.close()
    },
  }
}

function changeGenesis(home: string, genesis: Genesis, changes: FleetOptions['genesis']): void {
  const text = `${JSON.stringify({ ...genesis, ...changes }, undefined, 2)}\n`
  writeFileSync(homePaths(home).genesis, text)
}

interface Settling {
  readonly network: FleetNetwork
  readonly p2pPorts: readonly number[]
  readonly l1Url: string
}

/** Writes a home's configuration anew, for its place in the network. */
async function settle(home: string, index: number, settling: Settling): Promise<void> {
  const { network, p2pPorts, l1Url } = settling
  const { config } = await openNodeHome(home)
  const host = network.bindHost(index)
  const neighbours = p2pPorts.map((port, to) => ({ port, to })).filter(({ to }) => to !== index)
  const peers: string[] = []
  for (const [position, { port, to }] of neighbours.entries()) {
    const peerId = config.p2p.peers[position]?.split('/').at(-1) ?? ''
    const dial = await network.dialAddress(index, to, port)
    peers.push(`/ip4/${dial.host}/tcp/${dial.port}/p2p/${peerId}`)
  }
  const text = formatConfig({
    listen: [`/ip4/${host}/tcp/${p2pPorts[index] ?? 0}`],
    peers,
    apiPort: config.api.port,
    logLevel: 'info',
    l1: { ...present(config.l1, 'l1'), url: l1Url },
  })
  writeFileSync(homePaths(home).config, text.replace('host = "127.0.0.1"', `host = "${host}"`))
}

function createFleetValidator(
  folder: string,
  entry: DevnetFiles['validators'][number],
  index: number,
  network: FleetNetwork,
): FleetValidator {
  const home = join(folder, entry.home)
  const apiUrl = `http://${network.bindHost(index)}:${entry.apiPort}`
  const logFile = join(folder, `validator-${index}.log`)
  let child: NodeProcess | undefined
  return {
    index,
    home,
    apiUrl,
    client: new NodeClient({ apiUrl, signal: new AbortController().signal, timeoutMs: 5_000 }),
    process: () => present(child, `process of validator ${index}`),
    start(launcher = network.launcher(index)) {
      child = startNodeProcess({ name: `validator-${index}`, home, logFile, launcher })
    },
    stop: async () => child?.stop(),
    kill: async () => child?.kill(),
  }
}

async function waitUntilOpen(fleet: Fleet): Promise<void> {
  await until(
    async () => {
      const dead = fleet.validators.find((validator) => !validator.process().isRunning())
      if (dead !== undefined) {
        throw new DevnetError(`validator ${dead.index} ended; see ${dead.process().logFile}`)
      }
      const statuses = await Promise.all(fleet.validators.map(({ client }) => client.status()))
      return statuses.every(
        ({ peg, synced, l1 }) => peg.state === 'open' && synced && l1.state === 'ok',
      )
    },
    { timeoutMs: OPEN_TIMEOUT_MS, what: 'the peg to open' },
  )
}

// --- what is asked of validators --------------------------------------------------------------

/** Undefined when it does not answer. */
export async function statusOf({ client }: Validator): Promise<NodeStatus | undefined> {
  return await client.status().catch(() => undefined)
}

/** Resolves with the status that holds. */
export async function statusWhen(
  validator: Validator,
  what: string,
  holds: (status: NodeStatus) => boolean,
): Promise<NodeStatus> {
  return await eventually(`validator ${validator.index} ${what}`, async () => {
    const status = await statusOf(validator)
    return status !== undefined && holds(status) ? status : undefined
  })
}

/** It has signed a block above this height: the certificate of one shows its signature. */
export async function votesAbove(
  fleet: Fleet,
  voter: number,
  height: number,
  keepBusy: () => Promise<unknown>,
): Promise<number> {
  const witness = fleet.validator(voter + 1)
  let next = height + 1
  return await until(
    async () => {
      const tip = (await witness.client.status()).height
      for (; next <= tip; next++) {
        const { signers } = await witness.client.certificate(next)
        if (signers.includes(voter)) return next
      }
      await keepBusy()
      return undefined
    },
    { timeoutMs: PATIENCE_MS, what: `a vote of validator ${voter} above ${height}` },
  )
}

/**
 * None of the witnesses has seen two contradicting votes of one validator, and none has halted: what
 * their own logs say, over all their lives.
 */
export function expectNoDoubleVotes(
  fleet: Fleet,
  witnesses: readonly number[] = [...fleet.validators.keys()],
  /** May contradict itself: its key is in two places. */
  twice?: number,
): void {
  for (const validator of witnesses.map(fleet.validator)) {
    const told = validator
      .process()
      .log()
      .split('\n')
      .filter((line) => /contradicted itself|halted: |not in its journal/.test(line))
      .filter((line) => !line.includes(`"validator":${twice},`))
    expect(told, `validator ${validator.index}`).toEqual([])
  }
}

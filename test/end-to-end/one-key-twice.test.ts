import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findFreePorts } from '../../src/cli/devnet/free-ports.ts'
import { homePaths, openNodeHome } from '../../src/cli/node/node-home.ts'
import { NodeClient } from '../../src/cli/node-client.ts'
import { formatConfig } from '../../src/node/config.ts'
import { eventually, TEST_TIMEOUT_MS } from '../support/devnet.ts'
import { expectAgreement } from '../support/devnet-checks.ts'
import { DIRECT_NETWORK } from '../support/faulty-network.ts'
import { expectNoDoubleVotes, statusOf, statusWhen, votesAbove } from '../support/fleet.ts'
import { useFleet } from '../support/fleet-world.ts'
import { type NodeProcess, runCauseway, startNodeProcess } from '../support/node-process.ts'
import { expectAllKept } from '../support/payment-load.ts'

const OWNER = 3
const OTHERS = [0, 1, 2]

interface Twin {
  readonly home: string
  readonly client: NodeClient
  start(): NodeProcess
}

describe('a validator key on two machines', () => {
  const world = useFleet({
    title: 'one key twice',
    validators: 4,
    createNetwork: () => DIRECT_NETWORK,
  })

  it(
    'is refused to a standby that was set up with it, and the first goes on undisturbed',
    async () => {
      const { fleet, load, log } = world()
      const twin = await standby('standby')
      const running = twin.start()
      const halted = await eventually('the standby to halt', async () => {
        await load.pay(fleet.validator(0))
        return (await twin.client.status()).halted
      })
      expect(halted).toMatch(/same validator key|this validator's signature/)
      log.note(`the standby: ${halted}`)
      const { height } = await fleet.validator(0).client.status()
      await votesAbove(fleet, OWNER, height, () => load.pay(fleet.validator(1)))
      expect(running.isRunning()).toBe(true)
      await running.kill()
      await expectAgreement(fleet)
      await expectAllKept(fleet.validators, load.final)
      expectNoDoubleVotes(fleet)
      log.count('standby with the key of a running validator')
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'stops one of the two when the whole machine was cloned',
    async () => {
      const { fleet, load, log } = world()
      const owner = fleet.validator(OWNER)
      await owner.stop()
      const twin = await clone('clone')
      owner.start()
      const running = twin.start()
      const halted = await eventually('one of the two to halt', async () => {
        await load.pay(fleet.validator(0))
        const statuses = [await statusOf(owner), await twin.client.status().catch(() => undefined)]
        return statuses.map((status) => status?.halted).find((reason) => typeof reason === 'string')
      })
      log.note(`of the two clones one: ${halted}`)
      await running.kill()
      await owner.kill()
      // What the clone has signed the owner does not know: it passes those blocks without its key.
      const { validatorKey } = homePaths(join(owner.home, 'node'))
      renameSync(validatorKey, `${validatorKey}.away`)
      owner.start()
      await statusWhen(
        owner,
        'is in sync',
        ({ synced, halted: reason }) => synced && reason === null,
      )
      await expectAgreement(fleet)
      await owner.stop()
      renameSync(`${validatorKey}.away`, validatorKey)
      owner.start()
      const { height } = await fleet.validator(0).client.status()
      await votesAbove(fleet, OWNER, height, () => load.pay(fleet.validator(1)))
      await expectAgreement(fleet)
      await expectAllKept(fleet.validators, load.final)
      // Until one has halted the two are one faulty validator.
      expectNoDoubleVotes(fleet, OTHERS, OWNER)
      log.count('clone of a running validator, network identity included')
    },
    TEST_TIMEOUT_MS,
  )

  /** A new home with the owner's validator key and an identity of its own in the network. */
  async function standby(name: string): Promise<Twin> {
    const { fleet } = world()
    const owner = join(fleet.validator(OWNER).home, 'node')
    const { config } = await openNodeHome(owner)
    const home = join(fleet.folder, name)
    const [apiPort = 0] = await findFreePorts(1)
    const { genesis, validatorKey } = homePaths(owner)
    await runCauseway(
      'node',
      'init',
      `--home=${home}`,
      `--genesis=${genesis}`,
      `--validator-secret=${readFileSync(validatorKey, 'utf8').trim()}`,
      `--api-port=${apiPort}`,
      `--l1-url=${config.l1?.url ?? ''}`,
      `--l1-cookie=${config.l1?.cookie_file ?? ''}`,
      '--listen=/ip4/127.0.0.1/tcp/0',
      ...config.p2p.peers.map((peer) => `--peer=${peer}`),
    )
    return twinOf(name, home, apiPort)
  }

  /** The owner's home as it is, at another address. */
  async function clone(name: string): Promise<Twin> {
    const { fleet } = world()
    const home = join(fleet.folder, name)
    cpSync(fleet.validator(OWNER).home, home, { recursive: true, preserveTimestamps: true })
    const node = join(home, 'node')
    rmSync(join(node, 'lock'), { force: true })
    const { config } = await openNodeHome(node)
    const [apiPort = 0] = await findFreePorts(1)
    const text = formatConfig({
      listen: ['/ip4/127.0.0.1/tcp/0'],
      peers: config.p2p.peers,
      apiPort,
      logLevel: 'info',
      l1: config.l1,
    })
    writeFileSync(homePaths(node).config, text)
    return twinOf(name, home, apiPort)
  }

  function twinOf(name: string, home: string, apiPort: number): Twin {
    const { folder } = world().fleet
    const { signal } = new AbortController()
    return {
      home,
      client: new NodeClient({ apiUrl: `http://127.0.0.1:${apiPort}`, signal }),
      start: () => startNodeProcess({ name, home, logFile: join(folder, `${name}.log`) }),
    }
  }
})

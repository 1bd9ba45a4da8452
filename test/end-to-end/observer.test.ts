import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Child, startChild } from '../../src/cli/devnet/child-process.ts'
import { DevnetError } from '../../src/cli/devnet/devnet-files.ts'
import { findFreePorts } from '../../src/cli/devnet/free-ports.ts'
import { homePaths, openNodeHome } from '../../src/cli/node/node-home.ts'
import { NodeClient } from '../../src/cli/node-client.ts'
import { present } from '../../src/primitives/assert.ts'
import { sats } from '../../src/primitives/units.ts'
import { bitcoindPath } from '../support/bitcoind.ts'
import { eventually, TEST_TIMEOUT_MS, useDevnet, validatorOf } from '../support/devnet.ts'
import {
  depositWhen,
  expectAgreement,
  expectEquation,
  finalWhen,
  isMinted,
  l1ScriptOf,
  mineUntilPaid,
} from '../support/devnet-checks.ts'
import { createPayee, createUser, type DevnetUser } from '../support/devnet-user.ts'

const PROGRAM = join(import.meta.dirname, '../../scripts/causeway.ts')

describe.skipIf(bitcoindPath === undefined)('a node without a validator key', () => {
  const net = useDevnet()
  let user: DevnetUser
  let apiUrl = ''
  let client: NodeClient
  let observer: Child | undefined

  beforeAll(async () => {
    const devnet = net()
    const validatorHome = join(validatorOf(devnet, 0).home, 'node')
    const { config } = await openNodeHome(validatorHome)
    const [apiPort = 0] = await findFreePorts(1)
    apiUrl = `http://127.0.0.1:${apiPort}`
    client = new NodeClient({ apiUrl, signal: new AbortController().signal })
    user = await createUser(devnet, 'user')
    const { genesis } = homePaths(validatorHome)
    await user.command(
      'node',
      'init',
      `--genesis=${genesis}`,
      `--api-port=${apiPort}`,
      '--listen=/ip4/127.0.0.1/tcp/0',
      ...config.p2p.peers.map((peer) => `--peer=${peer}`),
    )
  }, TEST_TIMEOUT_MS)

  afterAll(async () => observer?.stop(), TEST_TIMEOUT_MS)

  function startObserver(): void {
    observer = startChild({
      name: 'observer',
      program: process.execPath,
      args: [PROGRAM, 'node', 'start', '--home', user.home, '--stop-with-parent', '--quiet'],
      logFile: join(net().folder, 'observer.log'),
    })
  }

  /** It has the block that the validators have agreed on, and the same of everything in it. */
  async function expectLevel(): Promise<void> {
    const height = await expectAgreement(net())
    const { client: validator } = validatorOf(net(), 0)
    const status = await eventually('the observer to be level', async () => {
      if (observer?.isRunning() !== true) throw new DevnetError('the observer has ended')
      const own = await client.status()
      return own.synced && own.height === height && own
    })
    const { peg, blockHash } = await validator.status()
    // A validator counts from its own L1's tip, which is ahead of what the chain knows.
    const recovery = peg.recovery && { ...peg.recovery, blocksLeft: expect.any(Number) }
    expect(status).toMatchObject({ blockHash, halted: null, peg: { ...peg, recovery } })
    expect(status.l1).toMatchObject({ state: 'none', height: null })
    expect(await client.blockHash(height)).toBe(blockHash)
    const { equation } = await client.reserves()
    expect(equation).toEqual((await validator.reserves()).equation)
    expectEquation(equation)
    expect(await client.certificate(height)).toMatchObject({ height, blockHash })
  }

  it(
    'catches up with a chain that has a deposit in it, and serves it',
    async () => {
      const devnet = net()
      const recipient = await user.address(0)
      await devnet.faucet.pay(l1ScriptOf(await user.depositAddress(recipient)), sats(10_000_000))
      await devnet.faucet.mine(4)
      await depositWhen(validatorOf(devnet, 0), recipient, isMinted)
      startObserver()
      await expectLevel()
      user.asks(apiUrl)
      expect(await user.command('wallet', 'balance')).toMatchObject({ confirmedSats: 10_000_000 })
      const members = await user.command('federation', 'members')
      expect(members).toMatchObject({ members: [{ self: false }, {}, {}, {}] })
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'passes payments and burns on to the validators',
    async () => {
      const devnet = net()
      const payment = await user.send(1_000_000, createPayee('by the observer').address)
      for (const validator of devnet.validators) await finalWhen(validator, payment)
      await eventually('the payment here', async () => {
        return (await client.transaction(payment)).status.confirmed
      })
      const burn = await user.release(2_000_000, createPayee('out by the observer').address)
      await mineUntilPaid(devnet, validatorOf(devnet, 0), burn)
      await expectLevel()
      const { releases } = await client.releases(10)
      expect(releases.find((release) => release.burnTxid === burn)).toMatchObject({
        status: 'paid',
      })
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'sends whoever wants a deposit address to a validator',
    async () => {
      const { json, exitCode } = await user.run('peg', 'deposit-address', await user.address(1))
      expect(exitCode).not.toBe(0)
      expect(json).toMatchObject({ error: { code: 'not-a-member' } })
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'goes on after a kill, with what happened meanwhile',
    async () => {
      const before = await client.status()
      await present(observer, 'observer').kill()
      user.asks(1)
      const payment = await user.send(500_000, createPayee('without the observer').address)
      await finalWhen(validatorOf(net(), 1), payment)
      startObserver()
      await expectLevel()
      expect((await client.status()).height).toBeGreaterThan(before.height)
      expect((await client.transaction(payment)).status.confirmed).toBe(true)
    },
    TEST_TIMEOUT_MS,
  )
})

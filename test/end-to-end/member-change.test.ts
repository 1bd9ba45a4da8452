/**
 * Four members become five, then one of them is replaced: processes, a real bitcoind, payments all the
 * time, deposits and releases in flight, and members killed in the middle of what matters most.
 */

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { until } from '../../src/cli/devnet/until.ts'
import { homePaths } from '../../src/cli/node/node-home.ts'
import type { NodeStatus } from '../../src/cli/node-answers.ts'
import { sats } from '../../src/primitives/units.ts'
import { bitcoindPath } from '../support/bitcoind.ts'
import { eventually, PATIENCE_MS } from '../support/devnet.ts'
import {
  depositWhen,
  expectAgreement,
  expectEquation,
  expectPaidOnce,
  expectReservesOnL1,
  isMinted,
  l1ScriptOf,
  releaseWhen,
} from '../support/devnet-checks.ts'
import { createPayee, createUser, type DevnetUser } from '../support/devnet-user.ts'
import { DIRECT_NETWORK } from '../support/faulty-network.ts'
import {
  expectNoDoubleVotes,
  type Fleet,
  type FleetValidator,
  statusWhen,
} from '../support/fleet.ts'
import { useFleet } from '../support/fleet-world.ts'
import { createNewcomer, type Newcomer } from '../support/newcomer.ts'
import { runCauseway } from '../support/node-process.ts'
import { expectAllKept } from '../support/payment-load.ts'

const TIMEOUT_MS = 900_000
/** What a release must have under it before its batch may be called final. */
const BURY = 4

function ownIndex({ validators }: NodeStatus, { publicKey }: Newcomer): number {
  return validators.findIndex((validator) => validator.publicKey === publicKey)
}

async function isActive(validator: FleetValidator, epoch: number): Promise<boolean> {
  return await validator.client.federation().then(
    (answer) => answer.epoch === epoch,
    () => false,
  )
}

async function hasShareFile(validator: FleetValidator, name: RegExp): Promise<void> {
  const { shares } = homePaths(join(validator.home, 'node'))
  await until(
    async () => existsSync(shares) && readdirSync(shares).some((file) => name.test(file)),
    { timeoutMs: PATIENCE_MS, intervalMs: 2, what: `${name.source} of ${validator.index}` },
  )
}

describe.skipIf(bitcoindPath === undefined)('a federation whose members change', () => {
  const world = useFleet({
    title: 'member change',
    validators: 4,
    createNetwork: () => DIRECT_NETWORK,
    bitcoind: bitcoindPath ?? '',
    skip: bitcoindPath === undefined,
    lanes: 2,
  })
  const newcomers: Newcomer[] = []
  const released: { burn: string; payee: ReturnType<typeof createPayee> }[] = []

  afterAll(async () => {
    await Promise.all(newcomers.map((newcomer) => newcomer.stop()))
  }, PATIENCE_MS)

  /** Everybody that runs a node, as a devnet. */
  function everybody(): Fleet {
    const { fleet } = world()
    return { ...fleet, validators: [...fleet.validators, ...newcomers] }
  }

  /** L1 has blocks whenever somebody waits for one. */
  async function pumpUntil<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
    const { fleet } = world()
    return await eventually(what, async () => {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
      if ((await fleet.l1.l1.mempoolTransactionIds()).length > 0) await fleet.faucet.mine(BURY)
      return undefined
    })
  }

  async function deposit(address: string, value: number): Promise<void> {
    const { fleet } = world()
    await fleet.faucet.pay(l1ScriptOf(address), sats(value))
    await fleet.faucet.mine(BURY)
  }

  async function release(user: DevnetUser, value: number): Promise<string> {
    const payee = createPayee(`payee ${released.length}`)
    const burn = await user.release(value, payee.address)
    released.push({ burn, payee })
    return burn
  }

  async function paid(burn: string, by: FleetValidator): Promise<void> {
    await pumpUntil(`the release of ${burn}`, async () => {
      const { releases } = await by.client.releases(100)
      return releases.some((each) => each.burnTxid === burn && each.status === 'paid')
    })
  }

  /** Proposed by one operator, approved by three on one machine after the other, handed to a newcomer. */
  async function approve(
    approvers: readonly FleetValidator[],
    at: FleetValidator,
    ...change: readonly string[]
  ): Promise<void> {
    const { fleet } = world()
    const file = join(fleet.folder, `change-${newcomers.length}-${released.length}.json`)
    const [first] = approvers
    await runCauseway(
      'federation',
      'propose-members',
      ...change,
      `--out=${file}`,
      `--api=${first?.apiUrl}`,
    )
    for (const { home, apiUrl } of approvers) {
      await runCauseway('federation', 'approve', file, '--yes', `--home=${home}`, `--api=${apiUrl}`)
    }
    await runCauseway('federation', 'submit', file, `--api=${at.apiUrl}`)
  }

  async function letIn(): Promise<Newcomer> {
    const { fleet } = world()
    const newcomer = await createNewcomer(fleet, 4 + newcomers.length, newcomers)
    newcomers.push(newcomer)
    newcomer.start()
    await statusWhen(newcomer, 'is in sync', ({ synced, l1 }) => synced && l1.state === 'ok')
    return newcomer
  }

  it(
    'goes on paying: four become five, one is replaced, and nothing is lost or paid twice',
    async () => {
      const { fleet, load, log } = world()
      const [a, b, c, d] = [0, 1, 2, 3].map((index) => fleet.validator(index))
      if (a === undefined || b === undefined || c === undefined || d === undefined) return
      load.start()
      const user = await createUser(fleet, 'user')
      const recipient = await user.address(0)
      const oldAddress = await user.depositAddress(recipient)
      await deposit(oldAddress, 20_000_000)
      await depositWhen(a, recipient, isMinted)
      for (let n = 0; n < 3; n++) await paid(await release(user, 100_000 + n), a)

      // 4 → 5, with a member killed over its deal, and one while the key proves itself.
      const e = await letIn()
      await approve([a, b, c], e, `--add=${e.publicKey}`)
      await hasShareFile(b, /^attempt-1$/)
      await b.kill()
      log.count('member killed in the middle of a key generation')
      const inFlight = await release(user, 200_000)
      b.start()
      const stage = await pumpUntil('the probe', async () => {
        const { pending, epoch } = await a.client.federation()
        return epoch === 1 ? 'over' : pending?.stage === 'probe' && 'probe'
      })
      await d.kill()
      log.count(`member killed in the handover (${stage})`)
      for (const member of [a, b, c, e]) {
        await pumpUntil(`epoch 1 at ${member.index}`, () => isActive(member, 1))
      }
      d.start()
      await paid(inFlight, e)
      await statusWhen(e, 'is a validator', (status) => ownIndex(status, e) === 4)
      await pumpUntil('epoch 1 at the one that was killed', () => isActive(d, 1))

      // Addresses of the new key, and the old one as good as ever.
      user.asks(e.apiUrl)
      const young = await createUser(fleet, 'young')
      young.asks(e.apiUrl)
      const youngRecipient = await young.address(0)
      const youngAddress = await young.depositAddress(youngRecipient)
      await deposit(youngAddress, 3_000_000)
      await deposit(oldAddress, 2_000_000)
      await depositWhen(e, youngRecipient, isMinted)
      await depositWhen(c, recipient, (each) => each.valueSats === 2_000_000n && isMinted(each))
      for (let n = 0; n < 3; n++) await paid(await release(user, 300_000 + n), e)

      // One leaves, another comes.
      const gone = await b.client.status()
      const goneKey = gone.validators[1]?.publicKey
      const f = await letIn()
      await approve([a, c, d, e], f, `--add=${f.publicKey}`, `--remove=${goneKey}`)
      await hasShareFile(c, /^share-2-\d+$/)
      await c.kill()
      log.count('member killed when its share was on disk')
      c.start()
      const late = await release(user, 400_000)
      for (const member of [a, b, c, d, e, f]) {
        await pumpUntil(`epoch 2 at ${member.index}`, () => isActive(member, 2))
      }
      await paid(late, f)
      await statusWhen(b, 'has left', ({ validators }) =>
        validators.every(({ publicKey }) => publicKey !== goneKey),
      )
      await statusWhen(f, 'is a validator', (status) => ownIndex(status, f) === 4)
      const members = (await f.client.federation()).members.map(({ publicKey }) => publicKey)
      expect(members).not.toContain(goneKey)
      expect(members).toHaveLength(5)

      // The old keys' coins move to the new one; of the first key's four members three have to sign, the
      // one that has left among them. Then its share is worth nothing, and may go.
      await a.kill()
      // Upkeep is planned in blocks that bring L1 headers, and L1 has nothing else to mine for.
      await fleet.faucet.mine(BURY)
      await pumpUntil('the sweeps', async () => {
        const { keyEpochs } = await f.client.federation()
        return keyEpochs.every(({ epoch, coins }) => epoch === 2 || coins === 0)
      })
      await b.stop()
      await runCauseway('federation', 'destroy-share', '--epoch=0', '--yes', `--home=${b.home}`)
      b.start()
      const last = await release(user, 500_000)
      await paid(last, f)
      a.start()
      await load.stop()
      await expectAgreement(everybody())
      await expectAllKept(everybody().validators, load.final)
      for (const { burn, payee } of released) {
        const done = await releaseWhen(f, burn, ({ status }) => status === 'paid')
        await expectPaidOnce(fleet, done, payee.script)
      }
      await expectReservesOnL1(fleet)
      expectEquation((await f.client.reserves()).equation)
      expectNoDoubleVotes(fleet)
      log.count('changes of members', 2)
    },
    TIMEOUT_MS,
  )
})

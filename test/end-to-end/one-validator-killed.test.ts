import { beforeAll, describe, expect, it } from 'vitest'
import type { Devnet } from '../../src/cli/devnet/devnet.ts'
import { sats } from '../../src/primitives/units.ts'
import { bitcoindPath } from '../support/bitcoind.ts'
import { bringBack, TEST_TIMEOUT_MS, useDevnet, validatorOf } from '../support/devnet.ts'
import {
  depositWhen,
  expectAgreement,
  expectMintedOnce,
  expectPaidOnce,
  expectReservesOnL1,
  finalWhen,
  isMinted,
  l1ScriptOf,
  mineUntilPaid,
  releaseWhen,
} from '../support/devnet-checks.ts'
import { createPayee, createUser, type DevnetUser } from '../support/devnet-user.ts'

const DEPOSIT_SATS = 10_000_000
const RELEASE_SATS = 4_000_000

const STAGES = [
  'before the deposit is seen',
  'while confirmations count',
  'right after the burn',
  'while the batch is signed',
  'after the batch is on L1',
] as const
type Stage = (typeof STAGES)[number]

describe.skipIf(bitcoindPath === undefined)('one validator killed and started again', () => {
  const net = useDevnet()
  let user: DevnetUser

  beforeAll(async () => {
    user = await createUser(net(), 'user')
  })

  it.each(STAGES.map((stage, index) => ({ stage, index })))(
    'completes the circle, killed $stage',
    async ({ stage, index }) => {
      const devnet = net()
      const victim = index % devnet.validators.length
      user.asks(victim + 1)
      const recipient = await user.address(index)
      const payee = createPayee(`killed ${stage}`)

      const paid = await circle({ devnet, stage, victim, recipient, l1Address: payee.address })

      await expectAgreement(devnet)
      await expectMintedOnce(devnet, recipient, DEPOSIT_SATS)
      await expectPaidOnce(devnet, paid, payee.script)
      await expectReservesOnL1(devnet)
      // The one that was away knows it all.
      const { client } = validatorOf(devnet, victim)
      const { releases } = await client.releases(100)
      expect(releases.find(({ id }) => id === paid.id)).toMatchObject({ status: 'paid' })
    },
    TEST_TIMEOUT_MS,
  )

  interface Circle {
    readonly devnet: Devnet
    /** When the victim dies; it is back one step later. */
    readonly stage: Stage
    readonly victim: number
    readonly recipient: string
    readonly l1Address: string
  }

  async function circle({ devnet, stage, victim, recipient, l1Address }: Circle) {
    const node = validatorOf(devnet, victim + 1)
    const dies = async (now: Stage): Promise<void> => {
      if (stage === now) await validatorOf(devnet, victim).kill()
    }
    const returns = async (after: Stage): Promise<void> => {
      if (stage === after) await bringBack(devnet, victim)
    }
    const depositAddress = await user.depositAddress(recipient)
    await dies('before the deposit is seen')
    await devnet.faucet.pay(l1ScriptOf(depositAddress), sats(DEPOSIT_SATS))
    await devnet.faucet.mine(1)
    const seen = await depositWhen(node, recipient, (deposit) => deposit.confirmations === 1)
    await returns('before the deposit is seen')
    await dies('while confirmations count')
    await devnet.faucet.mine(seen.requiredConfirmations - 1)
    await depositWhen(node, recipient, isMinted)
    await returns('while confirmations count')

    const burn = await user.release(RELEASE_SATS, l1Address)
    await dies('right after the burn')
    await finalWhen(node, burn)
    await releaseWhen(node, burn, (release) => release.status !== 'queued')
    await dies('while the batch is signed')
    await releaseWhen(node, burn, (release) => release.status === 'broadcast')
    await returns('right after the burn')
    await returns('while the batch is signed')
    await dies('after the batch is on L1')
    const paid = await mineUntilPaid(devnet, node, burn)
    await returns('after the batch is on L1')
    return paid
  }
})

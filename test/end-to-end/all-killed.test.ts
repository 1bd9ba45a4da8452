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

const DEPOSIT_SATS = 50_000_000
const RELEASE_SATS = 4_000_000

describe.skipIf(bitcoindPath === undefined)('all validators killed and started again', () => {
  const net = useDevnet()
  let user: DevnetUser
  let recipient = ''

  beforeAll(async () => {
    const devnet = net()
    user = await createUser(devnet, 'user')
    recipient = await user.address(0)
    const depositAddress = await user.depositAddress(recipient)
    await devnet.faucet.pay(l1ScriptOf(depositAddress), sats(DEPOSIT_SATS))
    await devnet.faucet.mine(4)
    await depositWhen(validatorOf(devnet, 0), recipient, isMinted)
  }, TEST_TIMEOUT_MS)

  it(
    'pays a release once that was burnt just before',
    async () => {
      const devnet = net()
      const node = validatorOf(devnet, 0)
      const payee = createPayee('burnt')
      const burn = await user.release(RELEASE_SATS, payee.address)
      await finalWhen(node, burn)
      await killAllAndReturn(devnet)
      const paid = await mineUntilPaid(devnet, node, burn)
      await expectAllIsWell(devnet)
      await expectPaidOnce(devnet, paid, payee.script)
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'pays a release once whose batch was being signed',
    async () => {
      const devnet = net()
      const node = validatorOf(devnet, 1)
      const payee = createPayee('batched')
      const burn = await user.release(RELEASE_SATS, payee.address)
      const { l1Txid } = await releaseWhen(node, burn, (release) => release.status !== 'queued')
      await killAllAndReturn(devnet)
      const paid = await mineUntilPaid(devnet, node, burn)
      expect(paid.l1Txid).toBe(l1Txid)
      await expectAllIsWell(devnet)
      await expectPaidOnce(devnet, paid, payee.script)
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'pays a release once whose batch L1 forgot when it was killed too',
    async () => {
      const devnet = net()
      const node = validatorOf(devnet, 2)
      const payee = createPayee('forgotten')
      const burn = await user.release(RELEASE_SATS, payee.address)
      const { l1Txid } = await releaseWhen(node, burn, (release) => release.status === 'broadcast')
      await Promise.all(devnet.validators.map((validator) => validator.kill()))
      const { height } = await devnet.l1.l1.tip()
      // A bitcoind that dies does not write its mempool.
      await devnet.l1.kill()
      await devnet.l1.start()
      expect((await devnet.l1.l1.tip()).height).toBe(height)
      expect(await devnet.l1.rpc.call('getrawmempool', [])).toEqual([])
      await bringBack(devnet, ...devnet.validators.keys())
      const paid = await mineUntilPaid(devnet, node, burn)
      expect(paid.l1Txid).toBe(l1Txid)
      await expectAllIsWell(devnet)
      await expectPaidOnce(devnet, paid, payee.script)
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'goes on from the same chain after an idle time, twice',
    async () => {
      const devnet = net()
      for (let round = 0; round < 2; round++) await killAllAndReturn(devnet)
      const payment = await user.send(1_000_000, createPayee('afterwards').address)
      for (const validator of devnet.validators) await finalWhen(validator, payment)
      await expectAllIsWell(devnet)
    },
    TEST_TIMEOUT_MS,
  )

  async function expectAllIsWell(devnet: Devnet): Promise<void> {
    await expectAgreement(devnet)
    await expectMintedOnce(devnet, recipient, DEPOSIT_SATS)
    await expectReservesOnL1(devnet)
  }
})

/** From block 0; what the node has on disk. */
async function blockHashes(apiUrl: string): Promise<readonly string[]> {
  const tip = Number(await text(`${apiUrl}/api/blocks/tip/height`))
  const heights = Array.from({ length: tip + 1 }, (_, height) => height)
  return await Promise.all(heights.map((height) => text(`${apiUrl}/api/block-height/${height}`)))
}

async function text(url: string): Promise<string> {
  const answer = await fetch(url)
  expect(answer.ok).toBe(true)
  return await answer.text()
}

/** No validator goes back, and no block of before is another one afterwards. */
async function killAllAndReturn(devnet: Devnet): Promise<void> {
  const before = await Promise.all(devnet.validators.map(({ apiUrl }) => blockHashes(apiUrl)))
  await Promise.all(devnet.validators.map((validator) => validator.kill()))
  await bringBack(devnet, ...devnet.validators.keys())
  for (const [index, { apiUrl }] of devnet.validators.entries()) {
    const kept = before[index] ?? []
    const after = await blockHashes(apiUrl)
    expect(after.slice(0, kept.length)).toEqual(kept)
  }
}

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { decodeTransaction, outPointKey } from '../../src/bitcoin/transaction.ts'
import type { Devnet } from '../../src/cli/devnet/devnet.ts'
import { present } from '../../src/primitives/assert.ts'
import { hexToBytes } from '../../src/primitives/bytes.ts'
import { sats } from '../../src/primitives/units.ts'
import { bitcoindPath } from '../support/bitcoind.ts'
import { type BusyL1, createBusyL1 } from '../support/busy-l1.ts'
import { eventually, TEST_TIMEOUT_MS, useDevnet, validatorOf } from '../support/devnet.ts'
import {
  expectAgreement,
  expectPaidOnce,
  expectReservesOnL1,
  isMinted,
  l1ScriptOf,
  releaseWhen,
} from '../support/devnet-checks.ts'
import { createPayee, createUser, type DevnetUser, type L1Payee } from '../support/devnet-user.ts'

const COIN_SATS = 20_000_000
const RELEASE_SATS = 15_000_000

interface StuckRelease {
  readonly burn: string
  readonly payee: L1Payee
  readonly feeSats: bigint
  readonly first: string
  /** Signed, of the first version. */
  readonly raw: string
}

describe.skipIf(bitcoindPath === undefined)('releases whose batches L1 does not mine', () => {
  const net = useDevnet()

  it(
    'are replaced at a higher fee rate, and paid once by whichever version L1 takes',
    async () => {
      const devnet = net()
      const l1 = await createBusyL1(devnet)
      const user = await fundedUser(devnet)
      const replaced = await stuckRelease(devnet, user, 'paid by the second version')
      const kept = await stuckRelease(devnet, user, 'paid by the first version')
      await mineUntilReplaced(devnet, l1, [replaced, kept])
      const second = await expectSecondVersion(devnet, replaced)
      const unused = await expectSecondVersion(devnet, kept)
      expect(await l1Mempool(devnet)).toEqual([second, unused].toSorted())

      // A miner may have kept what bitcoind has dropped.
      await l1.mine(second, kept.raw)
      expect(await l1Mempool(devnet)).toEqual([])
      for (const { burn } of [replaced, kept]) {
        for (const validator of devnet.validators) {
          await releaseWhen(validator, burn, ({ confirmations }) => confirmations === 1)
        }
      }
      // Nobody takes a version that L1 has no use for any more for trouble.
      for (const { apiUrl } of devnet.validators) {
        const health = await fetch(`${apiUrl}/healthz`)
        expect([health.status, await health.text()]).toEqual([200, expect.any(String)])
      }
      for (let block = 0; block < 3; block++) await l1.mine()

      await expectPaidBy(devnet, replaced, second, replaced.first)
      await expectPaidBy(devnet, kept, kept.first, unused)
      await expectAgreement(devnet)
      await expectReservesOnL1(devnet)
      await expectFeeReserve(devnet, [replaced, kept], [second, kept.first])
    },
    TEST_TIMEOUT_MS,
  )
})

/** With two coins in the reserves, so that two batches do not wait for each other. */
async function fundedUser(devnet: Devnet): Promise<DevnetUser> {
  const user = await createUser(devnet, 'in a hurry')
  const recipient = await user.address(0)
  const output = {
    script: l1ScriptOf(await user.depositAddress(recipient)),
    value: sats(COIN_SATS),
  }
  await devnet.faucet.payAll([output, output])
  await devnet.faucet.mine(4)
  await eventually('both coins', async () => {
    const { deposits } = await validatorOf(devnet, 0).client.deposits(recipient)
    return deposits.filter(isMinted).length === 2
  })
  return user
}

/** Its batch is in L1's mempool. */
async function stuckRelease(devnet: Devnet, user: DevnetUser, name: string): Promise<StuckRelease> {
  const payee = createPayee(name)
  const burn = await user.release(RELEASE_SATS, payee.address)
  const release = await releaseWhen(validatorOf(devnet, 0), burn, (r) => r.status === 'broadcast')
  expect(release.replacedL1Txids).toEqual([])
  const first = present(release.l1Txid, 'batch txid')
  return { burn, payee, feeSats: release.feeSats, first, raw: await rawTransaction(devnet, first) }
}

async function rawTransaction(devnet: Devnet, txid: string): Promise<string> {
  return z.string().parse(await devnet.l1.rpc.call('getrawtransaction', [txid]))
}

async function l1Mempool(devnet: Devnet): Promise<readonly string[]> {
  return (await devnet.l1.l1.mempoolTransactionIds()).toSorted()
}

type Batch = Awaited<
  ReturnType<Devnet['validators'][number]['client']['reserves']>
>['batches'][number]

async function batchOf(devnet: Devnet, { first }: StuckRelease): Promise<Batch> {
  const { batches } = await validatorOf(devnet, 1).client.reserves()
  return present(
    batches.find(({ versions }) => versions[0]?.txid === first),
    'batch',
  )
}

/** One block at a time: a batch is replaced by a block of the chain that brings headers and the new rate. */
async function mineUntilReplaced(
  devnet: Devnet,
  l1: BusyL1,
  stuck: readonly StuckRelease[],
): Promise<void> {
  const { client } = validatorOf(devnet, 1)
  await eventually('both batches to be replaced', async () => {
    const batches = await Promise.all(stuck.map((release) => batchOf(devnet, release)))
    if (batches.every(({ versions }) => versions.length === 2)) return true
    const { l1Height } = await client.peg()
    await l1.mine()
    await eventually('the chain to follow L1', async () => {
      return (await client.peg()).l1Height > l1Height
    })
    return false
  })
}

/** Said by every validator, and in L1's mempool in place of the first; its txid. */
async function expectSecondVersion(devnet: Devnet, stuck: StuckRelease): Promise<string> {
  const { burn, first, feeSats } = stuck
  const [before, after] = (await batchOf(devnet, stuck)).versions
  const txid = present(after, 'second version').txid
  expect(before?.txid).toBe(first)
  expect(after?.feeSats).toBeGreaterThan(before?.feeSats ?? 0n)
  expect(after?.feeRateSatsPerKvb).toBeGreaterThan(before?.feeRateSatsPerKvb ?? 0)
  for (const validator of devnet.validators) {
    const release = await releaseWhen(validator, burn, (r) => r.l1Txid === txid)
    expect(release).toMatchObject({ replacedL1Txids: [first], feeSats })
  }
  await eventually('the second version in place of the first', async () => {
    const mempool = await l1Mempool(devnet)
    return mempool.includes(txid) && !mempool.includes(first)
  })
  const inputs = new Set(inputsOf(stuck.raw))
  expect(inputsOf(await rawTransaction(devnet, txid)).some((input) => inputs.has(input))).toBe(true)
  return txid
}

function inputsOf(raw: string): readonly string[] {
  return decodeTransaction(hexToBytes(raw)).inputs.map(({ prevout }) => outPointKey(prevout))
}

/** Every validator says so, the fee is what it was, and the payee has it once. */
async function expectPaidBy(
  devnet: Devnet,
  { burn, payee, feeSats }: StuckRelease,
  txid: string,
  other: string,
): Promise<void> {
  for (const validator of devnet.validators) {
    const paid = await releaseWhen(validator, burn, ({ status }) => status === 'paid')
    expect(paid).toMatchObject({ l1Txid: txid, replacedL1Txids: [other], feeSats })
    expect(paid.netSats).toBe(BigInt(RELEASE_SATS) - feeSats)
    await expectPaidOnce(devnet, paid, payee.script)
  }
}

/** What the releases paid, less what L1 took for the versions that it has. */
async function expectFeeReserve(
  devnet: Devnet,
  stuck: readonly StuckRelease[],
  txids: readonly string[],
): Promise<void> {
  const { equation, batches } = await validatorOf(devnet, 1).client.reserves()
  const versions = batches.flatMap((batch) => batch.versions)
  const taken = versions.filter(({ txid }) => txids.includes(txid))
  const paid = taken.reduce((sum, { feeSats }) => sum + feeSats, 0n)
  const collected = stuck.reduce((sum, { feeSats }) => sum + feeSats, 0n)
  expect(equation).toMatchObject({ pendingReleases: 0n, inFlightFees: 0n })
  expect(equation.feeReserve).toBe(collected - paid)
}

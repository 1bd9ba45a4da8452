import { describe, expect, it } from 'vitest'
import { TEST_TIMEOUT_MS } from '../support/devnet.ts'
import { expectAgreement, finalWhen } from '../support/devnet-checks.ts'
import type { FaultyNetwork } from '../support/faulty-network.ts'
import { expectNoDoubleVotes, statusWhen } from '../support/fleet.ts'
import { useFleet } from '../support/fleet-world.ts'
import { canMakeNamespaces, createNamespaces } from '../support/namespaces.ts'
import { expectAllKept } from '../support/payment-load.ts'
import { createProxiedNetwork } from '../support/proxied-network.ts'

const VALIDATORS = 4

interface World {
  readonly name: string
  readonly missing: boolean
  readonly create: () => FaultyNetwork
}

const worlds: readonly World[] = [
  { name: 'socket proxies', missing: false, create: () => createProxiedNetwork(1) },
  {
    name: 'network namespaces',
    missing: !canMakeNamespaces(),
    create: () => createNamespaces(VALIDATORS),
  },
]

describe.each(worlds)('four validators cut apart by $name', ({ name, missing, create }) => {
  const world = useFleet({
    title: `partitions by ${name}`,
    validators: VALIDATORS,
    createNetwork: create,
    skip: missing,
  })

  it.skipIf(missing)(
    'make no block while nobody has a quorum, and go on with what was asked meanwhile',
    async () => {
      const { fleet, network, load } = world()
      await load.pay()
      const before = await expectAgreement(fleet)
      await network.partition([0, 1], [2, 3])
      await settled(1, [0, 1, 2, 3])
      const left = await load.submit(1, fleet.validator(0))
      const right = await load.submit(2, fleet.validator(3))
      // Not even together with the other member of its half.
      await statusesWhen([0, 1, 2, 3], 'knows its half only', ({ peers }) => peers === 1)
      for (const { client } of fleet.validators) {
        expect((await client.status()).height).toBe(before)
      }
      expect((await fleet.validator(1).client.transaction(left)).status.confirmed).toBe(false)
      expect((await fleet.validator(2).client.transaction(right)).status.confirmed).toBe(false)

      await healed('partition 2|2', [left, right])
    },
    TEST_TIMEOUT_MS,
  )

  it.skipIf(missing)(
    'go on without the one that is cut off, and it follows when it is back',
    async () => {
      const { fleet, network, load } = world()
      const before = await expectAgreement(fleet)
      await network.partition([0, 1, 2], [3])
      const lonely = fleet.validator(3)
      const waiting = await load.submit(3, lonely)
      const paid = await load.pay(fleet.validator(0))
      expect(paid.height).toBeGreaterThan(before)
      await settled(0, [3])
      for (let index = 0; index < 3; index++) await load.pay(fleet.validator(index))
      expect((await lonely.client.status()).height).toBeLessThanOrEqual(before)

      await healed('partition 3|1', [waiting])
    },
    TEST_TIMEOUT_MS,
  )

  it.skipIf(missing)(
    'go on when nobody hears one of them, and when one of them hears nobody',
    async () => {
      const { fleet, network, load } = world()
      for (const [mute, kind] of [
        [1, 'cut one way: not heard'],
        [2, 'cut one way: hears nothing'],
      ] as const) {
        const others = [0, 1, 2, 3].filter((index) => index !== mute)
        for (const other of others) {
          await (mute === 1 ? network.cut(mute, other) : network.cut(other, mute))
        }
        for (const other of others) await load.pay(fleet.validator(other))
        await healed(kind, [])
      }
    },
    TEST_TIMEOUT_MS,
  )

  /** All peers on the other side have been given up. */
  async function settled(peers: number, indices: readonly number[]): Promise<void> {
    await statusesWhen(indices, `has ${peers} peers`, (status) => status.peers === peers)
  }

  async function statusesWhen(
    indices: readonly number[],
    what: string,
    holds: Parameters<typeof statusWhen>[2],
  ): Promise<void> {
    const { fleet } = world()
    await Promise.all(indices.map((index) => statusWhen(fleet.validator(index), what, holds)))
  }

  /** Heals; what was submitted becomes final everywhere, and all are level. */
  async function healed(kind: string, txids: readonly string[]): Promise<void> {
    const { fleet, network, load, log } = world()
    const heights = await Promise.all(
      fleet.validators.map(async ({ client }) => (await client.status()).height),
    )
    const highest = Math.max(...heights)
    const startedMs = performance.now()
    await network.heal()
    const first = load.pay(fleet.validator(0))
    await statusWhen(fleet.validator(0), 'commits', ({ height }) => height > highest)
    const commitMs = performance.now() - startedMs
    await first
    for (const validator of fleet.validators) {
      for (const txid of txids) await finalWhen(validator, txid)
    }
    await expectAgreement(fleet)
    await expectAllKept(fleet.validators, load.final)
    expectNoDoubleVotes(fleet)
    log.count(kind)
    log.note(`${kind}: first commit ${seconds(commitMs)} after healing`)
    log.note(`${kind}: all level ${seconds(performance.now() - startedMs)} after healing`)
  }
})

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

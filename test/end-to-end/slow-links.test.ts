import { describe, expect, it } from 'vitest'
import { TEST_TIMEOUT_MS } from '../support/devnet.ts'
import { expectAgreement } from '../support/devnet-checks.ts'
import { expectNoDoubleVotes } from '../support/fleet.ts'
import { useFleet } from '../support/fleet-world.ts'
import { expectAllKept } from '../support/payment-load.ts'
import { createProxiedNetwork } from '../support/proxied-network.ts'

describe('four validators on bad links', () => {
  const world = useFleet({
    title: 'bad links',
    validators: 4,
    createNetwork: () => createProxiedNetwork(3),
  })

  it(
    'still commit with 200 ms one way and 1 % loss',
    async () => {
      const { network, log } = world()
      network.slow({ delayMs: 200, lossRate: 0.01 })
      await payAtAll('accepted → final with 200 ms and 1 % loss')
      log.count('links of 200 ms with 1 % loss')
      await settle()
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'still commit when every lane takes 32 kB a second',
    async () => {
      const { network, log } = world()
      network.slow({ bytesPerSecond: 32_000 })
      await payAtAll('accepted → final with 32 kB/s')
      log.count('links of 32 kB a second')
      await settle()
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'make their connections anew when all of them are reset, again and again',
    async () => {
      const { fleet, network, load, log } = world()
      for (let round = 0; round < 5; round++) {
        network.breakConnections()
        log.count('reset of every connection')
        await load.pay(fleet.validator(round))
      }
      await settle()
    },
    TEST_TIMEOUT_MS,
  )

  /** One payment after the other through each validator in turn. */
  async function payAtAll(what: string): Promise<void> {
    const { fleet, load, log } = world()
    const tookMs: number[] = []
    for (let turn = 0; turn < 8; turn++) {
      const startedMs = performance.now()
      await load.pay(fleet.validator(turn))
      tookMs.push(performance.now() - startedMs)
    }
    const sorted = tookMs.map(Math.round).toSorted((a, b) => a - b)
    log.note(`${what}: ${sorted[4] ?? 0} ms (median), ${sorted.at(-1) ?? 0} ms (worst)`)
  }

  async function settle(): Promise<void> {
    const { fleet, network, load } = world()
    await network.heal()
    await expectAgreement(fleet)
    await expectAllKept(fleet.validators, load.final)
    expectNoDoubleVotes(fleet)
    expect(load.final.length).toBeGreaterThan(0)
  }
})

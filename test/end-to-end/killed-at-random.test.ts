import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { eventually, TEST_TIMEOUT_MS } from '../support/devnet.ts'
import { expectAgreement } from '../support/devnet-checks.ts'
import { DIRECT_NETWORK } from '../support/faulty-network.ts'
import { expectNoDoubleVotes } from '../support/fleet.ts'
import { type FleetWorld, numberOf, useFleet } from '../support/fleet-world.ts'
import { expectAllKept } from '../support/payment-load.ts'

/** Seconds of killing with four validators; with seven it is half of that. */
const KILL_SECONDS = numberOf('CAUSEWAY_TEST_KILL_SECONDS', 60)

const campaigns = [
  { validators: 4, faulty: 1, seconds: KILL_SECONDS },
  { validators: 7, faulty: 2, seconds: KILL_SECONDS / 2 },
]

describe.each(campaigns)('$validators validators under a load of payments', (campaign) => {
  const { validators, faulty, seconds } = campaign
  const world = useFleet({
    title: `${validators} validators killed at random for ${seconds} s`,
    validators,
    createNetwork: () => DIRECT_NETWORK,
  })

  it(
    'lose nothing that was final and never vote twice, killed at random',
    async () => {
      const { fleet, load, log } = world()
      load.start()
      const end = performance.now() + seconds * 1_000
      while (performance.now() < end) await killSome(world())
      for (const validator of fleet.validators) {
        if (!validator.process().isRunning()) validator.start()
      }
      await load.stop()
      const height = await expectAgreement(fleet)
      await expectAllKept(fleet.validators, load.final)
      expectNoDoubleVotes(fleet)
      expect(load.final.length).toBeGreaterThan(0)
      log.note(`${load.final.length} payments reported final and kept, ${height} blocks`)
    },
    TEST_TIMEOUT_MS + seconds * 1_000,
  )

  /** Kills a few or many, starts them again at some moment, perhaps only to kill them again. */
  async function killSome({ fleet, load, random, log }: FleetWorld<typeof DIRECT_NETWORK>) {
    const all = [...fleet.validators.keys()]
    const count = random.chance(0.1)
      ? validators
      : random.chance(0.2)
        ? faulty + 1
        : 1 + random.below(faulty)
    const victims = random.shuffle(all).slice(0, count)
    await fleet.kill(...victims)
    log.count(`kill -9 of ${count === validators ? 'all' : count} of ${validators} at once`)
    await delay(random.between(0, 1_500))
    for (const index of victims) fleet.validator(index).start()
    if (random.chance(0.25)) {
      await delay(random.between(100, 1_500))
      await fleet.kill(...victims)
      log.count(`kill -9 of ${count === validators ? 'all' : count} while starting`)
      for (const index of victims) fleet.validator(index).start()
    }
    if (random.chance(0.3)) return
    const before = load.final.length
    await eventually('a payment after the kill', async () => load.final.length > before)
  }
})

import { readFileSync } from 'node:fs'
import { describe, it } from 'vitest'
import { TEST_TIMEOUT_MS } from '../support/devnet.ts'
import { expectAgreement } from '../support/devnet-checks.ts'
import { DIRECT_NETWORK } from '../support/faulty-network.ts'
import { expectNoDoubleVotes, votesAbove } from '../support/fleet.ts'
import { useFleet } from '../support/fleet-world.ts'
import { expectAllKept } from '../support/payment-load.ts'

const VALIDATORS = 10
const FAULTY = 3

describe('ten validators as processes', () => {
  const world = useFleet({
    title: 'ten validators',
    validators: VALIDATORS,
    createNetwork: () => DIRECT_NETWORK,
  })

  it(
    'agree, go on without three of them, and take those back',
    async () => {
      const { fleet, load, log } = world()
      for (let index = 0; index < VALIDATORS; index++) await load.pay(fleet.validator(index))
      const megabytes = fleet.validators.map((validator) => residentMb(validator.process().pid))
      log.note(`memory: ${Math.min(...megabytes)} to ${Math.max(...megabytes)} MB resident each`)
      const dead = Array.from({ length: FAULTY }, (_, index) => VALIDATORS - 1 - index)
      await fleet.kill(...dead)
      log.count(`kill -9 of ${FAULTY} of ${VALIDATORS} at once`)
      for (let index = 0; index < VALIDATORS - FAULTY; index++) {
        await load.pay(fleet.validator(index))
      }
      for (const index of dead) fleet.validator(index).start()
      const height = await expectAgreement(fleet)
      for (const index of dead) {
        await votesAbove(fleet, index, height, () => load.pay(fleet.validator(0)))
      }
      await expectAgreement(fleet)
      await expectAllKept(fleet.validators, load.final)
      expectNoDoubleVotes(fleet)
    },
    TEST_TIMEOUT_MS,
  )
})

/** 0 where there is no /proc. */
function residentMb(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid ?? 0}/status`, 'utf8')
    return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1_024)
  } catch {
    return 0
  }
}

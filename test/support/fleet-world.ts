/** A fleet with payments for a group of tests, and what its campaign survived, printed at the end. */

import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { present } from '../../src/primitives/assert.ts'
import { createSeededRandom, type SeededRandom } from '../../src/simulator/seeded-random.ts'
import { PATIENCE_MS, useFolder } from './devnet.ts'
import { FaultLog } from './fault-log.ts'
import type { FleetNetwork } from './faulty-network.ts'
import { type Fleet, type FleetOptions, startFleet } from './fleet.ts'
import { createPaymentLoad, type PaymentLoad } from './payment-load.ts'

export interface FleetWorld<N extends FleetNetwork> {
  readonly fleet: Fleet
  readonly network: N
  readonly load: PaymentLoad
  readonly random: SeededRandom
  readonly log: FaultLog
}

export interface FleetWorldOptions<N extends FleetNetwork> {
  readonly title: string
  readonly validators: number
  readonly createNetwork: () => N
  readonly bitcoind?: FleetOptions['bitcoind']
  readonly genesis?: NonNullable<FleetOptions['genesis']>
  /** Of payments. @default 4 */
  readonly lanes?: number
  /** Nothing is started. */
  readonly skip?: boolean
}

/** Replays the choices of a campaign, if not its timing. */
const SEED = numberOf('CAUSEWAY_TEST_SEED', Date.now() % 1_000_000)

/** A whole number from the environment: longer campaigns than the test run's are asked for so. */
export function numberOf(variable: string, usual: number): number {
  const text = process.env[variable] ?? ''
  return /^\d+$/.test(text) ? Number(text) : usual
}

export function useFleet<N extends FleetNetwork>(
  options: FleetWorldOptions<N>,
): () => FleetWorld<N> {
  const { title, validators, createNetwork, bitcoind, genesis, lanes = 4, skip = false } = options
  const folder = useFolder('causeway-fleet-')
  let world: FleetWorld<N> | undefined
  beforeAll(async () => {
    if (skip) return
    const network = createNetwork()
    const random = createSeededRandom(SEED)
    const log = new FaultLog(`${title} (seed ${SEED})`)
    try {
      const fleet = await startFleet({
        folder: join(folder.path, 'net'),
        validators,
        network,
        ...(bitcoind === undefined ? {} : { bitcoind }),
        ...(genesis === undefined ? {} : { genesis }),
      })
      const load = await createPaymentLoad(fleet, { lanes, random })
      world = { fleet, network, load, random, log }
    } catch (cause) {
      folder.keep()
      throw cause
    }
  }, PATIENCE_MS * 2)
  afterAll(async () => {
    world?.log.print()
    await world?.fleet.stop()
  }, PATIENCE_MS)
  return () => present(world, 'fleet')
}

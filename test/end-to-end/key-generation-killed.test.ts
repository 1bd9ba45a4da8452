import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Validator } from '../../src/cli/devnet/devnet.ts'
import { until } from '../../src/cli/devnet/until.ts'
import { homePaths } from '../../src/cli/node/node-home.ts'
import { sats } from '../../src/primitives/units.ts'
import { bitcoindPath } from '../support/bitcoind.ts'
import {
  bringBack,
  eventually,
  PATIENCE_MS,
  TEST_TIMEOUT_MS,
  useDevnet,
  validatorOf,
} from '../support/devnet.ts'
import {
  depositWhen,
  expectAgreement,
  isMinted,
  l1ScriptOf,
  mineUntilPaid,
} from '../support/devnet-checks.ts'
import { createPayee, createUser } from '../support/devnet-user.ts'

describe.skipIf(bitcoindPath === undefined)('key generation', () => {
  const net = useDevnet({ waitUntilOpen: false })

  it(
    'goes on after members were killed in it, and all of them can sign afterwards',
    async () => {
      const devnet = net()
      const [away, victim] = [validatorOf(devnet, 2), validatorOf(devnet, 3)]
      // Everybody is needed for a key: without this one the others cannot be done before the kill.
      await away.kill()
      await recordOf(victim, /^attempt-0$/)
      await victim.kill()
      expect((await statusOf(validatorOf(devnet, 0))).peg.state).toBe('closed')

      away.start()
      victim.start()
      await recordOf(victim, /^share-0-\d+$/)
      await victim.kill()
      victim.start()
      for (const { client, index } of devnet.validators) {
        await eventually(`the peg to be open at validator ${index}`, async () => {
          const { peg, synced, l1 } = await client.status()
          return peg.state === 'open' && synced && l1.state === 'ok'
        })
      }
      const epochs = new Set<string>()
      for (const { client } of devnet.validators) {
        const { keyEpochs } = await client.federation()
        epochs.add(keyEpochs.map(({ epoch, groupKey }) => `${epoch} ${groupKey}`).join())
      }
      expect(epochs.size).toBe(1)

      // Three of four have to sign: with the first one away, both that were killed.
      const user = await createUser(devnet, 'user')
      user.asks(1)
      const recipient = await user.address(0)
      await devnet.faucet.pay(l1ScriptOf(await user.depositAddress(recipient)), sats(1_000_000))
      await devnet.faucet.mine(4)
      await depositWhen(validatorOf(devnet, 1), recipient, isMinted)
      await validatorOf(devnet, 0).kill()
      const burn = await user.release(500_000, createPayee('after key generation').address)
      await mineUntilPaid(devnet, validatorOf(devnet, 1), burn)
      await bringBack(devnet, 0)
      await expectAgreement(devnet)
    },
    TEST_TIMEOUT_MS,
  )
})

async function statusOf({ client, index }: Validator) {
  return await eventually(`validator ${index} to answer`, () => client.status())
}

/** Waits for a file in the key store, often enough to kill the process in the middle of things. */
async function recordOf(validator: Validator, name: RegExp): Promise<void> {
  const { shares } = homePaths(join(validator.home, 'node'))
  await until(
    async () => existsSync(shares) && readdirSync(shares).some((file) => name.test(file)),
    {
      timeoutMs: PATIENCE_MS,
      intervalMs: 2,
      what: `${name.source} of validator ${validator.index}`,
    },
  )
}

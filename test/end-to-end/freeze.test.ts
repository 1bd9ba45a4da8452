import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sats } from '../../src/primitives/units.ts'
import { bitcoindPath } from '../support/bitcoind.ts'
import { eventually, TEST_TIMEOUT_MS, useDevnet, validatorOf } from '../support/devnet.ts'
import {
  depositWhen,
  expectAgreement,
  expectPaidOnce,
  expectReservesOnL1,
  isMinted,
  l1ScriptOf,
  mineUntilPaid,
  releaseWhen,
} from '../support/devnet-checks.ts'
import { createPayee, createUser } from '../support/devnet-user.ts'

describe.skipIf(bitcoindPath === undefined)('a freeze with processes and a real bitcoind', () => {
  const net = useDevnet()

  it(
    'holds a release back, says why, and lets it be paid when a quorum says so',
    async () => {
      const devnet = net()
      const node = validatorOf(devnet, 0)
      const user = await createUser(devnet, 'frozen')
      const recipient = await user.address(0)
      const script = l1ScriptOf(await user.depositAddress(recipient))
      await devnet.faucet.pay(script, sats(50_000_000))
      await devnet.faucet.mine(4)
      await depositWhen(node, recipient, isMinted)

      const vote = async (index: number, wish: 'freeze' | 'unfreeze'): Promise<void> => {
        const { home } = validatorOf(devnet, index)
        // Always the same node: votes reach the others by themselves.
        await user.command('federation', wish, '--key', join(home, 'node', 'keys', 'validator.key'))
      }
      const frozenEverywhere = (wanted: boolean): Promise<unknown> =>
        eventually(`every node to say ${wanted ? 'frozen' : 'open'}`, async () => {
          const states = await Promise.all(
            devnet.validators.map(async ({ client }) => (await client.status()).peg.state),
          )
          return states.every((state) => state === (wanted ? 'frozen' : 'open'))
        })

      for (const index of [1, 2, 3]) await vote(index, 'freeze')
      await frozenEverywhere(true)
      const asked = await user.run('peg', 'deposit-address', await user.address(0))
      expect(asked.json).toMatchObject({ error: { code: 'peg-frozen' } })
      const payee = createPayee('freeze')
      const burn = await user.release(15_000_000, payee.address)
      const waiting = await releaseWhen(node, burn, (each) => each.status === 'queued')
      expect(waiting.wait?.kind).toBe('frozen')
      expect(waiting.reason).toContain('frozen')
      // More than the batch interval and a few L1 blocks later it still waits.
      const { l1Height } = await node.client.peg()
      await devnet.faucet.mine(3)
      await eventually('the chain to follow L1', async () => {
        return (await node.client.peg()).l1Height === l1Height + 3
      })
      expect(await user.command('federation', 'status')).toMatchObject({
        freeze: { frozen: true, quorum: 3, votes: [1, 2, 3].map((validator) => ({ validator })) },
        waiting: [{ wait: { kind: 'frozen' } }],
      })

      // Serial numbers are seconds: the same second is the same number, and is refused.
      for (const index of [0, 2, 3]) {
        await eventually(`vote ${index}`, async () =>
          vote(index, 'unfreeze').then(
            () => true,
            () => false,
          ),
        )
      }
      await frozenEverywhere(false)
      const paid = await mineUntilPaid(devnet, node, burn)
      await expectPaidOnce(devnet, paid, payee.script)
      await expectAgreement(devnet)
      await expectReservesOnL1(devnet)
    },
    TEST_TIMEOUT_MS,
  )
})

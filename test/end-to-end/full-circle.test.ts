import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { chainParams, parseGenesis } from '../../genesis/network.ts'
import { depositScript } from '../../src/chain/peg/deposit-address.ts'
import { present } from '../../src/primitives/assert.ts'
import { hexToBytes } from '../../src/primitives/bytes.ts'
import { sats } from '../../src/primitives/units.ts'
import { bitcoindPath, startBitcoind } from '../support/bitcoind.ts'
import { eventually, TEST_TIMEOUT_MS, useDevnet, validatorOf } from '../support/devnet.ts'
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
import { createPayee, createUser } from '../support/devnet-user.ts'

describe.skipIf(bitcoindPath === undefined)('the full circle with a real bitcoind', () => {
  const net = useDevnet()

  it(
    'brings bitcoin in, pays it on and takes it out, and the books agree with L1',
    async () => {
      const devnet = net()
      const node = validatorOf(devnet, 0)
      const alice = await createUser(devnet, 'alice')
      const bob = await createUser(devnet, 'bob')
      bob.asks(2)
      const recipient = await alice.address(0)
      const depositAddress = await alice.depositAddress(recipient)

      const depositTxid = await devnet.faucet.pay(l1ScriptOf(depositAddress), sats(50_000_000))
      await devnet.faucet.mine(1)
      const seen = await depositWhen(node, recipient, (each) => each.confirmations === 1)
      expect(seen).toMatchObject({ l1Txid: depositTxid, status: 'confirming', mintTxid: null })
      await devnet.faucet.mine(seen.requiredConfirmations - 1)
      const minted = await depositWhen(node, recipient, isMinted)
      expect(minted.valueSats).toBe(50_000_000n)

      const payment = await alice.send(20_000_000, await bob.address(0))
      for (const validator of devnet.validators) await finalWhen(validator, payment)

      const payee = createPayee('full circle')
      const burn = await bob.release(15_000_000, payee.address)
      const batched = await releaseWhen(node, burn, (each) => each.status === 'broadcast')
      const batchTxid = present(batched.l1Txid, 'batch txid')
      await expectDefaultPolicyAccepts(batchTxid)
      const paid = await mineUntilPaid(devnet, node, burn)
      expect(paid.l1Txid).toBe(batchTxid)

      await expectAgreement(devnet)
      await expectPaidOnce(devnet, paid, payee.script)
      await expectMintedOnce(devnet, recipient, 50_000_000)
      await expectReservesOnL1(devnet)
      const { equation, coins } = await node.client.reserves()
      expect(equation).toMatchObject({ pendingReleases: 0n, inFlightFees: 0n })
      // What the release paid beyond L1's fee stays.
      expect(equation.feeReserve).toBeGreaterThan(0n)
      expect(equation.reserves).toBe(50_000_000n - 15_000_000n + equation.feeReserve)
      // The change came back: reserves are outputs of the batch.
      expect(coins.map((coin) => coin.txid)).toContain(batchTxid)
    },
    TEST_TIMEOUT_MS,
  )

  /** Another bitcoind, of default policy, that has L1's chain and not its mempool. */
  async function expectDefaultPolicyAccepts(txid: string): Promise<void> {
    const { l1 } = net()
    const raw = await l1.rpc.call('getrawtransaction', [txid])
    const judge = await startBitcoind()
    try {
      const { height: tip } = await l1.l1.tip()
      for (let height = 1; height <= tip; height++) {
        const hash = await l1.rpc.call('getblockhash', [height])
        await judge.rpc.call('submitblock', [await l1.rpc.call('getblock', [hash, 0])])
      }
      const verdict = await judge.rpc.call('testmempoolaccept', [[raw]])
      expect(verdict).toMatchObject([{ txid, allowed: true }])
    } finally {
      await judge.stop()
    }
  }

  it(
    'mints every output to a reusable address, also two in one L1 transaction',
    async () => {
      const devnet = net()
      const node = validatorOf(devnet, 1)
      const user = await createUser(devnet, 'reuser')
      user.asks(1)
      const recipient = await user.address(0)
      const script = l1ScriptOf(await user.depositAddress(recipient))

      const both = await devnet.faucet.payAll([
        { script, value: sats(1_000_000) },
        { script: createPayee('somebody else').script, value: sats(5_000_000) },
        { script, value: sats(2_000_000) },
      ])
      await devnet.faucet.mine(2)
      const later = await devnet.faucet.pay(script, sats(4_000_000))
      await devnet.faucet.mine(4)

      const deposits = await eventually('three mints', async () => {
        const found = (await node.client.deposits(recipient)).deposits
        return found.length >= 3 && found.every(isMinted) ? found : false
      })
      const outPoints = deposits.map(({ l1Txid, vout, valueSats }) => [l1Txid, vout, valueSats])
      expect(outPoints).toHaveLength(3)
      expect(outPoints).toEqual(
        expect.arrayContaining([
          [both, 0, 1_000_000n],
          [both, 2, 2_000_000n],
          [later, 0, 4_000_000n],
        ]),
      )
      const balance = await user.command('wallet', 'balance')
      expect(balance).toMatchObject({ confirmedSats: 7_000_000 })
      await expectAgreement(devnet)
      await expectReservesOnL1(devnet)
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'lists a deposit below the minimum, and mints it when another brings the sum over it',
    async () => {
      const devnet = net()
      const node = validatorOf(devnet, 2)
      const user = await createUser(devnet, 'small')
      user.asks(2)
      const recipient = await user.address(0)
      const script = l1ScriptOf(await user.depositAddress(recipient))

      const first = await devnet.faucet.pay(script, sats(6_000))
      await devnet.faucet.mine(4)
      const small = await depositWhen(node, recipient, (each) => each.status === 'below-minimum')
      expect(small).toMatchObject({ l1Txid: first, valueSats: 6_000n, mintTxid: null })

      const second = await devnet.faucet.pay(script, sats(5_000))
      await devnet.faucet.mine(4)
      await eventually('both to be minted', async () => {
        const { deposits } = await node.client.deposits(recipient)
        return deposits.length === 2 && deposits.every(isMinted)
      })
      const { deposits } = await node.client.deposits(recipient)
      expect(deposits.map(({ l1Txid }) => l1Txid).toSorted()).toEqual([first, second].toSorted())
      expect(await user.command('wallet', 'balance')).toMatchObject({ confirmedSats: 11_000 })
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'mints a deposit whose recipient no node was told of, once somebody claims it',
    async () => {
      const devnet = net()
      const node = validatorOf(devnet, 3)
      const user = await createUser(devnet, 'claimer')
      user.asks(3)
      const recipient = createPayee('nobody was told').address
      const depositTxid = await devnet.faucet.pay(
        await deriveDepositScript(l1ScriptOf(recipient)),
        sats(3_000_000),
      )
      await devnet.faucet.mine(4)
      expect((await node.client.deposits(recipient)).deposits).toEqual([])

      const outPoint = `${depositTxid}:0`
      const claimed = await user.command('peg', 'claim', outPoint, recipient)
      expect(claimed).toMatchObject({ accepted: true })
      await depositWhen(node, recipient, isMinted)
      await expectAgreement(devnet)
      await expectMintedOnce(devnet, recipient, 3_000_000)

      const again = await user.run('peg', 'claim', outPoint, recipient)
      expect(again.exitCode).not.toBe(0)
      expect(again.json).toMatchObject({ error: { code: 'deposit-already-minted' } })
      const missing = await user.run('peg', 'claim', `${depositTxid}:1`, recipient)
      expect(missing.json).toMatchObject({ error: { code: 'deposit-not-found' } })
    },
    TEST_TIMEOUT_MS,
  )

  /** What a wallet can compute by itself, from the genesis file and the group key. */
  async function deriveDepositScript(recipient: Uint8Array): Promise<Uint8Array> {
    const { client } = validatorOf(net(), 0)
    const { chainId, peg } = chainParams(parseGenesis(await client.genesis()))
    const { keyEpoch, groupKey } = (await client.status()).peg
    return depositScript({
      chainId,
      epoch: present(keyEpoch, 'key epoch'),
      groupKey: hexToBytes(present(groupKey, 'group key')),
      recovery: peg.recovery,
      recipient,
    })
  }

  it(
    'refuses to release to an address of another network, and below the minimum',
    async () => {
      const user = await createUser(net(), 'careless')
      const mainnet = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'
      const wrong = await user.run('peg', 'release', '20000', mainnet, '--sats', '--yes')
      expect(wrong.exitCode).toBe(2)
      const { address } = createPayee('careless')
      const small = await user.run('peg', 'release', '9999', address, '--sats', '--yes')
      expect(small.exitCode).not.toBe(0)
      expect(
        z.object({ error: z.object({ code: z.string() }) }).safeParse(small.json).success,
      ).toBe(true)
    },
    TEST_TIMEOUT_MS,
  )
})

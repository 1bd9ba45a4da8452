import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Devnet, Validator } from '../../src/cli/devnet/devnet.ts'
import { homePaths } from '../../src/cli/node/node-home.ts'
import { sats } from '../../src/primitives/units.ts'
import { bitcoindPath, type RunningBitcoind, startBitcoind } from '../support/bitcoind.ts'
import {
  bringBack,
  eventually,
  TEST_TIMEOUT_MS,
  useDevnet,
  validatorOf,
} from '../support/devnet.ts'
import {
  depositWhen,
  expectAgreement,
  expectMintedOnce,
  expectReservesOnL1,
  finalWhen,
  isMinted,
  l1ScriptOf,
  mineUntilPaid,
  releaseWhen,
} from '../support/devnet-checks.ts'
import { createPayee, createUser, type DevnetUser } from '../support/devnet-user.ts'

const DEPOSIT_SATS = 2_000_000

describe.skipIf(bitcoindPath === undefined)('trouble with L1', () => {
  const net = useDevnet()
  let user: DevnetUser

  beforeAll(async () => {
    user = await createUser(net(), 'user')
    await depositAndMint('the first')
    await pay()
  }, TEST_TIMEOUT_MS)

  /** The recipient of a deposit, once it is minted; the user's first goes to the wallet. */
  async function depositAndMint(name: string): Promise<string> {
    const devnet = net()
    const recipient = name === 'the first' ? await user.address(0) : createPayee(name).address
    await devnet.faucet.pay(l1ScriptOf(await user.depositAddress(recipient)), sats(DEPOSIT_SATS))
    await devnet.faucet.mine(4)
    await depositWhen(validatorOf(devnet, 0), recipient, isMinted)
    await expectMinted(recipient)
    return recipient
  }

  async function expectMinted(recipient: string): Promise<void> {
    await expectAgreement(net())
    await expectMintedOnce(net(), recipient, DEPOSIT_SATS)
  }

  let payments = 0

  /** A payment on the sidechain, final everywhere. */
  async function pay(): Promise<void> {
    payments += 1
    const txid = await user.send(10_000, createPayee(`payment ${payments}`).address)
    for (const validator of net().validators) await finalWhen(validator, txid)
  }

  it(
    'pays on the sidechain while L1 is down, and goes on with the peg when it is back',
    async () => {
      const devnet = net()
      await devnet.l1.stop()
      for (const validator of devnet.validators) {
        expect(await l1State(validator, 'down')).not.toBe('')
      }
      await pay()
      const health = await fetch(`${validatorOf(devnet, 0).apiUrl}/healthz`)
      expect(await health.text()).toContain('L1')
      // A burn is the sidechain's; its payment waits for L1.
      const burn = await user.release(500_000, createPayee('while L1 was down').address)
      await finalWhen(validatorOf(devnet, 0), burn)

      await devnet.l1.start()
      for (const validator of devnet.validators) await l1State(validator, 'ok')
      await mineUntilPaid(devnet, validatorOf(devnet, 0), burn)
      await depositAndMint('after L1 was down')
      await expectReservesOnL1(devnet)
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'goes on without a validator whose L1 is behind, until that has caught up',
    async () => {
      const devnet = net()
      const lagging = validatorOf(devnet, 3)
      const own = await startBitcoind()
      try {
        await feed(devnet, own, 20)
        await withL1(lagging, own, async () => {
          expect(await l1State(lagging, 'behind')).toContain('at 20')
          await depositAndMint('while one was behind')
          await pay()
          await feed(devnet, own, Number.POSITIVE_INFINITY)
          await l1State(lagging, 'ok')
        })
      } finally {
        await own.stop()
      }
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'goes on without a validator whose L1 is another network, and that one says so',
    async () => {
      const lost = validatorOf(net(), 2)
      const own = await startBitcoind({ network: 'signet' })
      try {
        await withL1(lost, own, async () => {
          expect(await l1State(lost, 'wrong-network')).toMatch(/regtest|signet/)
          await depositAndMint('while one was lost')
          await pay()
          expect((await lost.client.status()).l1.state).toBe('wrong-network')
        })
      } finally {
        await own.stop()
      }
    },
    TEST_TIMEOUT_MS,
  )

  /** The validator runs with this L1, then with its own again. */
  async function withL1(
    validator: Validator,
    l1: RunningBitcoind,
    run: () => Promise<void>,
  ): Promise<void> {
    const { config } = homePaths(join(validator.home, 'node'))
    const before = readFileSync(config, 'utf8')
    const after = before
      .replace(/^url = .*$/m, `url = "${l1.url}"`)
      .replace(/^cookie_file = .*$/m, `cookie_file = "${l1.cookiePath}"`)
    expect(after).not.toBe(before)
    try {
      await validator.stop()
      writeFileSync(config, after)
      await bringBack(net(), validator.index)
      await run()
    } finally {
      await validator.stop()
      writeFileSync(config, before)
    }
    await bringBack(net(), validator.index)
    await l1State(validator, 'ok')
  }

  it(
    'does not mint a deposit that a reorganisation took out, until it is buried again',
    async () => {
      const devnet = net()
      const { rpc } = devnet.l1
      const node = validatorOf(devnet, 1)
      const recipient = createPayee('reorganised').address
      const script = l1ScriptOf(await user.depositAddress(recipient))
      const txid = await devnet.faucet.pay(script, sats(DEPOSIT_SATS))
      await devnet.faucet.mine(2)
      const seen = await depositWhen(node, recipient, (each) => each.confirmations === 2)
      expect(seen.l1Txid).toBe(txid)

      const { height } = await devnet.l1.l1.tip()
      const replaced = await rpc.call('getblockhash', [height - 1])
      await rpc.call('invalidateblock', [replaced])
      // Longer than before, and without the deposit, which waits in the mempool again.
      const { address } = createPayee('another miner')
      for (let count = 0; count < 6; count++) await rpc.call('generateblock', [address, []])
      expect(await rpc.call('getrawmempool', [])).toEqual([txid])
      // A block of the sidechain tells of L1 beyond the depth at which the deposit would have counted.
      await eventually('headers of the new branch', async () => {
        await pay()
        return (await node.client.status()).l1.chainHeight >= height
      })
      for (const { client } of devnet.validators) {
        const { deposits } = await client.deposits(recipient)
        expect(deposits.filter(isMinted)).toEqual([])
      }

      await devnet.faucet.mine(4)
      const minted = await depositWhen(node, recipient, isMinted)
      expect(minted.l1Txid).toBe(txid)
      await expectMinted(recipient)
      await expectReservesOnL1(devnet)
      const { coins } = await node.client.reserves()
      const coin = coins.find((each) => each.txid === txid)
      expect(coin?.l1Height).toBe(height + 5)
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'is not misled by an L1 with a branch of its own, which says that it stands still',
    async () => {
      const devnet = net()
      const misled = validatorOf(devnet, 1)
      const own = await startBitcoind()
      try {
        const { chainHeight } = (await misled.client.status()).l1
        await feed(devnet, own, chainHeight - 2)
        const { address } = createPayee('a miner of its own')
        await own.rpc.call('generatetoaddress', [1, address])
        await withL1(misled, own, async () => {
          // Shorter than what the chain knows, and then longer than all others.
          expect(await l1State(misled, 'forked')).toContain('another branch')
          await own.rpc.call('generatetoaddress', [50, address])
          const recipient = await depositAndMint('while one was misled')
          expect(recipient).not.toBe('')
          await pay()
          const { l1, peg } = await misled.client.status()
          expect([l1.state, peg.state]).toEqual(['forked', 'frozen'])
          // The others' blocks are good all the same: they prove what they say.
          expect(l1.chainHeight).toBeGreaterThan(chainHeight)
        })
      } finally {
        await own.stop()
      }
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'freezes the peg when L1 reorganises deeper than it allows for, until the old branch is back',
    async () => {
      const devnet = net()
      const { rpc, l1 } = devnet.l1
      const node = validatorOf(devnet, 1)
      await depositAndMint('before the deep reorganisation')
      const { chainHeight } = (await node.client.status()).l1
      const replaced = await rpc.call('getblockhash', [chainHeight])
      const { height: tip } = await l1.tip()
      await rpc.call('invalidateblock', [replaced])
      const { address } = createPayee('the miner of the other branch')
      for (let height = chainHeight; height <= tip + 5; height++) {
        await rpc.call('generateblock', [address, []])
      }
      for (const validator of devnet.validators) await l1State(validator, 'forked')

      // The chain goes on, and the peg says that it does not.
      const burn = await user.release(300_000, createPayee('during the reorganisation').address)
      await finalWhen(node, burn)
      await pay()
      for (const { client, apiUrl } of devnet.validators) {
        const { l1: seen, peg } = await client.status()
        expect([seen.chainHeight, peg.state]).toEqual([chainHeight, 'frozen'])
        expect(await (await fetch(`${apiUrl}/metrics`)).text()).toContain(
          'causeway_peg_state{state="frozen"} 1\n',
        )
        const health = await fetch(`${apiUrl}/healthz`)
        expect([health.ok, await health.text()]).toEqual([
          false,
          expect.stringContaining('reorganised deeper'),
        ])
      }
      const asked = await user.run('peg', 'deposit-address', createPayee('too early').address)
      expect(asked.json).toMatchObject({ error: { code: 'peg-frozen' } })
      const waiting = await releaseWhen(node, burn, ({ l1Txid }) => l1Txid !== null)
      expect(waiting.status).toBe('batched')
      expect(await l1.mempoolTransactionIds()).not.toContain(waiting.l1Txid)

      await rpc.call('invalidateblock', [await rpc.call('getblockhash', [chainHeight])])
      await rpc.call('reconsiderblock', [replaced])
      await devnet.faucet.mine(1)
      for (const validator of devnet.validators) await l1State(validator, 'ok')
      expect((await node.client.status()).peg.state).toBe('open')
      await mineUntilPaid(devnet, node, burn)
      await depositAndMint('after the deep reorganisation')
      await expectReservesOnL1(devnet)
    },
    TEST_TIMEOUT_MS,
  )
})

async function l1State({ client, index }: Validator, state: string): Promise<string> {
  return await eventually(`L1 ${state} at validator ${index}`, async () => {
    const { l1 } = await client.status()
    return l1.state === state && { message: l1.message ?? '' }
  }).then(({ message }) => message)
}

/** Gives a bitcoind the devnet's blocks up to a height. */
async function feed(devnet: Devnet, to: RunningBitcoind, until: number): Promise<void> {
  const { height: tip } = await devnet.l1.l1.tip()
  const from = Number(await to.rpc.call('getblockcount', [])) + 1
  for (let height = from; height <= Math.min(tip, until); height++) {
    const hash = await devnet.l1.rpc.call('getblockhash', [height])
    await to.rpc.call('submitblock', [await devnet.l1.rpc.call('getblock', [hash, 0])])
  }
}

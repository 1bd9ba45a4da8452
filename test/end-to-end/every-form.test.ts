import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import {
  p2pkhScript,
  p2shScript,
  p2trScript,
  p2wpkhScript,
  p2wshScript,
} from '../../src/bitcoin/script.ts'
import type { Deposit } from '../../src/cli/node-answers.ts'
import { present } from '../../src/primitives/assert.ts'
import { hexToBytes, utf8 } from '../../src/primitives/bytes.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { hash160, sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { bitcoindPath } from '../support/bitcoind.ts'
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
  expectPaidOnce,
  expectReservesOnL1,
  finalWhen,
  isMinted,
  l1ScriptOf,
  mineUntilPaid,
  releaseWhen,
} from '../support/devnet-checks.ts'
import { createPayee, createUser, type DevnetUser } from '../support/devnet-user.ts'
import { replacePayment } from '../support/replace-payment.ts'

/** Above the devnet's tier of ten bitcoin. */
const LARGE_SATS = 1_000_000_001

/** Block files of 64 KiB, so that a short chain has some to prune. */
const PRUNED = ['-prune=1', '-fastprune=1']
/** More than one such file holds. */
const DAYS_OF_BLOCKS = 320
/** bitcoind never prunes these. */
const BLOCKS_KEPT = 288

describe.skipIf(bitcoindPath === undefined)('every form, over a pruned bitcoind', () => {
  const net = useDevnet({ bitcoindArguments: PRUNED })
  let user: DevnetUser

  beforeAll(async () => {
    user = await createUser(net(), 'user')
  }, TEST_TIMEOUT_MS)

  async function depositScriptOf(recipient: string): Promise<Uint8Array> {
    return l1ScriptOf(await user.depositAddress(recipient))
  }

  async function depositsOf(recipient: string): Promise<readonly Deposit[]> {
    return (await validatorOf(net(), 0).client.deposits(recipient)).deposits
  }

  it(
    'mints what a payment was replaced by, and never the payment itself',
    async () => {
      const devnet = net()
      const recipient = createPayee('impatient').address
      const script = await depositScriptOf(recipient)
      const first = await devnet.faucet.pay(script, sats(2_000_000))
      const second = await replacePayment(devnet, first, sats(1_500_000))
      expect(await devnet.l1.l1.mempoolTransactionIds()).toEqual([second])
      await devnet.faucet.mine(4)
      const minted = await depositWhen(validatorOf(devnet, 0), recipient, isMinted)
      expect(minted).toMatchObject({ l1Txid: second, valueSats: 1_500_000n })
      expect(await depositsOf(recipient)).toHaveLength(1)
      const claim = await user.run('peg', 'claim', `${first}:0`, recipient)
      expect(claim.json).toMatchObject({ error: { code: 'deposit-not-found' } })
      await expectMintedOnce(devnet, recipient, 1_500_000)
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'lets large deposits wait for more headers, and block rewards for a hundred',
    async () => {
      const devnet = net()
      const node = validatorOf(devnet, 1)
      const [large, small, miner] = ['large', 'small', 'miner'].map(
        (name) => createPayee(name).address,
      )
      if (large === undefined || small === undefined || miner === undefined) return
      const reward = encodeAddress(await depositScriptOf(miner), L1_ADDRESS_NETWORKS.regtest)
      await devnet.faucet.payAll([
        { script: await depositScriptOf(large), value: sats(LARGE_SATS) },
        { script: await depositScriptOf(small), value: sats(LARGE_SATS - 1) },
      ])
      await devnet.l1.rpc.call('generatetoaddress', [1, reward])
      await devnet.faucet.mine(3)
      await depositWhen(node, small, isMinted)
      const waits = await depositWhen(node, large, (each) => each.confirmations === 4)
      expect(waits).toMatchObject({ status: 'confirming', requiredConfirmations: 7 })
      await devnet.faucet.mine(3)
      await depositWhen(node, large, isMinted)

      await devnet.faucet.mine(93)
      const young = await depositWhen(node, miner, (each) => each.confirmations === 100)
      expect(young).toMatchObject({ status: 'confirming', requiredConfirmations: 101 })
      await devnet.faucet.mine(1)
      const minted = await depositWhen(node, miner, isMinted)
      await expectAgreement(devnet)
      await expectMintedOnce(devnet, miner, Number(minted.valueSats))
      await expectReservesOnL1(devnet)
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'pays every form of L1 address, and none of the federation itself',
    async () => {
      const devnet = net()
      const node = validatorOf(devnet, 2)
      const own = await user.address(0)
      const script = await depositScriptOf(own)
      await devnet.faucet.pay(script, sats(10_000_000))
      await devnet.faucet.mine(4)
      await depositWhen(node, own, isMinted)

      const federations = present(encodeAddress(script, L1_ADDRESS_NETWORKS.regtest), 'address')
      const refused = await user.run('peg', 'release', '100000', federations, '--sats', '--yes')
      expect(refused.exitCode).not.toBe(0)
      expect(JSON.stringify(refused.json)).toContain('burn-to-federation')

      const burns: { readonly txid: string; readonly script: Uint8Array }[] = []
      for (const payee of everyForm()) {
        const txid = await user.release(300_000, payee.address)
        await finalWhen(node, txid)
        burns.push({ txid, script: payee.script })
      }
      for (const burn of burns) {
        const paid = await mineUntilPaid(devnet, node, burn.txid)
        await expectPaidOnce(devnet, paid, burn.script)
      }
      await expectAgreement(devnet)
      await expectReservesOnL1(devnet)
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'lets a user take out everything',
    async () => {
      const devnet = net()
      const node = validatorOf(devnet, 3)
      const payee = createPayee('everything')
      const answer = await user.command('peg', 'release', 'all', payee.address, '--yes')
      const { txid } = z.object({ txid: z.string() }).loose().parse(answer)
      await finalWhen(node, txid)
      const paid = await mineUntilPaid(devnet, node, txid)
      await expectPaidOnce(devnet, paid, payee.script)
      expect(await user.command('wallet', 'balance')).toMatchObject({ confirmedSats: 0 })
      await expectAgreement(devnet)
      await expectReservesOnL1(devnet)
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'catches up with days of L1 after all were down, killed in the middle, though blocks are pruned',
    async () => {
      const devnet = net()
      const { l1, faucet } = devnet
      const [patient, early, late] = ['patient', 'early', 'late'].map(
        (name) => createPayee(name).address,
      )
      if (patient === undefined || early === undefined || late === undefined) return
      const toPatient = await depositScriptOf(patient)
      const toEarly = await depositScriptOf(early)
      const toLate = await depositScriptOf(late)
      await faucet.pay(toPatient, sats(6_000))
      await faucet.mine(4)
      const { height } = await l1.l1.tip()
      for (const node of devnet.validators) {
        await depositWhen(node, patient, (each) => each.status === 'below-minimum')
      }

      await Promise.all(devnet.validators.map((validator) => validator.stop()))
      await faucet.mine(DAYS_OF_BLOCKS)
      await faucet.pay(toEarly, sats(700_000))
      await faucet.mine(20)
      await faucet.pay(toPatient, sats(5_000))
      await faucet.pay(toLate, sats(800_000))
      await faucet.mine(BLOCKS_KEPT)
      // The block of the first payment is gone; the proof of it was kept.
      await l1.rpc.call('pruneblockchain', [height + DAYS_OF_BLOCKS - 1])
      const lost = present(await l1.l1.blockHashAt(height - 3), 'block hash')
      expect(await l1.l1.block(lost)).toBeUndefined()

      for (const validator of devnet.validators) validator.start()
      const victim = validatorOf(devnet, 2)
      await eventually('the victim to answer', async () =>
        victim.client.status().catch(() => undefined),
      )
      await victim.kill()
      await bringBack(devnet, victim.index)
      const node = validatorOf(devnet, 0)
      await depositWhen(node, early, isMinted)
      await depositWhen(node, late, isMinted)
      await eventually('both small ones', async () => {
        const deposits = await depositsOf(patient)
        return deposits.length === 2 && deposits.every(isMinted)
      })
      await expectAgreement(devnet)
      await expectMintedOnce(devnet, early, 700_000)
      await expectMintedOnce(devnet, late, 800_000)
      await expectReservesOnL1(devnet)
      for (const { client, index } of devnet.validators) {
        const { deposits } = await client.deposits(patient)
        expect(
          deposits.map(({ valueSats }) => Number(valueSats)).toSorted((a, b) => a - b),
          `validator ${index}`,
        ).toEqual([5_000, 6_000])
      }
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'goes on from there: a deposit and a release',
    async () => {
      const devnet = net()
      const node = validatorOf(devnet, 2)
      const own = await user.address(0)
      await devnet.faucet.pay(await depositScriptOf(own), sats(1_000_000))
      await devnet.faucet.mine(4)
      await depositWhen(node, own, (each) => isMinted(each) && each.valueSats === 1_000_000n)
      const burn = await user.release(400_000, createPayee('afterwards').address)
      await releaseWhen(node, burn, ({ status }) => status === 'broadcast')
      await mineUntilPaid(devnet, node, burn)
      await expectAgreement(devnet)
      await expectReservesOnL1(devnet)
    },
    TEST_TIMEOUT_MS,
  )
})

/** One payee for each form that a release can pay. */
function everyForm(): readonly { readonly script: Uint8Array; readonly address: string }[] {
  const key = hexToBytes(xOnlyPublicKey(sha256(utf8('P2TR payee'))))
  const scripts = [
    p2pkhScript(hash160(utf8('P2PKH payee'))),
    p2shScript(hash160(utf8('P2SH payee'))),
    p2wpkhScript(hash160(utf8('P2WPKH payee'))),
    p2wshScript(sha256(utf8('P2WSH payee'))),
    p2trScript(key),
  ]
  return scripts.map((script) => ({
    script,
    address: present(encodeAddress(script, L1_ADDRESS_NETWORKS.regtest), 'address'),
  }))
}

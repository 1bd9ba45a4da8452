/** What must be true of a devnet whatever happened to it, asked of every validator and of L1 itself. */

import { expect } from 'vitest'
import { z } from 'zod'
import { decodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { L1_COINBASE_MATURITY } from '../../src/chain/params.ts'
import type { Devnet, Validator } from '../../src/cli/devnet/devnet.ts'
import type { Deposit, Release } from '../../src/cli/node-answers.ts'
import { present } from '../../src/primitives/assert.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { eventually } from './devnet.ts'

export function l1ScriptOf(address: string): Uint8Array {
  const decoded = decodeAddress(address, L1_ADDRESS_NETWORKS.regtest)
  if (!decoded.ok) throw new TypeError(`not a regtest address: ${address}`)
  return decoded.value
}

// --- deposits and releases --------------------------------------------------------------------

/** The one deposit of a recipient, once this validator shows it so. */
export async function depositWhen(
  { client, index }: Validator,
  recipient: string,
  holds: (deposit: Deposit) => boolean,
): Promise<Deposit> {
  return await eventually(`a deposit to ${recipient} at validator ${index}`, async () => {
    const { deposits } = await client.deposits(recipient)
    return deposits.find(holds)
  })
}

export const isMinted = (deposit: Deposit): boolean =>
  deposit.status === 'minted' && deposit.mintTxid !== null

export async function releaseWhen(
  { client, index }: Validator,
  burnTxid: string,
  holds: (release: Release) => boolean,
): Promise<Release> {
  return await eventually(`the release of ${burnTxid} at validator ${index}`, async () => {
    const { releases } = await client.releases(100)
    return releases.find((release) => release.burnTxid === burnTxid && holds(release))
  })
}

export async function finalWhen({ client }: Validator, txid: string): Promise<void> {
  await eventually(
    `${txid} to be final`,
    async () => (await client.transaction(txid)).status.confirmed,
  )
}

/** Mines until the release is paid; `validator` has to be up. */
export async function mineUntilPaid(
  devnet: Devnet,
  validator: Validator,
  burnTxid: string,
): Promise<Release> {
  const { l1Txid } = await releaseWhen(validator, burnTxid, (each) => each.l1Txid !== null)
  await eventually('the batch in the mempool or chain of L1', async () => {
    const release = await releaseWhen(validator, burnTxid, () => true)
    return (
      release.confirmations > 0 ||
      release.status === 'paid' ||
      (await isInL1Mempool(devnet, present(l1Txid, 'l1Txid')))
    )
  })
  const { requiredConfirmations, confirmations } = await releaseWhen(
    validator,
    burnTxid,
    () => true,
  )
  await devnet.faucet.mine(Math.max(1, requiredConfirmations - confirmations))
  return await releaseWhen(validator, burnTxid, (release) => release.status === 'paid')
}

async function isInL1Mempool(devnet: Devnet, txid: string): Promise<boolean> {
  const ids = z.array(z.string()).parse(await devnet.l1.rpc.call('getrawmempool', []))
  return ids.includes(txid)
}

// --- what every validator says ----------------------------------------------------------------

/** All validators at one height with one hash, and their books agree with the equation. */
export async function expectAgreement(devnet: Devnet): Promise<number> {
  const height = await eventually('all validators at one height', async () => {
    const statuses = await Promise.all(devnet.validators.map(({ client }) => client.status()))
    const [first] = statuses
    const level = statuses.every(
      (status) => status.synced && status.height === first?.height && status.halted === null,
    )
    return level && first !== undefined ? { value: first.height } : false
  })
  const hashes = new Set<string>()
  for (const { client } of devnet.validators) {
    // Each hash is over the one before it: equal at this height means equal below.
    hashes.add(await client.blockHash(height.value))
    expectEquation((await client.reserves()).equation)
  }
  expect(hashes.size).toBe(1)
  return height.value
}

type Reserves = Awaited<ReturnType<Validator['client']['reserves']>>

export function expectEquation(equation: Reserves['equation']): void {
  const { supply, pendingReleases, feeReserve, inFlightFees, reserves, holds } = equation
  expect(holds).toBe(true)
  expect(supply + pendingReleases + feeReserve).toBe(reserves - inFlightFees)
}

/** Every validator shows one funding of the recipient's address, of this value. */
export async function expectMintedOnce(
  devnet: Devnet,
  recipient: string,
  valueSats: number,
): Promise<void> {
  for (const { apiUrl } of devnet.validators) {
    const stats = await addressStats(apiUrl, recipient)
    expect(stats).toEqual({ funded_txo_count: 1, funded_txo_sum: valueSats })
  }
}

async function addressStats(apiUrl: string, address: string): Promise<unknown> {
  const answer = await fetch(`${apiUrl}/api/address/${address}`)
  return z
    .object({
      chain_stats: z.object({ funded_txo_count: z.number(), funded_txo_sum: z.number() }),
    })
    .parse(await answer.json()).chain_stats
}

// --- what L1 says -----------------------------------------------------------------------------

/** The faucet mines this many before anybody can pay. */
const FIRST_HEIGHT = L1_COINBASE_MATURITY + 1

const txOut = z
  .object({
    value: z.number(),
    confirmations: z.number(),
    scriptPubKey: z.object({ hex: z.string() }).loose(),
  })
  .loose()
  .nullable()

/** An unspent output in the chain of L1, in satoshis. */
async function findL1Output(
  devnet: Devnet,
  txid: string,
  vout: number,
): Promise<{ readonly valueSats: number; readonly script: string } | undefined> {
  const found = txOut.parse(await devnet.l1.rpc.call('gettxout', [txid, vout, false]))
  return found === null
    ? undefined
    : { valueSats: Math.round(found.value * 1e8), script: found.scriptPubKey.hex }
}

/** The reserves are unspent on L1, each coin as the chain says, and add up to what the books say. */
export async function expectReservesOnL1(devnet: Devnet): Promise<void> {
  const { coins, equation } = await present(devnet.validators[0], 'validator').client.reserves()
  let sum = 0
  for (const coin of coins) {
    const found = await findL1Output(devnet, coin.txid, coin.vout)
    expect(found?.valueSats).toBe(Number(coin.valueSats))
    sum += Number(coin.valueSats)
  }
  expect(sum).toBe(Number(equation.reserves))
}

/** Values of all payments to each script that L1's chain and mempool have. */
async function l1PaymentsTo(devnet: Devnet, script: Uint8Array): Promise<readonly number[]> {
  const wanted = bytesToHex(script)
  const { l1 } = devnet.l1
  const values: number[] = []
  const { height: tip } = await l1.tip()
  for (let height = FIRST_HEIGHT; height <= tip; height++) {
    const hash = present(await l1.blockHashAt(height), 'L1 block hash')
    const { transactions } = present(await l1.block(hash), 'L1 block')
    for (const { outputs } of transactions) {
      for (const output of outputs) {
        if (bytesToHex(output.script) === wanted) values.push(Number(output.value))
      }
    }
  }
  for (const txid of await l1.mempoolTransactionIds()) {
    const outputs = (await l1.mempoolTransaction(txid))?.outputs ?? []
    for (const output of outputs) {
      if (bytesToHex(output.script) === wanted) values.push(Number(output.value))
    }
  }
  return values
}

/** L1 has paid the release to its address once, and the coin is there. */
export async function expectPaidOnce(
  devnet: Devnet,
  release: Release,
  script: Uint8Array,
): Promise<void> {
  const coins = await Promise.all(
    [0, 1, 2, 3].map((vout) => findL1Output(devnet, release.l1Txid ?? '', vout)),
  )
  expect(coins).toContainEqual({
    valueSats: Number(release.netSats),
    script: bytesToHex(script),
  })
  expect(await l1PaymentsTo(devnet, script)).toEqual([Number(release.netSats)])
}

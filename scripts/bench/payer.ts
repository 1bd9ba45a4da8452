/**
 * Somebody with bitcoin on the sidechain: a deposit through the peg, split into as many coins as the
 * load has transactions, which are signed before anything is measured.
 */

import { decodeAddress, encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { type Transaction, transactionId } from '../../src/bitcoin/transaction.ts'
import type { Devnet } from '../../src/cli/devnet/devnet.ts'
import { until } from '../../src/cli/devnet/until.ts'
import { present } from '../../src/primitives/assert.ts'
import { toTxid } from '../../src/primitives/hashes.ts'
import { sats } from '../../src/primitives/units.ts'
import { BenchmarkError } from './benchmark.ts'
import type { BlockWatch } from './block-watch.ts'
import { submitTransaction, transactionIdsOf } from './node-requests.ts'
import { type SingleKey, type SpendableCoin, spendCoin } from './single-key.ts'

/** Enough for two outputs above dust and the fee. */
const COIN_SATS = 2_000n
const PAYMENT_FEE_SATS = 300n
const PAID_SATS = 1_000n
/** 86,000 vB: below the largest standard transaction. */
const OUTPUTS_PER_SPLIT = 2_000
/** 1.2 sat/vB for each output of a split. */
const SPLIT_FEE_PER_OUTPUT_SATS = 52n
const MINT_TIMEOUT_MS = 120_000

interface Stage {
  readonly devnet: Devnet
  readonly watch: BlockWatch
  readonly key: SingleKey
  readonly signal: AbortSignal
}

/** Deposits, waits for the mint, splits: `count` coins of one key, all final. */
export async function fundCoins(stage: Stage, count: number): Promise<readonly SpendableCoin[]> {
  const splits = splitSizes(count)
  const values = splits.map((size) => BigInt(size) * (COIN_SATS + SPLIT_FEE_PER_OUTPUT_SATS))
  const total = values.reduce((sum, value) => sum + value, 0n)
  const fee = BigInt(splits.length + 10) * SPLIT_FEE_PER_OUTPUT_SATS
  const minted = await deposit(stage, total + fee)
  const { key } = stage
  const first = spendCoin(
    key,
    minted,
    values.map((value) => ({ value: sats(value), script: key.script })),
  )
  await makeFinal(stage, [first])
  const txid = transactionId(first)
  const second = splits.map((size, vout) =>
    spendCoin(
      key,
      { outPoint: { txid, vout }, value: sats(values[vout] ?? 0n) },
      Array.from({ length: size }, () => ({ value: sats(COIN_SATS), script: key.script })),
    ),
  )
  await makeFinal(stage, second)
  return second.flatMap((transaction) => {
    const id = transactionId(transaction)
    return transaction.outputs.map(({ value }, vout) => ({ outPoint: { txid: id, vout }, value }))
  })
}

/** One input, two outputs, to the payer's own key: a payment as a wallet makes it. */
export function payment(key: SingleKey, coin: SpendableCoin): Transaction {
  return spendCoin(key, coin, [
    { value: sats(PAID_SATS), script: key.script },
    { value: sats(coin.value - PAID_SATS - PAYMENT_FEE_SATS), script: key.script },
  ])
}

function splitSizes(count: number): readonly number[] {
  const full = Math.floor(count / OUTPUTS_PER_SPLIT)
  const rest = count % OUTPUTS_PER_SPLIT
  return [...Array.from({ length: full }, () => OUTPUTS_PER_SPLIT), ...(rest === 0 ? [] : [rest])]
}

/** Pays a deposit address on L1 and mines until it is minted; the minted coin. */
async function deposit({ devnet, key, signal }: Stage, valueSats: bigint): Promise<SpendableCoin> {
  const { client } = present(devnet.validators[0], 'first validator')
  const { addressPrefix } = await client.status()
  const recipient = present(encodeAddress(key.script, { bech32: addressPrefix }), 'address')
  const { address } = await client.depositAddress(recipient)
  const script = decodeAddress(address, L1_ADDRESS_NETWORKS.regtest)
  if (!script.ok) throw new BenchmarkError(`not an L1 address: ${address}`)
  await devnet.faucet.pay(script.value, sats(valueSats))
  const minted = await until(
    async () => {
      const [found] = (await client.deposits(recipient)).deposits
      if (found?.status === 'minted') return found
      await devnet.faucet.mine(1)
      return false
    },
    { timeoutMs: MINT_TIMEOUT_MS, what: 'the mint', intervalMs: 500, signal },
  )
  const txid = toTxid(present(minted.mintTxid, 'mint transaction'))
  const { vout } = await client.transaction(txid)
  const index = vout.findIndex((output) => output.scriptpubkey_address === recipient)
  const value = present(vout[index], 'minted output').value
  return { outPoint: { txid, vout: index }, value }
}

/** Sends to the first validator and waits until it has told of blocks with all of them. */
async function makeFinal(
  { devnet, watch, signal }: Stage,
  transactions: readonly Transaction[],
): Promise<void> {
  const { apiUrl } = present(devnet.validators[0], 'first validator')
  const missing = new Set<string>(transactions.map(transactionId))
  let next = watch.seenBy(0).length
  for (const transaction of transactions) await submitTransaction(apiUrl, transaction, signal)
  while (missing.size > 0) {
    await watch.until(() => watch.seenBy(0).length > next, 'the split to be final')
    const { hash } = present(watch.seenBy(0)[next], 'block')
    for (const id of await transactionIdsOf(apiUrl, hash, signal)) missing.delete(id)
    next += 1
  }
}

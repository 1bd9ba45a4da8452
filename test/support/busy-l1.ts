/**
 * An L1 on which others pay more: payments of a wallet of its own are mined, at a rate that bitcoind
 * then estimates, and whatever else is in the mempool stays there.
 */

import type { Devnet } from '../../src/cli/devnet/devnet.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { sats } from '../../src/primitives/units.ts'
import { sweep, WALLET_SCRIPT, type WalletCoin } from '../federation/l1/taproot-spender.ts'
import { createPayee } from './devnet-user.ts'

export interface BusyL1 {
  /** One block: what others paid since the last one, and what is given (hex or txid); nothing else. */
  mine(...also: readonly string[]): Promise<void>
}

const COINS = 40
const COIN_SATS = 100_000n
/** bitcoind believes its own short-term figures after about fourteen payments. */
const PAYMENTS_PER_BLOCK = 5
/** A sweep has 111 virtual bytes: 3 sat/vB, within what validators with older figures accept. */
const FEE_SATS = 333n

/** Others have got their coins, by one L1 block. */
export async function createBusyL1({ faucet, l1 }: Devnet): Promise<BusyL1> {
  const output = { script: WALLET_SCRIPT, value: sats(COIN_SATS) }
  const txid = await faucet.payAll(Array.from({ length: COINS }, () => output))
  await faucet.mine(1)
  const coins: WalletCoin[] = Array.from({ length: COINS }, (_, vout) => ({
    outPoint: { txid, vout },
    value: COIN_SATS,
  }))
  const { address } = createPayee('the miner of the busy L1')
  return {
    async mine(...also) {
      const paid: string[] = []
      for (const coin of coins.splice(0, PAYMENTS_PER_BLOCK)) {
        const payment = sweep(coin, FEE_SATS)
        await l1.rpc.call('sendrawtransaction', [bytesToHex(payment.raw)])
        paid.push(payment.txid)
      }
      await l1.rpc.call('generateblock', [address, [...paid, ...also]])
    },
  }
}

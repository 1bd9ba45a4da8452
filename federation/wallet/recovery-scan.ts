/**
 * The federation's coins as L1 has them, found by their scripts: for when nobody has a node's data or a
 * proof of reserves. Asks a bitcoind for its whole set of unspent outputs (`scantxoutset`), which takes
 * minutes on mainnet; it finds what pays the given addresses and nothing else.
 */

import { z } from 'zod'
import { depositScript } from '../../src/chain/peg/deposit-address.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { toTxid } from '../../src/primitives/hashes.ts'
import { MAX_SATS, sats } from '../../src/primitives/units.ts'
import { checkAnswer } from '../l1/bitcoind-answers.ts'
import type { JsonRpcClient } from '../l1/json-rpc-client.ts'
import { depositTermsOf, type RecoveryCoin, type RecoveryNetwork } from './recovery-leaf.ts'

/** An address of the federation. */
export type ScannedAddress = Pick<RecoveryCoin, 'keyEpoch' | 'groupKey' | 'recipient'>

const SATS_PER_BTC = 1e8
/** Descriptors of one call. */
const ADDRESSES_PER_SCAN = 10_000
const COINS_MAX = 100_000
const RESPONSE_BYTES_MAX = 64 << 20

const SCAN_ANSWER = z.object({
  success: z.literal(true),
  unspents: z
    .array(
      z.object({
        txid: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .transform(toTxid),
        vout: z.int().min(0).max(0xffff_ffff),
        scriptPubKey: z.string().regex(/^(?:[0-9a-f]{2})*$/),
        amount: z
          .number()
          .min(0)
          .max(Number(MAX_SATS) / SATS_PER_BTC)
          .transform((value) => sats(Math.round(value * SATS_PER_BTC))),
        height: z.int().min(0).max(0xffff_ffff),
      }),
    )
    .max(COINS_MAX),
})

/** The client's time limit must allow for a scan. @throws as the client, and L1ProtocolError. */
export async function scanForCoins(
  rpc: Pick<JsonRpcClient, 'call'>,
  network: RecoveryNetwork,
  addresses: readonly ScannedAddress[],
): Promise<readonly RecoveryCoin[]> {
  const byScript = new Map<string, ScannedAddress>()
  for (const address of addresses) {
    byScript.set(bytesToHex(depositScript(depositTermsOf(network, address))), address)
  }
  const scripts = [...byScript.keys()]
  const coins: RecoveryCoin[] = []
  for (let at = 0; at < scripts.length; at += ADDRESSES_PER_SCAN) {
    const wanted = scripts
      .slice(at, at + ADDRESSES_PER_SCAN)
      .map((hex) => ({ desc: `raw(${hex})` }))
    const limits = { responseBytesMax: RESPONSE_BYTES_MAX }
    const answer = await rpc.call('scantxoutset', ['start', wanted], limits)
    for (const found of checkAnswer('scantxoutset', SCAN_ANSWER, answer).unspents) {
      const address = byScript.get(found.scriptPubKey)
      if (address === undefined) continue
      coins.push({
        ...address,
        outPoint: { txid: found.txid, vout: found.vout },
        value: found.amount,
        script: hexToBytes(found.scriptPubKey),
        l1Height: found.height,
      })
    }
  }
  return coins
}

/**
 * The devnet's miner and payer on L1: one key that blocks are mined to, and that pays for deposits.
 * It keeps nothing; what it can spend is read from the chain, so that it works with any L1.
 */

import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import type { JsonRpcClient } from '../../../federation/l1/json-rpc-client.ts'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../bitcoin/address.ts'
import { p2trScript } from '../../bitcoin/script.ts'
import { taprootSighash } from '../../bitcoin/sighash.ts'
import {
  encodeTransaction,
  type OutPoint,
  type Transaction,
  transactionId,
} from '../../bitcoin/transaction.ts'
import { L1_COINBASE_MATURITY } from '../../chain/params.ts'
import { present } from '../../primitives/assert.ts'
import { equalBytes, hexToBytes } from '../../primitives/bytes.ts'
import { hashToBytes, type Txid } from '../../primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../../primitives/secp256k1.ts'
import { type Sats, sats } from '../../primitives/units.ts'
import { DevnetError } from './devnet-files.ts'

export interface L1Faucet {
  /** Mines blocks to the faucet's key. */
  mine(count: number): Promise<void>
  /** Mines until there is something to pay with. */
  prepare(): Promise<void>
  /** Pays an output script on L1; returns the txid. */
  pay(script: Uint8Array, value: Sats): Promise<Txid>
}

/** 300 vB at 10 sat/vB: far above what regtest asks. */
const FEE_SATS = 3_000n
const MINE_AT_ONCE = 50

export function createL1Faucet(l1: BitcoinL1, rpc: JsonRpcClient, secretHex: string): L1Faucet {
  const secret = hexToBytes(secretHex)
  const script = p2trScript(hashToBytes(xOnlyPublicKey(secret)))
  const address = present(encodeAddress(script, L1_ADDRESS_NETWORKS.regtest), 'faucet address')
  /** Outputs to our key, by L1 height. Spent ones are asked for when they are wanted. */
  const seen: {
    readonly outPoint: OutPoint
    readonly height: number
    readonly coinbase: boolean
  }[] = []
  let scannedHeight = 0

  async function mine(count: number): Promise<void> {
    for (let left = count; left > 0; left -= MINE_AT_ONCE) {
      await rpc.call('generatetoaddress', [Math.min(left, MINE_AT_ONCE), address])
    }
  }

  async function scan(): Promise<number> {
    const tip = await l1.tip()
    for (; scannedHeight < tip.height; scannedHeight++) {
      const hash = present(await l1.blockHashAt(scannedHeight + 1), 'L1 block hash')
      const block = present(await l1.block(hash), 'L1 block')
      for (const [position, transaction] of block.transactions.entries()) {
        addOutputs(transaction, block.height, position === 0)
      }
    }
    return tip.height
  }

  function addOutputs(transaction: Transaction, height: number, coinbase: boolean): void {
    for (const [vout, output] of transaction.outputs.entries()) {
      if (!equalBytes(output.script, script)) continue
      seen.push({ outPoint: { txid: transactionId(transaction), vout }, height, coinbase })
    }
  }

  async function findCoin(value: bigint): Promise<{ outPoint: OutPoint; value: Sats } | undefined> {
    const tipHeight = await scan()
    for (const [index, coin] of seen.entries()) {
      if (coin.coinbase && coin.height + L1_COINBASE_MATURITY > tipHeight + 1) continue
      const unspent = await l1.findUnspent(coin.outPoint, { includeMempool: true })
      if (unspent === undefined) {
        seen.splice(index, 1)
        return findCoin(value)
      }
      if (unspent.value >= value) return { outPoint: coin.outPoint, value: unspent.value }
    }
    return undefined
  }

  return {
    mine,
    async prepare() {
      const { height } = await l1.tip()
      if (height <= L1_COINBASE_MATURITY) await mine(L1_COINBASE_MATURITY + 1 - height)
    },
    async pay(target, value) {
      const coin = await findCoin(value + FEE_SATS)
      if (coin === undefined) throw new DevnetError('the faucet has no coin that large: mine more')
      const unsigned: Transaction = {
        version: 2,
        inputs: [
          {
            prevout: coin.outPoint,
            scriptSig: new Uint8Array(),
            sequence: 0xffff_fffd,
            witness: [],
          },
        ],
        outputs: [
          { value, script: target },
          { value: sats(coin.value - value - FEE_SATS), script },
        ],
        lockTime: 0,
      }
      const digest = present(
        taprootSighash(unsigned, 0, [{ value: coin.value, script }], 0),
        'digest',
      )
      const witness = [signSchnorr(digest, secret, crypto.getRandomValues(new Uint8Array(32)))]
      const signed = {
        ...unsigned,
        inputs: unsigned.inputs.map((input) => ({ ...input, witness })),
      }
      const { result, reason } = await l1.broadcast(encodeTransaction(signed))
      if (result === 'rejected') throw new DevnetError(`L1 refused the payment: ${reason}`)
      return transactionId(signed)
    },
  }
}

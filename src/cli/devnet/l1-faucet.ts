/**
 * The devnet's miner and payer on L1: one key that blocks are mined to, and that pays for deposits.
 * It keeps nothing; what it can spend is read from the chain, so that it works with any L1.
 */

import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import type { JsonRpcClient } from '../../../federation/l1/json-rpc-client.ts'
import { L1RpcError } from '../../../federation/l1/l1-error.ts'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../bitcoin/address.ts'
import { p2trScript } from '../../bitcoin/script.ts'
import { taprootSighash } from '../../bitcoin/sighash.ts'
import {
  encodeTransaction,
  type OutPoint,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../bitcoin/transaction.ts'
import { L1_COINBASE_MATURITY } from '../../chain/params.ts'
import { present } from '../../primitives/assert.ts'
import { equalBytes, hexToBytes } from '../../primitives/bytes.ts'
import { type BlockHash, hashToBytes, type Txid } from '../../primitives/hashes.ts'
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
  /** Pays several outputs in one transaction, in this order. */
  payAll(outputs: readonly TxOutput[]): Promise<Txid>
}

/** 300 vB at 10 sat/vB: far above what regtest asks. */
const FEE_SATS = 3_000n
const MINE_AT_ONCE = 50

export function createL1Faucet(l1: BitcoinL1, rpc: JsonRpcClient, secretHex: string): L1Faucet {
  const secret = hexToBytes(secretHex)
  const script = p2trScript(hashToBytes(xOnlyPublicKey(secret)))
  const address = present(encodeAddress(script, L1_ADDRESS_NETWORKS.regtest), 'faucet address')
  const purse = new Purse(l1, script)

  async function mine(count: number): Promise<void> {
    for (let left = count; left > 0; left -= MINE_AT_ONCE) {
      await rpc.call('generatetoaddress', [Math.min(left, MINE_AT_ONCE), address])
    }
    await flush(rpc)
  }

  async function payAll(outputs: readonly TxOutput[]): Promise<Txid> {
    const value = outputs.reduce((sum, output) => sum + output.value, 0n)
    const coin = await purse.findCoin(value + FEE_SATS)
    if (coin === undefined) throw new DevnetError('the faucet has no coin that large: mine more')
    const change = { value: sats(coin.value - value - FEE_SATS), script }
    const signed = spendByKey(coin, [...outputs, change], { secret, script })
    const { result, reason } = await l1.broadcast(encodeTransaction(signed))
    if (result === 'rejected') throw new DevnetError(`L1 refused the payment: ${reason}`)
    return transactionId(signed)
  }

  return {
    mine,
    async prepare() {
      const { height } = await l1.tip()
      if (height <= L1_COINBASE_MATURITY) await mine(L1_COINBASE_MATURITY + 1 - height)
    },
    pay: (target, value) => payAll([{ script: target, value }]),
    payAll,
  }
}

/**
 * A bitcoind writes its chain to disk about once an hour, since it could fetch it from peers again. A
 * devnet's has none, and counting the coins makes it write at once. An L1 that cannot has no need.
 */
async function flush(rpc: JsonRpcClient): Promise<void> {
  try {
    await rpc.call('gettxoutsetinfo', ['none'])
  } catch (error) {
    if (!(error instanceof L1RpcError)) throw error
  }
}

interface SpendableCoin {
  readonly outPoint: OutPoint
  readonly value: Sats
}

interface SeenOutput {
  readonly outPoint: OutPoint
  readonly height: number
  readonly coinbase: boolean
}

/** Outputs that pay one script, read from the chain. Whether one is spent is asked when it is wanted. */
class Purse {
  readonly #l1: BitcoinL1
  readonly #script: Uint8Array
  #seen: SeenOutput[] = []
  #scanned: { readonly height: number; readonly hash: BlockHash | undefined } = {
    height: 0,
    hash: undefined,
  }

  constructor(l1: BitcoinL1, script: Uint8Array) {
    this.#l1 = l1
    this.#script = script
  }

  /** The oldest coin that is worth as much. */
  async findCoin(value: bigint): Promise<SpendableCoin | undefined> {
    const tipHeight = await this.#scan()
    for (const output of this.#seen) {
      const { outPoint, coinbase, height } = output
      if (coinbase && height + L1_COINBASE_MATURITY > tipHeight + 1) continue
      const unspent = await this.#l1.findUnspent(outPoint, { includeMempool: true })
      if (unspent === undefined) this.#seen = this.#seen.filter((other) => other !== output)
      else if (unspent.value >= value) return { outPoint, value: unspent.value }
    }
    return undefined
  }

  /** Returns the tip's height. */
  async #scan(): Promise<number> {
    const tip = await this.#l1.tip()
    const { height: last, hash } = this.#scanned
    if (hash !== undefined && (await this.#l1.blockHashAt(last)) !== hash) {
      // L1 has been reorganised: everything anew.
      this.#seen = []
      this.#scanned = { height: 0, hash: undefined }
    }
    for (let height = this.#scanned.height + 1; height <= tip.height; height++) {
      const found = present(await this.#l1.blockHashAt(height), 'L1 block hash')
      const block = present(await this.#l1.block(found), 'L1 block')
      for (const [position, transaction] of block.transactions.entries()) {
        this.#addOutputs(transaction, height, position === 0)
      }
      this.#scanned = { height, hash: found }
    }
    return tip.height
  }

  #addOutputs(transaction: Transaction, height: number, coinbase: boolean): void {
    for (const [vout, output] of transaction.outputs.entries()) {
      if (!equalBytes(output.script, this.#script)) continue
      this.#seen.push({ outPoint: { txid: transactionId(transaction), vout }, height, coinbase })
    }
  }
}

/** Spends one P2TR coin by its key, without a script tree. */
function spendByKey(
  coin: SpendableCoin,
  outputs: readonly TxOutput[],
  owner: { readonly secret: Uint8Array; readonly script: Uint8Array },
): Transaction {
  const input = {
    prevout: coin.outPoint,
    scriptSig: new Uint8Array(),
    sequence: 0xffff_fffd,
    witness: [],
  }
  const unsigned: Transaction = { version: 2, inputs: [input], outputs, lockTime: 0 }
  const spent = [{ value: coin.value, script: owner.script }]
  const digest = present(taprootSighash(unsigned, 0, spent, 0), 'digest')
  const auxiliary = crypto.getRandomValues(new Uint8Array(32))
  const witness = [signSchnorr(digest, owner.secret, auxiliary)]
  return { ...unsigned, inputs: [{ ...input, witness }] }
}

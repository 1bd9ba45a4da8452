/**
 * A block as full as blocks get, of transactions with one input and two outputs that all spend
 * different P2TR keys, and the state that it follows. Deterministic, made without a network.
 */

import { devnetGenesis } from '../../genesis/devnet.ts'
import { chainParams, parseGenesis } from '../../genesis/network.ts'
import { type Transaction, transactionWeight } from '../../src/bitcoin/transaction.ts'
import type { Block } from '../../src/chain/block.ts'
import { buildBlock } from '../../src/chain/build-block.ts'
import type { Coin } from '../../src/chain/coin.ts'
import type { ChainState } from '../../src/chain/connect-block.ts'
import { genesisChainState } from '../../src/chain/genesis-state.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import { type ChainParams, MAX_BLOCK_WEIGHT } from '../../src/chain/params.ts'
import { EMPTY_STATE, putCoin, StateOverlay } from '../../src/chain/state.ts'
import { updateStateTrie } from '../../src/chain/state-trie.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { hashToBytes, txidFromBytes } from '../../src/primitives/hashes.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { BenchmarkError } from './benchmark.ts'
import type { SignedRecord } from './references.ts'
import {
  type SingleKey,
  type SpendableCoin,
  singleKey,
  spendCoin,
  spendDigest,
} from './single-key.ts'

export interface FullBlock {
  readonly params: ChainParams
  /** The state before the block. */
  readonly state: ChainState
  readonly block: Block
  /** The block's signatures alone: key, message, signature. */
  readonly records: readonly SignedRecord[]
}

export interface FullBlockPlan {
  /** Coins in the state, whether the block spends them or not. */
  readonly coins: number
  /** At most; fewer when they would not fit into a block. */
  readonly transactions: number
}

const COIN_SATS = 100_000n
const FEE_SATS = 300n
/** Header, count, and a coinbase with two commitments and a payout. */
const RESERVED_WEIGHT = 1_200

/** @throws BenchmarkError when the chain's rules refuse it. */
export function createFullBlock(plan: FullBlockPlan): FullBlock {
  const params = benchmarkParams()
  const spends = fillBlock(plan.transactions)
  const state = stateWithCoins(params, spends, plan.coins)
  const built = buildBlock(params, state, {
    view: 0,
    proposer: 0,
    timeMs: 1_700_000_000_000,
    feeRate: params.peg.feeRateFloor,
    l1Section: EMPTY_L1_SECTION,
    transactions: spends.map(({ transaction }) => transaction),
    payoutScript: keyAt(0).script,
  })
  if (!built.ok) throw new BenchmarkError(`the block was refused: ${built.error.code}`)
  return { params, state, block: built.value, records: spends.map(({ record }) => record) }
}

function publicKeys(role: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) =>
    xOnlyPublicKey(sha256(utf8(`benchmark ${role} ${index}`))),
  )
}

function benchmarkParams(): ChainParams {
  const genesis = devnetGenesis({
    validators: publicKeys('validator', 4),
    recoveryKeys: publicKeys('recovery key', 3),
    salt: '00'.repeat(32),
  })
  return chainParams(parseGenesis(genesis))
}

function keyAt(index: number): SingleKey {
  return singleKey(sha256(utf8(`benchmark coin ${index}`)))
}

function coinAt(index: number): SpendableCoin {
  const txid = txidFromBytes(sha256(utf8(`benchmark transaction ${index}`)))
  return { outPoint: { txid, vout: 0 }, value: sats(COIN_SATS) }
}

interface Spend {
  readonly script: Uint8Array
  readonly transaction: Transaction
  readonly record: SignedRecord
}

function fillBlock(limit: number): readonly Spend[] {
  const spends: Spend[] = []
  let weight = RESERVED_WEIGHT
  let key = keyAt(0)
  while (spends.length < limit) {
    const next = keyAt(spends.length + 1)
    const spend = spendTo(key, next, coinAt(spends.length))
    weight += transactionWeight(spend.transaction)
    if (weight > MAX_BLOCK_WEIGHT) break
    spends.push(spend)
    key = next
  }
  return spends
}

/** A payment of two thirds to another key, and the rest back. */
function spendTo(key: SingleKey, payee: SingleKey, coin: SpendableCoin): Spend {
  const paid = (COIN_SATS * 2n) / 3n
  const transaction = spendCoin(key, coin, [
    { value: sats(paid), script: payee.script },
    { value: sats(COIN_SATS - paid - FEE_SATS), script: key.script },
  ])
  const signature = transaction.inputs[0]?.witness[0] ?? new Uint8Array()
  const publicKey = hashToBytes(xOnlyPublicKey(key.secret))
  const message = spendDigest(transaction, key, coin)
  return { script: key.script, transaction, record: { signature, message, publicKey } }
}

/** The state after genesis with coins added that no transaction made: the books do not count coins. */
function stateWithCoins(params: ChainParams, spends: readonly Spend[], count: number): ChainState {
  const genesis = genesisChainState(params)
  const overlay = new StateOverlay(EMPTY_STATE)
  const unspent = keyAt(0).script
  for (let index = 0; index < Math.max(count, spends.length); index++) {
    const coin: Coin = {
      value: sats(COIN_SATS),
      script: spends[index]?.script ?? unspent,
      height: 0,
      medianTimeBefore: 0,
      origin: 'ordinary',
    }
    putCoin(overlay, coinAt(index).outPoint, coin)
  }
  const delta = overlay.delta()
  return {
    tip: genesis.tip,
    trie: updateStateTrie(genesis.trie, delta),
    view: { get: (key) => delta.puts.get(key) ?? genesis.view.get(key), range: () => [] },
  }
}

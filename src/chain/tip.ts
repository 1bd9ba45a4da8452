/** What the next block needs to know of the block before it. */

import { medianTime } from '../bitcoin/header.ts'
import { classifyOutput } from '../bitcoin/script.ts'
import { isCoinbase, type Transaction, transactionId } from '../bitcoin/transaction.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import { type Block, blockHash } from './block.ts'
import type { Coin, CoinView } from './coin.ts'
import { putCoin, type StateOverlay } from './state.ts'

export interface ChainTip {
  readonly height: number
  readonly hash: BlockHash
  /** Of the tip's extension, milliseconds. */
  readonly timeMs: number
  /** Header times of the last 12 blocks (fewer near block 0), the tip's last, seconds. */
  readonly recentTimes: readonly number[]
  /**
   * The tip's coinbase. Its txid depends on the extension and so on the state root, which therefore
   * cannot contain its outputs: they enter the state at the start of the next block.
   */
  readonly coinbase: Transaction | undefined
}

const MEDIAN_TIME_SPAN = 11
/** The tip's coinbase counts from the median time before the tip, which needs one time more. */
const RECENT_TIMES = MEDIAN_TIME_SPAN + 1

/** Asked for with every transaction. */
const mediansPast = new WeakMap<ChainTip, number>()

/** Of the tip (BIP113), seconds. */
export function medianTimePast(tip: ChainTip): number {
  let median = mediansPast.get(tip)
  if (median === undefined) {
    median = medianTime(tip.recentTimes.slice(-MEDIAN_TIME_SPAN))
    mediansPast.set(tip, median)
  }
  return median
}

/** The only header time that a block on this tip may have: its own clock's, or the median's next second. */
export function headerTimeAfter(tip: ChainTip, timeMs: number): number {
  return Math.max(Math.floor(timeMs / 1000), medianTimePast(tip) + 1)
}

/** Spendable outputs of the tip's coinbase, as coins. */
function* pendingCoins(tip: ChainTip): Iterable<readonly [number, Coin]> {
  if (tip.coinbase === undefined) return
  const before = tip.recentTimes.slice(0, -1).slice(-MEDIAN_TIME_SPAN)
  for (const [vout, output] of tip.coinbase.outputs.entries()) {
    if (classifyOutput(output.script).kind === 'op_return') continue
    yield [
      vout,
      {
        value: output.value,
        script: output.script,
        height: tip.height,
        medianTimeBefore: before.length === 0 ? 0 : medianTime(before),
        origin: 'coinbase',
      },
    ]
  }
}

/** First step of every block: the tip's coinbase outputs become coins of the state. */
export function connectPendingCoins(overlay: StateOverlay, tip: ChainTip): void {
  if (tip.coinbase === undefined) return
  const txid = transactionId(tip.coinbase)
  for (const [vout, coin] of pendingCoins(tip)) putCoin(overlay, { txid, vout }, coin)
}

/** The coins that a transaction in the next block can spend: the state's and the tip coinbase's. */
export function spendableCoins(state: CoinView, tip: ChainTip): CoinView {
  const pending = new Map<number, Coin>(pendingCoins(tip))
  const pendingTxid = tip.coinbase === undefined ? undefined : transactionId(tip.coinbase)
  return {
    findCoin(outPoint) {
      if (outPoint.txid === pendingTxid) return pending.get(outPoint.vout)
      return state.findCoin(outPoint)
    },
  }
}

export function tipAfter(tip: ChainTip, block: Block): ChainTip {
  const [coinbase] = block.transactions
  return {
    height: block.extension.height,
    hash: blockHash(block),
    timeMs: block.extension.timeMs,
    recentTimes: [...tip.recentTimes, block.header.time].slice(-RECENT_TIMES),
    coinbase: coinbase !== undefined && isCoinbase(coinbase) ? coinbase : undefined,
  }
}

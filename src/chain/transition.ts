/**
 * The state transition: what a block's content does to the state. Checking a block and building one
 * run exactly this code. Steps, in order:
 *
 *   1. the parent's coinbase outputs become coins
 *   2. evidence of double votes, freeze votes
 *   3. L1 headers, member changes, key epochs, release confirmations, deposits (L1 section)
 *   4. the mint transaction, which must be the one that the deposits give
 *   5. the other transactions: inputs, scripts, burns
 *   6. limits of what may leave, the probe or proof of a new key, and the batches that are due
 *   7. the solvency equation
 */

import { outputKind } from '../bitcoin/script.ts'
import {
  encodeTransaction,
  type OutPoint,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../bitcoin/transaction.ts'
import type { Evidence } from '../consensus/evidence.ts'
import { present } from '../primitives/assert.ts'
import { equalBytes } from '../primitives/bytes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { type Sats, sats } from '../primitives/units.ts'
import type { BlockScripts } from './block-scripts.ts'
import { checkTransaction } from './check-transaction.ts'
import type { Coin, CoinOrigin } from './coin.ts'
import { connectMemberChange } from './connect-member-change.ts'
import { type SpendContext, spendCoins } from './connect-transaction.ts'
import { connectEvidence } from './evidence.ts'
import type { PegTotals } from './extension.ts'
import type { L1Section } from './l1-section.ts'
import { type ChainParams, MAX_BLOCK_SIGOPS } from './params.ts'
import type { Batch } from './peg/batches.ts'
import { getPegBooks, isSolvent } from './peg/books.ts'
import { connectConfirmations } from './peg/confirmations.ts'
import {
  buildMintTransaction,
  connectDeposits,
  isMinting,
  type ProvedDeposit,
} from './peg/deposits.ts'
import { connectFreezeVotes } from './peg/freeze.ts'
import type { FreezeVote } from './peg/freeze-vote.ts'
import { connectKeyEpoch } from './peg/key-epochs.ts'
import { connectKeyProbe, connectKeyProofs } from './peg/key-probe.ts'
import { connectL1Headers } from './peg/l1-headers.ts'
import { connectBatches } from './peg/plan-batches.ts'
import { connectFeeRate } from './peg/release-fees.ts'
import { connectReleaseLimits } from './peg/release-limits.ts'
import { queueBurns } from './peg/releases.ts'
import { reservesChange } from './peg/reserves.ts'
import { coinsOf, deleteCoin, putCoin, type StateOverlay } from './state.ts'
import { type ChainTip, connectPendingCoins, medianTimePast } from './tip.ts'

/** A block's content, without what only commits to it. */
export interface BlockContent {
  readonly timeMs: number
  readonly feeRate: number
  readonly l1Section: L1Section
  readonly evidence: readonly Evidence[]
  readonly freezeVotes: readonly FreezeVote[]
  /** Everything after the coinbase, the mint transaction included. */
  readonly transactions: readonly Transaction[]
}

export interface TransitionOutcome {
  readonly fees: Sats
  readonly totals: PegTotals
  readonly deposits: readonly ProvedDeposit[]
  readonly confirmed: readonly Batch[]
  /** Coins spent by each of the content's transactions; none for the mint. */
  readonly spent: readonly (readonly SpentCoin[])[]
  /** The L1 outputs that the mint transaction's inputs name. */
  readonly mintPrevouts: readonly { readonly outPoint: OutPoint; readonly output: TxOutput }[]
}

export interface SpentCoin {
  readonly outPoint: OutPoint
  readonly coin: Coin
}

/**
 * Applies the content to the overlay; after a rejection the overlay is worthless. The caller settles
 * `scripts` afterwards.
 */
export function applyContent(
  overlay: StateOverlay,
  params: ChainParams,
  tip: ChainTip,
  content: BlockContent,
  scripts: BlockScripts,
): Result<TransitionOutcome, Rejection> {
  const height = tip.height + 1
  const reservesBefore = getPegBooks(overlay).totals.reserves
  connectPendingCoins(overlay, tip)

  const evidence = connectEvidence(overlay, params, content.evidence, height)
  if (!evidence.ok) return evidence

  const { timeMs, freezeVotes } = content
  const votes = connectFreezeVotes(overlay, params, freezeVotes, { height, timeMs })
  if (!votes.ok) return votes

  const l1 = connectL1Section(overlay, params, content, height)
  if (!l1.ok) return l1
  const { deposits, confirmed } = l1.value

  const minted = deposits.filter(isMinting)
  const ordinary = takeMint(overlay, tip, content.transactions, minted)
  if (!ordinary.ok) return ordinary

  const spending = connectTransactions(overlay, params, tip, content, ordinary.value, scripts)
  if (!spending.ok) return spending

  connectReleaseLimits(overlay, params, reservesBefore)
  const { feeRate, l1Section } = content
  const hasL1Headers = l1Section.headers.length > 0
  const batchContext = { height, timeMs, feeRate, hasL1Headers }
  connectKeyProbe(overlay, params, batchContext)
  connectBatches(overlay, params, batchContext)
  const totals = getPegBooks(overlay).totals
  // The total of the reserves is the sum of the coins, block by block.
  if (totals.reserves !== reservesBefore + reservesChange(overlay)) return reject('insolvent')
  if (!isSolvent(totals)) return reject('insolvent')
  return ok({
    fees: spending.value.fees,
    totals,
    deposits,
    confirmed,
    spent: minted.length === 0 ? spending.value.spent : [[], ...spending.value.spent],
    mintPrevouts: minted.map(({ outPoint, value, script }) => ({
      outPoint,
      output: { value, script },
    })),
  })
}

interface L1Outcome {
  readonly deposits: readonly ProvedDeposit[]
  readonly confirmed: readonly Batch[]
}

function connectL1Section(
  overlay: StateOverlay,
  params: ChainParams,
  { l1Section: section, feeRate }: BlockContent,
  height: number,
): Result<L1Outcome, Rejection> {
  const headers = connectL1Headers(overlay, params, section.headers)
  if (!headers.ok) return headers
  if (section.headers.length > 0) connectFeeRate(overlay, feeRate)
  for (const change of section.memberChanges) {
    const connected = connectMemberChange(overlay, params, change, height)
    if (!connected.ok) return connected
  }
  for (const announcement of section.keyEpochs) {
    const connected = connectKeyEpoch(overlay, params, announcement, height)
    if (!connected.ok) return connected
  }
  const confirmed = connectConfirmations(overlay, section.confirmations, height)
  if (!confirmed.ok) return confirmed
  connectKeyProofs(overlay, confirmed.value, height)
  const deposits = connectDeposits(overlay, params, section, height)
  if (!deposits.ok) return deposits
  return ok({ deposits: deposits.value, confirmed: confirmed.value })
}

/** Connects the mint transaction, if the block has deposits, and returns the transactions after it. */
function takeMint(
  overlay: StateOverlay,
  tip: ChainTip,
  transactions: readonly Transaction[],
  deposits: readonly ProvedDeposit[],
): Result<readonly Transaction[], Rejection> {
  if (deposits.length === 0) return ok(transactions)
  const [mint, ...rest] = transactions
  const expected = buildMintTransaction(deposits)
  if (mint === undefined || !equalBytes(encodeTransaction(mint), encodeTransaction(expected))) {
    return reject('bad-mint')
  }
  addOutputs(overlay, spendContext(tip), mint, 'mint')
  return ok(rest)
}

function spendContext(tip: ChainTip): SpendContext {
  return { height: tip.height + 1, medianTimePast: medianTimePast(tip) }
}

interface SpendingOutcome {
  readonly fees: Sats
  readonly spent: readonly (readonly SpentCoin[])[]
}

function connectTransactions(
  overlay: StateOverlay,
  params: ChainParams,
  tip: ChainTip,
  content: BlockContent,
  transactions: readonly Transaction[],
  scripts: BlockScripts,
): Result<SpendingOutcome, Rejection> {
  const context = spendContext(tip)
  const burn = { height: context.height, timeMs: content.timeMs }
  const coins = coinsOf(overlay)
  let fees = 0n
  let sigops = 0
  const spent: (readonly SpentCoin[])[] = []
  for (const transaction of transactions) {
    const checked = checkTransaction(transaction)
    if (!checked.ok) return checked
    const spending = spendCoins(transaction, coins, context)
    if (!spending.ok) return spending
    fees += spending.value.fee
    // Before any script runs: what no block may hold must not cost the work.
    sigops += spending.value.sigops
    if (sigops > MAX_BLOCK_SIGOPS) return reject('bad-blk-sigops')
    const verified = scripts.verify(transaction, spending.value.spent)
    if (!verified.ok) return verified
    const burns = queueBurns(overlay, params, transaction, burn)
    if (!burns.ok) return burns
    spent.push(spendInputs(overlay, transaction, spending.value.spent))
    addOutputs(overlay, context, transaction, 'ordinary')
  }
  return ok({ fees: sats(fees), spent })
}

function spendInputs(
  overlay: StateOverlay,
  transaction: Transaction,
  coins: readonly Coin[],
): readonly SpentCoin[] {
  return transaction.inputs.map(({ prevout }, index) => {
    deleteCoin(overlay, prevout)
    return { outPoint: prevout, coin: present(coins[index], 'coin of the input') }
  })
}

function addOutputs(
  overlay: StateOverlay,
  { height, medianTimePast: medianTimeBefore }: SpendContext,
  transaction: Transaction,
  origin: CoinOrigin,
): void {
  const txid = transactionId(transaction)
  for (const [vout, { value, script }] of transaction.outputs.entries()) {
    const kind = outputKind(script)
    if (kind === 'op_return' || kind === 'withdraw') continue
    putCoin(overlay, { txid, vout }, { value, script, height, medianTimeBefore, origin })
  }
}

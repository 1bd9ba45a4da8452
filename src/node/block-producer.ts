/**
 * Making proposals and judging them. A proposal is built from the mempool and from what the member
 * says about L1; a fresh one is judged by the rules (hard) and by this node's own clock and L1 (soft),
 * where "I do not know yet" is pending and never invalid.
 */

import { type Transaction, transactionId } from '../bitcoin/transaction.ts'
import type { Block } from '../chain/block.ts'
import { queueBurns } from '../chain/peg/releases.ts'
import { StateOverlay } from '../chain/state.ts'
import { EMPTY_L1_SECTION, type L1Section } from '../chain/l1-section.ts'
import { MAX_BLOCK_SIGOPS, MAX_BLOCK_WEIGHT } from '../chain/params.ts'
import { batchDueMs, wouldBuildBatch } from '../chain/peg/plan-batches.ts'
import { headerTimeAfter } from '../chain/tip.ts'
import type { Verdict } from '../consensus/events-and-effects.ts'
import { buildBlockTemplate } from '../mempool/block-template.ts'
import type { Mempool } from '../mempool/mempool.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { ChainService } from './chain-service.ts'
import type { PegSide } from './peg-side.ts'

/** Room for header, coinbase and mint transaction in a block's weight. */
const RESERVED_WEIGHT = 40_000
/** A validator accepts block times this far ahead of its own clock. */
const AHEAD_ACCEPTED_MS = 10_000
/** A proposer stays well inside that. Header seconds run ahead when blocks come faster than 6 a second. */
const AHEAD_PROPOSED_MS = 5_000

export interface ProposalRequest {
  readonly view: number
  readonly proposer: number
}

export interface BlockProducer {
  /** A block on the present state; undefined when it cannot be made now. */
  build(request: ProposalRequest): Promise<Block | undefined>
  /** Hard validity alone when `fresh` is not set. */
  judge(block: Block, scope: 'hard' | 'fresh'): Promise<Verdict>
  hasWork(): boolean
  /** Milliseconds until time alone may make work; undefined when it will not. */
  workDueInMs(): number | undefined
}

export interface BlockProducerParts {
  readonly chain: ChainService
  readonly mempool: Mempool
  readonly peg: PegSide
  readonly runtime: Runtime
  readonly payoutScript: Uint8Array
}

export function createBlockProducer(parts: BlockProducerParts): BlockProducer {
  const { chain, mempool, peg, runtime, payoutScript } = parts
  const { params } = chain
  const log = runtime.log.child({ part: 'producer' })

  /** Blocks carry strictly increasing times, whatever the clock does. */
  function nextTimeMs(): number {
    return Math.max(runtime.clock.nowMs(), chain.state().tip.timeMs + 1)
  }

  async function build(request: ProposalRequest): Promise<Block | undefined> {
    const height = chain.state().tip.height
    const proposal = await peg.propose(chain.state())
    const state = chain.state()
    if (state.tip.height !== height) return undefined
    const timeMs = nextTimeMs()
    const headerMs = headerTimeAfter(state.tip, timeMs) * 1000
    if (headerMs > runtime.clock.nowMs() + AHEAD_PROPOSED_MS) return undefined
    const limits = { maxWeight: MAX_BLOCK_WEIGHT - RESERVED_WEIGHT, maxSigops: MAX_BLOCK_SIGOPS }
    const template = buildBlockTemplate(mempool.all(), limits)
    const transactions = template.transactions.map((entry) => entry.transaction)
    const attempt = (l1Section: L1Section, chosen: typeof transactions): Block | undefined => {
      const plan = { ...request, timeMs, payoutScript, l1Section, transactions: chosen }
      const built = chain.build({ ...plan, feeRate: proposal.feeRate })
      if (built.ok) return built.value
      log.warn({ ...built.error }, 'own block content refused')
      dropRefused(chosen)
      return undefined
    }
    // A refusal means a race with L1 or a burn that the state has overtaken; a smaller block keeps
    // the chain going meanwhile.
    return (
      attempt(proposal.l1Section, transactions) ??
      attempt(EMPTY_L1_SECTION, transactions) ??
      attempt(EMPTY_L1_SECTION, [])
    )
  }

  /** Burns can become invalid while they wait, when their target becomes the federation's own. */
  function dropRefused(chosen: readonly Transaction[]): void {
    const { view, tip } = chain.state()
    const context = { height: tip.height + 1, timeMs: nextTimeMs() }
    for (const transaction of chosen) {
      const burns = queueBurns(new StateOverlay(view), params, transaction, context)
      if (!burns.ok) mempool.remove(transactionId(transaction))
    }
  }

  async function judge(block: Block, scope: 'hard' | 'fresh'): Promise<Verdict> {
    const checked = chain.check(block)
    if (!checked.ok) {
      log.warn({ ...checked.error, height: block.extension.height }, 'block refused')
      return 'invalid'
    }
    if (scope === 'hard') return 'valid'
    const latest = runtime.clock.nowMs() + AHEAD_ACCEPTED_MS
    if (block.extension.timeMs > latest || block.header.time * 1000 > latest) return 'pending'
    const { l1Section } = block
    return peg.judge(chain.state(), { l1Section, feeRate: block.extension.feeRate })
  }

  function hasWork(): boolean {
    const state = chain.state()
    if (mempool.size > 0 || peg.hasWork(state) || heartbeatDueInMs() === 0) return true
    const context = {
      height: state.tip.height + 1,
      timeMs: nextTimeMs(),
      feeRate: params.peg.feeRateFloor,
    }
    return wouldBuildBatch(state.view, params, context)
  }

  /** Block 0 is years old; it asks for no heartbeat. */
  function heartbeatDueInMs(): number | undefined {
    const { tip } = chain.state()
    if (params.heartbeatMs === 0 || tip.height === 0) return undefined
    return Math.max(0, tip.timeMs + params.heartbeatMs - runtime.clock.nowMs())
  }

  function workDueInMs(): number | undefined {
    const state = chain.state()
    const batch = batchDueMs(state.view, params)
    const due = [heartbeatDueInMs(), batch === undefined ? undefined : batch - nextTimeMs()]
    const ahead = due.filter((ms) => ms !== undefined && ms > 0)
    return ahead.length === 0 ? undefined : Math.min(...ahead.map((ms) => ms ?? 0))
  }

  return { build, judge, hasWork, workDueInMs }
}

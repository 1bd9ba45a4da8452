/**
 * Making proposals and judging them. A proposal is built from the mempool and from what the member
 * says about L1; a fresh one is judged by the rules (hard) and by this node's own clock and L1 (soft),
 * where "I do not know yet" is pending and never invalid.
 */

import { type Transaction, transactionId } from '../bitcoin/transaction.ts'
import { type Block, blockWeight } from '../chain/block.ts'
import type { BlockPlan } from '../chain/build-block.ts'
import type { PegTotals } from '../chain/extension.ts'
import { EMPTY_L1_SECTION, isEmptyL1Section, type L1Section } from '../chain/l1-section.ts'
import { MAX_BLOCK_SIGOPS, MAX_BLOCK_WEIGHT } from '../chain/params.ts'
import { getPegBooks } from '../chain/peg/books.ts'
import { decidesFreeze } from '../chain/peg/freeze.ts'
import type { FreezeVote } from '../chain/peg/freeze-vote.ts'
import { batchDueMs, wouldBuildBatch } from '../chain/peg/plan-batches.ts'
import { headerTimeAfter } from '../chain/tip.ts'
import type { Verdict } from '../consensus/events-and-effects.ts'
import type { Evidence } from '../consensus/evidence.ts'
import { buildBlockTemplate } from '../mempool/block-template.ts'
import type { Mempool } from '../mempool/mempool.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import { type Rejection, type Result, reject } from '../primitives/result.ts'
import type { Logger, Runtime } from '../runtime/runtime.ts'
import type { ChainService } from './chain-service.ts'
import type { EvidencePool } from './evidence-pool.ts'
import type { FreezeVotePool } from './freeze-vote-pool.ts'
import type { PegProposal, PegSide } from './peg-side.ts'

/** Room for header and coinbase in a block's weight, and for each deposit's input and output. */
const RESERVED_WEIGHT = 10_000
const DEPOSIT_WEIGHT = 400
/** A validator accepts block times this far ahead of its own clock. */
const AHEAD_ACCEPTED_MS = 10_000
/**
 * A proposer uses all of it: were it content with less, a validator whose blocks are as far ahead as
 * others accept would be the only one that still proposes. Header seconds must rise by one in six
 * blocks, so they run ahead when blocks come faster than six a second: there a proposer slows down a
 * little, in a way that costs no view, so that honest blocks stay far from the limit.
 */
const AHEAD_PROPOSED_MS = AHEAD_ACCEPTED_MS
const AHEAD_PACED_MS = 1_500
const PACED_INTERVAL_MS = 190
/** A wait is looked at again after this long, since the clock may be set. */
const WAIT_MS_MAX = 250
/** Time alone makes no work before this has passed; then it is looked at again. */
const DUE_MS_MAX = 3_600_000
/**
 * After a block that changed nothing, what is left of the peg's work cannot be done now: the next
 * try waits this long, twice as long after each further one. A block of nothing but evidence or freeze
 * votes counts as one: a validator that makes them at every height must not keep an idle chain running.
 */
const EMPTY_PAUSE_MS = 1_000
const EMPTY_PAUSE_MS_MAX = 30_000
/** Transactions dropped in one build, each found by bisection, before the block is made without. */
const DROPPED_MAX = 4

export interface ProposalRequest {
  readonly view: number
  readonly proposer: number
}

/** A block's content besides its transactions. */
interface Proposal extends PegProposal {
  readonly evidence: readonly Evidence[]
  readonly freezeVotes: readonly FreezeVote[]
}

export type BuildOutcome =
  | { readonly kind: 'built'; readonly block: Block }
  /** Not valid before that many milliseconds have passed. */
  | { readonly kind: 'too-early'; readonly waitMs: number }
  | { readonly kind: 'failed' }

export interface BlockProducer {
  /** A block on the present state. */
  build(request: ProposalRequest): Promise<BuildOutcome>
  /** Hard validity on the present state. */
  check(block: Block): 'valid' | 'invalid'
  /** Hard and soft validity. */
  judge(block: Block): Promise<Verdict>
  hasWork(): boolean
  /** Milliseconds until time alone may make work; undefined when it will not. */
  workDueInMs(): number | undefined
  /** A block has become part of the chain. */
  applied(block: Block): void
}

export interface BlockProducerParts {
  readonly chain: ChainService
  readonly mempool: Mempool
  readonly peg: PegSide
  readonly evidence: Pick<EvidencePool, 'select'>
  readonly freezeVotes: Pick<FreezeVotePool, 'select'>
  readonly runtime: Runtime
  readonly payoutScript: Uint8Array
}

export function createBlockProducer(parts: BlockProducerParts): BlockProducer {
  return new Producer(parts)
}

class Producer implements BlockProducer {
  readonly #parts: BlockProducerParts
  readonly #log: Logger
  /** Monotonic, milliseconds. */
  #appliedAtMs: number | undefined
  #emptyInARow = 0
  /** The block after which a batch is due and nothing can be paid. */
  #unpayableOn: BlockHash | undefined
  #last: { readonly totals: PegTotals; readonly timeMs: number }

  constructor(parts: BlockProducerParts) {
    this.#parts = parts
    const { tip, view } = parts.chain.state()
    this.#last = { totals: getPegBooks(view).totals, timeMs: tip.timeMs }
    this.#log = parts.runtime.log.child({ part: 'producer' })
  }

  // --- making -------------------------------------------------------------------------------

  async build(request: ProposalRequest): Promise<BuildOutcome> {
    const { chain, peg } = this.#parts
    const { height } = chain.state().tip
    const early = this.#tooEarlyMs()
    if (early > 0) return { kind: 'too-early', waitMs: Math.min(early, WAIT_MS_MAX) }
    const proposal = await peg.propose(chain.state())
    if (chain.state().tip.height !== height) return { kind: 'failed' }
    // A refusal means a race with L1; a smaller block keeps the chain going meanwhile.
    const evidence = this.#parts.evidence.select()
    const freezeVotes = this.#parts.freezeVotes.select()
    const smaller = { ...proposal, l1Section: EMPTY_L1_SECTION, evidence: [], freezeVotes: [] }
    const block =
      this.#attempt(request, { ...proposal, evidence, freezeVotes }) ??
      this.#attempt(request, smaller)
    return block === undefined ? { kind: 'failed' } : { kind: 'built', block }
  }

  /** Blocks carry strictly increasing times, whatever the clock does. */
  #nextTimeMs(): number {
    const { chain, runtime } = this.#parts
    return Math.max(runtime.clock.nowMs(), chain.state().tip.timeMs + 1)
  }

  #tooEarlyMs(): number {
    const { chain, runtime } = this.#parts
    const headerMs = headerTimeAfter(chain.state().tip, this.#nextTimeMs()) * 1000
    const aheadMs = headerMs - runtime.clock.nowMs()
    if (aheadMs > AHEAD_PROPOSED_MS) return aheadMs - AHEAD_PROPOSED_MS
    if (aheadMs <= AHEAD_PACED_MS || this.#appliedAtMs === undefined) return 0
    return this.#appliedAtMs + PACED_INTERVAL_MS - runtime.clock.monotonicMs()
  }

  /** The fullest block with this L1 section; transactions that the state refuses leave the pool. */
  #attempt(request: ProposalRequest, proposal: Proposal): Block | undefined {
    const timeMs = this.#nextTimeMs()
    for (let dropped = 0; dropped <= DROPPED_MAX; dropped++) {
      const chosen = dropped === DROPPED_MAX ? [] : this.#choose(proposal.l1Section)
      const make = (transactions: readonly Transaction[]): Result<Block, Rejection> =>
        this.#make({ ...request, ...proposal, timeMs, transactions })
      const built = make(chosen)
      if (built.ok) return built.value
      this.#log.warn({ ...built.error, dropped }, 'own block content refused')
      const culprit = firstRefused(chosen, make)
      // Not the transactions: the L1 section.
      if (culprit === undefined) return undefined
      this.#parts.mempool.remove(transactionId(culprit))
    }
    return undefined
  }

  #choose(section: L1Section): readonly Transaction[] {
    const reserved = RESERVED_WEIGHT + section.deposits.length * DEPOSIT_WEIGHT
    const limits = { maxWeight: MAX_BLOCK_WEIGHT - reserved, maxSigops: MAX_BLOCK_SIGOPS }
    const template = buildBlockTemplate(this.#parts.mempool.families(), limits)
    return template.transactions.map((entry) => entry.transaction)
  }

  #make(plan: Omit<BlockPlan, 'payoutScript'>): Result<Block, Rejection> {
    const { chain, payoutScript } = this.#parts
    const built = chain.build({ ...plan, payoutScript })
    if (built.ok && blockWeight(built.value) > MAX_BLOCK_WEIGHT) return reject('bad-blk-weight')
    return built
  }

  // --- judging ------------------------------------------------------------------------------

  check(block: Block): 'valid' | 'invalid' {
    const checked = this.#parts.chain.check(block)
    if (checked.ok) return 'valid'
    this.#log.warn({ ...checked.error, height: block.extension.height }, 'block refused')
    return 'invalid'
  }

  async judge(block: Block): Promise<Verdict> {
    const { chain, peg, runtime } = this.#parts
    // Overtaken: nobody asks any more.
    if (block.header.previousHash !== chain.state().tip.hash) return 'pending'
    if (this.check(block) === 'invalid') return 'invalid'
    const latest = runtime.clock.nowMs() + AHEAD_ACCEPTED_MS
    if (block.extension.timeMs > latest || block.header.time * 1000 > latest) return 'pending'
    const { l1Section } = block
    return peg.judge(chain.state(), { l1Section, feeRate: block.extension.feeRate })
  }

  // --- work ---------------------------------------------------------------------------------

  hasWork(): boolean {
    const { chain, mempool, peg } = this.#parts
    if (mempool.size > 0 || this.#heartbeatDueInMs() === 0) return true
    const state = chain.state()
    const votes = this.#parts.freezeVotes.select()
    // What a quorum wants cannot wait; a single validator's votes can.
    if (decidesFreeze(state.view, votes)) return true
    if (this.#pauseLeftMs() > 0) return false
    if (this.#parts.evidence.select().length > 0) return true
    return votes.length > 0 || peg.hasWork(state) || this.#wouldBuildBatch()
  }

  /** Once a batch is due, time changes nothing: with a thousand releases, planning takes milliseconds. */
  #wouldBuildBatch(): boolean {
    const { chain } = this.#parts
    const { tip, view } = chain.state()
    if (this.#unpayableOn === tip.hash) return false
    const timeMs = this.#nextTimeMs()
    const due = batchDueMs(view, chain.params)
    if (due === undefined || timeMs < due) return false
    const feeRate = chain.params.peg.feeRateFloor
    if (wouldBuildBatch(view, chain.params, { height: tip.height + 1, timeMs, feeRate }))
      return true
    this.#unpayableOn = tip.hash
    return false
  }

  /** Block 0 is years old; it asks for no heartbeat. */
  #heartbeatDueInMs(): number | undefined {
    const { chain, runtime } = this.#parts
    const { heartbeatMs } = chain.params
    const { tip } = chain.state()
    if (heartbeatMs === 0 || tip.height === 0) return undefined
    return Math.max(0, tip.timeMs + heartbeatMs - runtime.clock.nowMs())
  }

  #pauseLeftMs(): number {
    if (this.#emptyInARow === 0 || this.#appliedAtMs === undefined) return 0
    const pauseMs = EMPTY_PAUSE_MS * 2 ** Math.min(this.#emptyInARow - 1, 10)
    const endMs = this.#appliedAtMs + Math.min(pauseMs, EMPTY_PAUSE_MS_MAX)
    return Math.max(0, endMs - this.#parts.runtime.clock.monotonicMs())
  }

  workDueInMs(): number | undefined {
    const { chain } = this.#parts
    const batch = batchDueMs(chain.state().view, chain.params)
    const due = [
      this.#heartbeatDueInMs(),
      batch === undefined ? undefined : batch - this.#nextTimeMs(),
      this.#pauseLeftMs(),
    ]
    const ahead = due.filter((ms) => ms !== undefined && ms > 0)
    return ahead.length === 0 ? undefined : Math.min(DUE_MS_MAX, ...ahead.map((ms) => ms ?? 0))
  }

  applied(block: Block): void {
    const { totals, timeMs } = block.extension
    const isEmpty =
      block.transactions.length === 1 &&
      isEmptyL1Section(block.l1Section) &&
      totals.pendingReleases === this.#last.totals.pendingReleases &&
      totals.inFlightFees === this.#last.totals.inFlightFees
    const { heartbeatMs } = this.#parts.chain.params
    const isHeartbeat = heartbeatMs !== 0 && timeMs - this.#last.timeMs >= heartbeatMs
    if (!isEmpty) this.#emptyInARow = 0
    else if (!isHeartbeat) this.#emptyInARow += 1
    this.#last = { totals, timeMs }
    this.#appliedAtMs = this.#parts.runtime.clock.monotonicMs()
  }
}

/**
 * The transaction that makes a block impossible, when some prefix of them, parents first, can make
 * one; undefined when not even a block without any can be made.
 */
function firstRefused(
  transactions: readonly Transaction[],
  make: (transactions: readonly Transaction[]) => Result<unknown, unknown>,
): Transaction | undefined {
  if (!make([]).ok) return undefined
  // The first `good` of them make a block, the first `bad` do not.
  let good = 0
  let bad = transactions.length
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1
    if (make(transactions.slice(0, middle)).ok) good = middle
    else bad = middle
  }
  return transactions[good]
}

/** All checkers of a run of whole nodes. */

import type { Block } from '../../../chain/block.ts'
import type { Message } from '../../../consensus/messages.ts'
import { Formability } from '../../checkers/formability.ts'
import { VoteRules } from '../../checkers/vote-rules.ts'
import { WellFormedMessages } from '../../checkers/well-formed-messages.ts'
import type { WholeNode } from '../whole-node.ts'
import { AgreedFeeRates } from './agreed-fee-rates.ts'
import { DurableVotes } from './durable-votes.ts'
import { FittingMempools } from './fitting-mempools.ts'
import { MintedOnce } from './minted-once.ts'
import { OneChain } from './one-chain.ts'
import { PaidOnce } from './paid-once.ts'
import { ReleaseLimits } from './release-limits.ts'
import { SameState } from './same-state.ts'
import { Solvent } from './solvent.ts'
import { SteadyNodes } from './steady-nodes.ts'
import type { WholeWatch } from './whole-watch.ts'

export class WholeCheckers {
  readonly voteRules: VoteRules
  readonly paidOnce: PaidOnce
  readonly steadyNodes: SteadyNodes
  readonly limits: ReleaseLimits
  readonly #watch: WholeWatch
  readonly #oneChain: OneChain
  readonly #sameState: SameState
  readonly #mintedOnce: MintedOnce
  readonly #solvent: Solvent
  readonly #durableVotes: DurableVotes
  readonly #fittingMempools: FittingMempools
  readonly #feeRates: AgreedFeeRates
  readonly #wellFormed: WellFormedMessages
  readonly #formability: Formability

  constructor(watch: WholeWatch, asked: ReadonlySet<string>) {
    this.#watch = watch
    const { sets, byzantine, fail } = watch
    const schedule = { at: (height: number) => sets.contextAt(height) }
    const votes = { schedule, byzantine, fail }
    this.voteRules = new VoteRules(votes)
    this.#formability = new Formability(votes, this.voteRules.said)
    this.#wellFormed = new WellFormedMessages(votes)
    this.paidOnce = new PaidOnce(watch, asked)
    this.steadyNodes = new SteadyNodes(watch)
    this.limits = new ReleaseLimits(watch)
    this.#oneChain = new OneChain(watch)
    this.#sameState = new SameState(watch)
    this.#mintedOnce = new MintedOnce(watch)
    this.#solvent = new Solvent(watch)
    this.#durableVotes = new DurableVotes(watch)
    this.#fittingMempools = new FittingMempools(watch)
    this.#feeRates = new AgreedFeeRates(watch)
  }

  started(node: WholeNode): void {
    this.#oneChain.started(node)
  }

  losesChain(node: WholeNode): void {
    this.#oneChain.losesChain(node)
  }

  released(node: WholeNode, message: Message): void {
    this.voteRules.released(node, message)
    // A hello is verified with the connection that it came by.
    if (message.kind !== 'hello') this.#wellFormed.released(node, message)
    this.#durableVotes.released(node, message)
  }

  /** True when the block is new to the canonical chain. */
  committed(node: WholeNode, block: Block): boolean {
    const { canonical } = this.#watch
    const before = canonical.height
    this.#oneChain.committed(node, block)
    this.#sameState.committed(node, block)
    const isNew = canonical.height > before
    if (isNew) {
      this.#mintedOnce.appended(block)
      this.#feeRates.appended(block)
      this.limits.appended(node, block)
    }
    this.#fittingMempools.committed(node)
    this.#solvent.committed(node, block)
    return isNew
  }

  /** L1's tip has changed. */
  l1Changed(): void {
    const ledger = this.paidOnce.ledger()
    this.paidOnce.check(ledger)
    this.#solvent.check(ledger)
  }

  finish(nodes: readonly WholeNode[]): void {
    this.#formability.check()
    this.l1Changed()
    for (const node of nodes) this.steadyNodes.measure(node)
  }
}

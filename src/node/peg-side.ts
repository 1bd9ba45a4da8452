/**
 * What a node asks of the federation member beside it. Nothing in `src` knows the federation; the
 * assembly hands in a member, or `NO_PEG_SIDE` for an observer.
 */

import type { Block } from '../chain/block.ts'
import type { ChainState } from '../chain/connect-block.ts'
import { EMPTY_L1_SECTION, type L1Section } from '../chain/l1-section.ts'

export interface PegProposal {
  readonly l1Section: L1Section
  /** Satoshis per 1,000 virtual bytes. */
  readonly feeRate: number
}

/** Soft validity: "I do not know yet" means wait, never invalid. */
export type PegJudgement = 'valid' | 'pending'

export interface PegSide {
  /** What a block on this state should say about L1. Never throws; empty while L1 is unavailable. */
  propose(state: ChainState): Promise<PegProposal>
  /** Does this node's own L1 agree with a fresh proposal? */
  judge(state: ChainState, proposal: PegProposal): Promise<PegJudgement>
  /** True when a block would have something to say about L1. */
  hasWork(state: ChainState): boolean
  /** Calls back whenever `hasWork` may have become true or a pending judgement may have changed. */
  onChange(handler: () => void): void
  /** After a block is final and durable here. */
  onCommitted(block: Block, state: ChainState): void
}

/** A node that watches no L1: it follows the chain and proposes nothing about the peg. */
export function observerPegSide(feeRateFloor: number): PegSide {
  return {
    propose: async () => ({ l1Section: EMPTY_L1_SECTION, feeRate: feeRateFloor }),
    judge: async () => 'pending',
    hasWork: () => false,
    onChange: () => undefined,
    onCommitted: () => undefined,
  }
}

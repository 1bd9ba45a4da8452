/**
 * What a member thinks of the L1 part of somebody's proposal, from its own L1. The rules have passed it
 * before; here only what a rule cannot know is asked: is it buried on the L1 that this member sees?
 */

import { decodeHeader, headerHash } from '../src/bitcoin/header.ts'
import { isEmptyL1Section, type L1Section } from '../src/chain/l1-section.ts'
import type { ChainParams } from '../src/chain/params.ts'
import { isExpired } from '../src/chain/peg/deposits.ts'
import type { PegJudgement, PegProposal } from '../src/node/peg-side.ts'
import type { FeeRates } from './fee-rates.ts'
import type { BitcoinL1 } from './l1/bitcoin-l1.ts'
import { isL1Failure } from './l1-failure.ts'
import type { L1View } from './l1-view.ts'

export interface SectionJudgeParts {
  readonly params: ChainParams
  readonly l1: Pick<BitcoinL1, 'header'>
  readonly l1View: Pick<L1View, 'health'>
  readonly feeRates: Pick<FeeRates, 'isReasonable'>
}

export interface SectionJudge {
  /** `pending` as long as own L1 does not say so; never `invalid`, since L1s differ in time. */
  judge(proposal: PegProposal): Promise<PegJudgement>
}

export function createSectionJudge({
  params,
  l1,
  l1View,
  feeRates,
}: SectionJudgeParts): SectionJudge {
  /**
   * The rule counts in the chain's headers. Own L1 is ahead of these, by much after a long stop: a deposit
   * that is old by its count may be taken back by the recovery keys.
   */
  function isLate({ deposits }: L1Section): boolean {
    const health = l1View.health()
    if (health.state !== 'ok') return false
    return deposits.some(({ l1Height }) => isExpired(params, l1Height, health.height))
  }

  /** The last header is enough: the rules have linked the others to it, and they are deeper. */
  async function isBuried(header: Uint8Array): Promise<boolean> {
    const known = await l1.header(headerHash(decodeHeader(header)))
    return known?.inBestChain === true && known.confirmations >= params.peg.l1Depth
  }

  return {
    async judge({ l1Section, feeRate }) {
      if (!feeRates.isReasonable(feeRate)) return 'pending'
      if (isEmptyL1Section(l1Section)) return 'valid'
      // On another network or branch nothing about L1 is agreed to, whatever it is proved under.
      const { state } = l1View.health()
      if (state === 'wrong-network' || state === 'forked') return 'pending'
      if (isLate(l1Section)) return 'pending'
      // Everything else in a section is proved under its headers, so only they need an opinion.
      const last = l1Section.headers.at(-1)
      if (last === undefined) return 'valid'
      try {
        return (await isBuried(last)) ? 'valid' : 'pending'
      } catch (error) {
        if (!isL1Failure(error)) throw error
        return 'pending'
      }
    },
  }
}

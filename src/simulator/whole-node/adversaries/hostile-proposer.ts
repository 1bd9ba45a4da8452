/**
 * Leads with blocks that say what is not so about L1: an absurd fee rate, headers that are not buried or
 * not there, a deposit again, a deposit for somebody else; or bodies that break a rule.
 */

import { type Block, blockHash, decodeBlock, encodeBlock } from '../../../chain/block.ts'
import { type DepositProof, EMPTY_L1_SECTION, type L1Section } from '../../../chain/l1-section.ts'
import { decodeMessage, encodeMessage } from '../../../consensus/messages.ts'
import { voteDigest } from '../../../consensus/votes.ts'
import { DecodeError } from '../../../primitives/codec.ts'
import type { SeededRandom } from '../../seeded-random.ts'
import { SimulatedWallet } from '../simulated-wallet.ts'
import type { NodeAdversary, NodeAdversaryTools } from './node-adversary.ts'

const KEPT_MAX = 20

/** `deposits`: proofs that the chain has had already. */
export function createPegLiar(
  { random, params }: NodeAdversaryTools,
  deposits: () => readonly DepositProof[],
): NodeAdversary {
  const thief = new SimulatedWallet('thief')
  return {
    alwaysWorks: true,
    propose(_state, honest) {
      const { feeRateCeiling } = params.peg
      const { l1Section } = honest
      const old = deposits().slice(-KEPT_MAX)
      switch (random.below(6)) {
        case 0:
          return { ...honest, feeRate: feeRateCeiling }
        case 1:
          return { ...honest, l1Section: EMPTY_L1_SECTION }
        case 2:
          return { ...honest, l1Section: withDeposits(l1Section, old.slice(-1)) }
        case 3: {
          const stolen = l1Section.deposits.map((proof) => ({
            ...proof,
            claims: proof.claims.map((claim) => ({ ...claim, recipient: thief.script })),
          }))
          return { ...honest, l1Section: { ...l1Section, deposits: stolen } }
        }
        case 4:
          return { ...honest, l1Section: withDeposits(l1Section, l1Section.deposits) }
        default:
          return { ...honest, l1Section: { ...l1Section, headers: l1Section.headers.slice(0, 1) } }
      }
    },
  }
}

function withDeposits(section: L1Section, more: readonly DepositProof[]): L1Section {
  return { ...section, deposits: [...section.deposits, ...more] }
}

/** Changes the bodies of its own proposals and signs for what comes of it. */
export function createBlockSpoiler({
  self,
  random,
  params,
  sign,
}: NodeAdversaryTools): NodeAdversary {
  return {
    alwaysWorks: true,
    frame(_to, channel, frame) {
      if (channel !== 'bulk') return [frame]
      const message = findProposal(frame)
      if (message === undefined || message.leaderVote.signer !== self) return [frame]
      const wrong = spoil(decodeBlock(message.block), random)
      const block = encodeBlock(wrong)
      if (random.chance(0.2)) return [encodeMessage({ ...message, block })]
      const { type, height, view } = message.leaderVote
      const statement = { type, height, view, blockHash: blockHash(wrong) }
      const digest = voteDigest({ chainId: params.chainId, epoch: 0 }, statement)
      const leaderVote = { ...statement, signer: self, signature: sign(digest) }
      return [encodeMessage({ ...message, block, leaderVote })]
    },
  }
}

function findProposal(frame: Uint8Array) {
  try {
    const message = decodeMessage(frame)
    return message.kind === 'propose' ? message : undefined
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}

function spoil(block: Block, random: SeededRandom): Block {
  const { extension, transactions, header, l1Section } = block
  switch (random.below(7)) {
    case 0:
      return { ...block, transactions: [...transactions, ...transactions.slice(1)] }
    case 1:
      return { ...block, transactions: transactions.slice(0, -1) }
    case 2:
      return { ...block, header: { ...header, time: header.time + 100_000 } }
    case 3:
      return { ...block, extension: { ...extension, feeRate: extension.feeRate + 1 } }
    case 4:
      return { ...block, extension: { ...extension, timeMs: extension.timeMs + 10_000_000 } }
    case 5:
      return { ...block, l1Section: { ...l1Section, headers: l1Section.headers.toReversed() } }
    default:
      return { ...block, header: { ...header, nonce: header.nonce + 1 } }
  }
}

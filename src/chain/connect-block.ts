/**
 * May this block follow that state? `checkBinding` needs no state: is all of the body bound to the
 * block id? `connectBlock` is the whole rule: pure, from the parent's state and the block to a delta
 * or a rejection.
 */

import { verifyProofOfWork } from '../bitcoin/header.ts'
import { merkleRoot } from '../bitcoin/merkle.ts'
import { transactionId } from '../bitcoin/transaction.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { type Block, blockWeight } from './block.ts'
import { BlockScripts, PLAIN_VERIFICATION, type ScriptVerification } from './block-scripts.ts'
import { checkCoinbase, coinbaseValue } from './coinbase.ts'
import { extensionHash, type PegTotals } from './extension.ts'
import { l1SectionHash } from './l1-section.ts'
import { BLOCK_BITS, BLOCK_VERSION, type ChainParams, MAX_BLOCK_WEIGHT } from './params.ts'
import { getPegBooks } from './peg/books.ts'
import { encodeDelta, type StateDelta, StateOverlay, type StateView } from './state.ts'
import type { StateTrie, TrieUpdate } from './state-trie.ts'
import { type ChainTip, headerTimeAfter } from './tip.ts'
import { applyContent, type TransitionOutcome } from './transition.ts'
import { currentValidators, hashOfSet } from './validators.ts'

/** A block before its parent's state is consulted: the body that arrived is the one the id names. */
export function checkBinding(block: Block): Result<void, Rejection> {
  const { header, extension } = block
  if (header.version !== BLOCK_VERSION) return reject('bad-version')
  if (header.bits !== BLOCK_BITS) return reject('bad-diffbits')
  if (!verifyProofOfWork(header)) return reject('high-hash')
  const { root, mutated } = merkleRoot(block.transactions.map(transactionId))
  // CVE-2012-2459: two bodies can have one root; the doubled one says nothing about the block.
  if (mutated) return reject('bad-txns-duplicate')
  if (root !== header.merkleRoot) return reject('bad-txnmrklroot')
  const coinbase = checkCoinbase(block.transactions, extension.height, extensionHash(extension))
  if (!coinbase.ok) return coinbase
  if (l1SectionHash(block.l1Section) !== extension.l1SectionHash) return reject('bad-l1-section')
  return ok(undefined)
}

export interface ConnectedBlock {
  readonly delta: StateDelta
  /** For `apply` of the trie of the state that the block was connected to. */
  readonly trie: TrieUpdate
  /** The delta that leads back, as `encodeDelta` writes it. */
  readonly undo: Uint8Array
  readonly outcome: TransitionOutcome
}

/** The state a block builds on. */
export interface ChainState {
  readonly tip: ChainTip
  readonly view: StateView
  readonly trie: StateTrie
}

/** The block must have passed `checkBinding`. Nothing that is given changes. */
export function connectBlock(
  params: ChainParams,
  state: ChainState,
  block: Block,
  verification: ScriptVerification = PLAIN_VERIFICATION,
): Result<ConnectedBlock, Rejection> {
  const context = checkBlockContext(params, state, block)
  if (!context.ok) return context
  const scripts = new BlockScripts(verification)
  const connected = connectBody(params, state, block, scripts)
  // After everything else, so that other cores had the time; but a bad script comes first.
  const settled = scripts.settle()
  return settled.ok ? connected : settled
}

function connectBody(
  params: ChainParams,
  state: ChainState,
  block: Block,
  scripts: BlockScripts,
): Result<ConnectedBlock, Rejection> {
  const { extension } = block
  const overlay = new StateOverlay(state.view)
  const [coinbase, ...transactions] = block.transactions
  const applied = applyContent(
    overlay,
    params,
    state.tip,
    {
      timeMs: extension.timeMs,
      feeRate: extension.feeRate,
      l1Section: block.l1Section,
      evidence: extension.evidence,
      freezeVotes: extension.freezeVotes,
      transactions,
    },
    scripts,
  )
  if (!applied.ok) return applied
  const outcome = applied.value
  if (coinbase === undefined || coinbaseValue(coinbase) !== outcome.fees) {
    return reject('bad-cb-amount')
  }
  const books = getPegBooks(overlay)
  if (!sameTotals(extension.totals, outcome.totals)) return reject('bad-peg-totals')
  if (extension.l1Height !== books.l1Height || extension.l1Hash !== books.l1Hash) {
    return reject('bad-l1-anchor')
  }
  if (extension.nextValidatorSetHash !== hashOfSet(currentValidators(overlay))) {
    return reject('bad-validator-set')
  }
  const delta = overlay.delta()
  const trie = state.trie.prepare(delta)
  if (trie.root !== extension.stateRoot) return reject('bad-state-root')
  return ok({ delta, trie, undo: encodeDelta(overlay.undo()), outcome })
}

/** What the header and the extension must say on this tip, and the block's weight. */
export function checkBlockContext(
  params: ChainParams,
  { tip, view }: Pick<ChainState, 'tip' | 'view'>,
  block: Block,
): Result<void, Rejection> {
  const { header, extension } = block
  const validators = currentValidators(view)
  if (header.previousHash !== tip.hash) return reject('bad-prevblk', 'missing')
  if (extension.height !== tip.height + 1) return reject('bad-height')
  if (extension.timeMs <= tip.timeMs) return reject('time-too-old')
  if (header.time !== headerTimeAfter(tip, extension.timeMs)) return reject('bad-time')
  if (extension.proposer >= validators.keys.length) return reject('bad-proposer')
  if (extension.paramsHash !== params.paramsHash) return reject('bad-params-hash')
  if (extension.validatorSetHash !== hashOfSet(validators)) return reject('bad-validator-set')
  const { feeRateFloor, feeRateCeiling } = params.peg
  if (extension.feeRate < feeRateFloor || extension.feeRate > feeRateCeiling) {
    return reject('bad-fee-rate')
  }
  if (blockWeight(block) > MAX_BLOCK_WEIGHT) return reject('bad-blk-weight')
  return ok(undefined)
}

function sameTotals(a: PegTotals, b: PegTotals): boolean {
  return (
    a.supply === b.supply &&
    a.pendingReleases === b.pendingReleases &&
    a.feeReserve === b.feeReserve &&
    a.inFlightFees === b.inFlightFees &&
    a.reserves === b.reserves
  )
}

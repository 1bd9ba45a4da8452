/**
 * Building a block on a state: the same transition that checks it, then the commitments. The L1
 * section and the transactions come from the caller; whatever the rules refuse is the caller's bug.
 */

import { type BlockHeader, verifyProofOfWork } from '../bitcoin/header.ts'
import { merkleRoot } from '../bitcoin/merkle.ts'
import { type Transaction, transactionId } from '../bitcoin/transaction.ts'
import type { Evidence } from '../consensus/evidence.ts'
import { assert } from '../primitives/assert.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import type { Block } from './block.ts'
import { BlockScripts, PLAIN_VERIFICATION, type ScriptVerification } from './block-scripts.ts'
import { buildCoinbase } from './coinbase.ts'
import { type ChainState, type ConnectedBlock, checkBlockContext } from './connect-block.ts'
import { connectMemberChange } from './connect-member-change.ts'
import { extensionHash } from './extension.ts'
import { fitsL1Section, type L1Section, l1SectionHash } from './l1-section.ts'
import { BLOCK_BITS, BLOCK_VERSION, type ChainParams, MAX_EVIDENCE_PER_BLOCK } from './params.ts'
import { getPegBooks } from './peg/books.ts'
import { connectConfirmations } from './peg/confirmations.ts'
import { buildMintTransaction, connectDeposits, isMinting } from './peg/deposits.ts'
import type { FreezeVote } from './peg/freeze-vote.ts'
import { connectKeyEpoch } from './peg/key-epochs.ts'
import { connectL1Headers } from './peg/l1-headers.ts'
import { encodeDelta, StateOverlay } from './state.ts'
import { headerTimeAfter } from './tip.ts'
import { applyContent } from './transition.ts'
import { currentValidators, hashOfSet } from './validators.ts'

export interface BlockPlan {
  readonly view: number
  readonly proposer: number
  readonly timeMs: number
  readonly feeRate: number
  readonly l1Section: L1Section
  /** At most `MAX_EVIDENCE_PER_BLOCK`. */
  readonly evidence: readonly Evidence[]
  /** At most `MAX_FREEZE_VOTES_PER_BLOCK`. */
  readonly freezeVotes: readonly FreezeVote[]
  /** From the mempool: no coinbase, no mint. */
  readonly transactions: readonly Transaction[]
  readonly payoutScript: Uint8Array
}

export interface BuiltBlock {
  readonly block: Block
  /** What `connectBlock` would say of it on the same state. */
  readonly connected: ConnectedBlock
}

/** The finished block, or why its content is not valid on this state. Nothing that is given changes. */
export function buildBlock(
  params: ChainParams,
  state: ChainState,
  plan: BlockPlan,
  verification: ScriptVerification = PLAIN_VERIFICATION,
): Result<BuiltBlock, Rejection> {
  if (!fitsL1Section(plan.l1Section)) return reject('bad-l1-section-size')
  assert(plan.evidence.length <= MAX_EVIDENCE_PER_BLOCK, 'no more evidence than a block holds')
  const mint = buildMint(params, state, plan.l1Section)
  if (!mint.ok) return mint
  const transactions = [...mint.value, ...plan.transactions]
  const overlay = new StateOverlay(state.view)
  const { timeMs, feeRate, l1Section, evidence, freezeVotes } = plan
  const content = { timeMs, feeRate, l1Section, evidence, freezeVotes, transactions }
  const scripts = new BlockScripts(verification)
  const applied = applyContent(overlay, params, state.tip, content, scripts)
  const settled = scripts.settle()
  if (!settled.ok) return settled
  if (!applied.ok) return applied

  const books = getPegBooks(overlay)
  const delta = overlay.delta()
  const trie = state.trie.prepare(delta)
  const height = state.tip.height + 1
  const extension = {
    height,
    view: plan.view,
    timeMs,
    proposer: plan.proposer,
    stateRoot: trie.root,
    validatorSetHash: hashOfSet(currentValidators(state.view)),
    nextValidatorSetHash: hashOfSet(currentValidators(overlay)),
    paramsHash: params.paramsHash,
    l1Height: books.l1Height,
    l1Hash: books.l1Hash,
    l1SectionHash: l1SectionHash(l1Section),
    feeRate,
    totals: applied.value.totals,
    evidence,
    freezeVotes,
  }
  const coinbase = buildCoinbase({
    height,
    fees: applied.value.fees,
    payoutScript: plan.payoutScript,
    extensionHash: extensionHash(extension),
    others: transactions,
  })
  const all = [coinbase, ...transactions]
  const header = grind({
    version: BLOCK_VERSION,
    previousHash: state.tip.hash,
    merkleRoot: merkleRoot(all.map(transactionId)).root,
    time: headerTimeAfter(state.tip, timeMs),
    bits: BLOCK_BITS,
    nonce: 0,
  })
  const block: Block = { header, extension, l1Section, transactions: all }
  const context = checkBlockContext(params, state, block)
  if (!context.ok) return context
  const undo = encodeDelta(overlay.undo())
  return ok({ block, connected: { delta, trie, undo, outcome: applied.value } })
}

/** The mint transaction that the section's deposits give, if any. */
function buildMint(
  params: ChainParams,
  state: ChainState,
  section: L1Section,
): Result<readonly Transaction[], Rejection> {
  if (section.deposits.length === 0) return ok([])
  const scratch = new StateOverlay(state.view)
  const headers = connectL1Headers(scratch, params, section.headers)
  if (!headers.ok) return headers
  const height = state.tip.height + 1
  for (const change of section.memberChanges) {
    const connected = connectMemberChange(scratch, params, change, height)
    if (!connected.ok) return connected
  }
  for (const announcement of section.keyEpochs) {
    const connected = connectKeyEpoch(scratch, params, announcement, height)
    if (!connected.ok) return connected
  }
  const confirmed = connectConfirmations(scratch, section.confirmations, height)
  if (!confirmed.ok) return confirmed
  const deposits = connectDeposits(scratch, params, section, height)
  if (!deposits.ok) return deposits
  const minted = deposits.value.filter(isMinting)
  return ok(minted.length === 0 ? [] : [buildMintTransaction(minted)])
}

/** Half of all hashes meet the target, so this takes two tries on average. */
function grind(header: BlockHeader): BlockHeader {
  let candidate = header
  while (!verifyProofOfWork(candidate)) candidate = { ...candidate, nonce: candidate.nonce + 1 }
  return candidate
}

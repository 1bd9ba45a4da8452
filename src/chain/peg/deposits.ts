/**
 * Deposits: L1 outputs that pay a recipient's deposit address, proved in the L1 section, minted once
 * and for ever. Deposits of one recipient in one block count together towards the minimum, so small
 * ones wait outside the chain until they add up.
 *
 * What is paid to the federation's own change address is a gift to the fee reserve, and mints nothing.
 * The change of our own batches goes there too and is none: until the batch is confirmed here, its
 * transaction is known by the reserve coins that it spends, from then on its change is claimed.
 */

import { classifyOutput } from '../../bitcoin/script.ts'
import {
  type OutPoint,
  outPointKey,
  type Transaction,
  transactionId,
} from '../../bitcoin/transaction.ts'
import { bytesToHex, equalBytes } from '../../primitives/bytes.ts'
import { decodeAll, encodeWith } from '../../primitives/codec.ts'
import { ok, type Rejection, type Result, reject } from '../../primitives/result.ts'
import { MAX_SATS, type Sats } from '../../primitives/units.ts'
import type { DepositClaim, DepositProof, L1Section } from '../l1-section.ts'
import { type ChainParams, L1_COINBASE_MATURITY, MAX_DEPOSITS_PER_BLOCK } from '../params.ts'
import { NAMESPACE, outPointStateKey, type StateOverlay, type StateView } from '../state.ts'
import { adjustTotals, getPegBooks, putPegBooks } from './books.ts'
import type { RecoveryPolicy } from './deposit-address.ts'
import { depositScriptOf, findDepositEpoch } from './key-epochs.ts'
import { checkL1Proof } from './l1-proof.ts'
import { findReserve, putFederationScript, putReserve } from './reserves.ts'

/** A deposit whose proof has been checked. */
export interface ProvedDeposit {
  readonly outPoint: OutPoint
  readonly value: Sats
  /** The deposit address on L1. */
  readonly script: Uint8Array
  readonly recipient: Uint8Array
  readonly keyEpoch: number
  readonly l1Height: number
  /** In its L1 block; 0 is a coinbase. */
  readonly position: number
}

/** Height of the block that minted a deposit, or undefined. */
export function findClaimHeight(view: StateView, outPoint: OutPoint): number | undefined {
  const bytes = view.get(outPointStateKey(NAMESPACE.claimedDeposit, outPoint))
  return bytes === undefined ? undefined : decodeAll(bytes, (reader) => reader.u32())
}

/** Headers that must be in the state on top of the deposit's own. */
export function extraHeadersFor(params: ChainParams, value: Sats, position: number): number {
  let extra = 0
  for (const tier of params.peg.depositTiers) {
    if (value > tier.aboveSats) extra = Math.max(extra, tier.extraHeaders)
  }
  // L1's own rule: a coinbase output cannot be spent, and may yet vanish, before 100 blocks.
  return position === 0 ? Math.max(extra, L1_COINBASE_MATURITY - params.peg.l1Depth) : extra
}

/** The recovery leaf of a coin that is minted now stays shut for at least this part of its delay. */
const SHUT_SHARE = 4

/** L1 blocks after its own within which a deposit can be minted. */
export function mintWindow(recovery: Pick<RecoveryPolicy, 'delayBlocks'>): number {
  return recovery.delayBlocks - Math.ceil(recovery.delayBlocks / SHUT_SHARE)
}

/**
 * True when a deposit is so old that the recovery keys could take it back, now or soon: minted, it would
 * be paid twice. `l1Height`: the last L1 block that counts.
 */
export function isExpired(params: ChainParams, depositL1Height: number, l1Height: number): boolean {
  return l1Height - depositL1Height > mintWindow(params.peg.recovery)
}

/** Checks and books the section's deposits; returns them in the order of the mint transaction. */
export function connectDeposits(
  overlay: StateOverlay,
  params: ChainParams,
  section: L1Section,
  height: number,
): Result<readonly ProvedDeposit[], Rejection> {
  // Counted before anything is proved: claims are cheap to write and dear to check.
  let claims = 0
  for (const proof of section.deposits) claims += proof.claims.length
  if (claims > MAX_DEPOSITS_PER_BLOCK) return reject('deposit-count')
  const deposits: ProvedDeposit[] = []
  for (const proof of section.deposits) {
    const proved = proveDeposit(overlay, params, proof)
    if (!proved.ok) return proved
    for (const deposit of proved.value) {
      if (!isAfter(deposit, deposits.at(-1))) return reject('deposit-order')
      if (findClaimHeight(overlay, deposit.outPoint) !== undefined) {
        return reject('deposit-already-minted', 'invalid', outPointKey(deposit.outPoint))
      }
      if (getPegBooks(overlay).totals.reserves + deposit.value > MAX_SATS) {
        return reject('deposit-beyond-supply')
      }
      bookDeposit(overlay, deposit, height)
      deposits.push(deposit)
    }
  }
  const sums = new Map<string, bigint>()
  for (const { script, value } of deposits) {
    const address = bytesToHex(script)
    sums.set(address, (sums.get(address) ?? 0n) + value)
  }
  for (const sum of sums.values()) {
    if (sum < params.peg.minDepositSats) return reject('deposit-below-minimum')
  }
  return ok(deposits)
}

function proveDeposit(
  view: StateView,
  params: ChainParams,
  proof: DepositProof,
): Result<readonly ProvedDeposit[], Rejection> {
  const checked = checkL1Proof(view, proof)
  if (!checked.ok) return checked
  if (proof.claims.length === 0) return reject('deposit-without-claim')
  const deposits: ProvedDeposit[] = []
  for (const claim of proof.claims) {
    const deposit = checkClaim(view, params, proof, checked.value, claim)
    if (!deposit.ok) return deposit
    deposits.push(deposit.value)
  }
  return ok(deposits)
}

function checkClaim(
  view: StateView,
  params: ChainParams,
  proof: DepositProof,
  transaction: Transaction,
  claim: DepositClaim,
): Result<ProvedDeposit, Rejection> {
  const output = transaction.outputs[claim.vout]
  if (output === undefined) return reject('deposit-output-missing')
  // A spendable output here is never worth nothing.
  if (output.value === 0n) return reject('deposit-of-nothing')
  if (claim.recipient.length === 0) {
    if (spendsReserves(view, transaction)) return reject('gift-of-own-change')
  } else if (!isRecipient(claim.recipient)) {
    return reject('deposit-recipient')
  }
  const keyEpoch = findDepositEpoch(view, claim.keyEpoch)
  if (keyEpoch === undefined) return reject('deposit-key-epoch')
  const { position } = proof.merkle
  const { l1Height } = getPegBooks(view)
  const onTop = l1Height - proof.l1Height
  if (onTop < extraHeadersFor(params, output.value, position)) return reject('deposit-immature')
  if (isExpired(params, proof.l1Height, l1Height)) return reject('deposit-expired')
  const expected = depositScriptOf(params, keyEpoch, claim.recipient)
  if (!equalBytes(output.script, expected)) return reject('deposit-address')
  return ok({
    outPoint: { txid: transactionId(transaction), vout: claim.vout },
    value: output.value,
    script: output.script,
    recipient: claim.recipient,
    keyEpoch: claim.keyEpoch,
    l1Height: proof.l1Height,
    position,
  })
}

/** True for our own batches, as long as the chain has not seen them confirmed. */
export function spendsReserves(view: StateView, { inputs }: Transaction): boolean {
  return inputs.some(({ prevout }) => findReserve(view, prevout) !== undefined)
}

/** Gifts mint nothing. */
export function isMinting({ recipient }: Pick<DepositClaim, 'recipient'>): boolean {
  return recipient.length > 0
}

/** Only forms that every wallet here can spend. */
export function isRecipient(script: Uint8Array): boolean {
  const { kind } = classifyOutput(script)
  return kind === 'p2wpkh' || kind === 'p2wsh' || kind === 'p2tr'
}

/** Strictly ascending by L1 height, position, output. */
function isAfter(deposit: ProvedDeposit, before: ProvedDeposit | undefined): boolean {
  if (before === undefined) return true
  if (deposit.l1Height !== before.l1Height) return deposit.l1Height > before.l1Height
  if (deposit.position !== before.position) return deposit.position > before.position
  return deposit.outPoint.vout > before.outPoint.vout
}

function bookDeposit(overlay: StateOverlay, deposit: ProvedDeposit, height: number): void {
  const key = outPointStateKey(NAMESPACE.claimedDeposit, deposit.outPoint)
  overlay.put(
    key,
    encodeWith((writer) => writer.u32(height)),
  )
  putFederationScript(overlay, deposit.script)
  putReserve(overlay, {
    outPoint: deposit.outPoint,
    value: deposit.value,
    script: deposit.script,
    keyEpoch: deposit.keyEpoch,
    recipient: deposit.recipient,
    l1Height: deposit.l1Height,
    batchId: undefined,
  })
  const books = getPegBooks(overlay)
  const kept = isMinting(deposit) ? { supply: deposit.value } : { feeReserve: deposit.value }
  const totals = adjustTotals(books.totals, { ...kept, reserves: deposit.value })
  putPegBooks(overlay, { ...books, totals })
}

/**
 * The mint transaction: one input per deposit naming its L1 outpoint, one output per deposit paying
 * the recipient. A pure function of the deposits; it stands at index 1 of the block. None of these
 * may be a gift.
 */
export function buildMintTransaction(deposits: readonly ProvedDeposit[]): Transaction {
  return {
    version: 2,
    inputs: deposits.map((deposit) => ({
      prevout: deposit.outPoint,
      scriptSig: new Uint8Array(),
      sequence: 0xffff_ffff,
      witness: [],
    })),
    outputs: deposits.map((deposit) => ({ value: deposit.value, script: deposit.recipient })),
    lockTime: 0,
  }
}

/** A change of members enters the state: approved by the current validators, it is what comes next. */

import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { checkMemberChange, type MemberChange } from './member-change.ts'
import { abandonPending, getEpochBooks, putEpochBooks, putMemberSet } from './member-sets.ts'
import type { ChainParams } from './params.ts'
import type { StateOverlay, StateView } from './state.ts'
import { currentValidators, hashOfSet } from './validators.ts'

/** Epochs are u32, and the next number must be one, too. */
const EPOCH_MAX = 0xffff_fffe

/** May a block on this state carry the change? */
export function checkMemberChangeOn(
  view: StateView,
  params: ChainParams,
  change: MemberChange,
): Result<void, Rejection> {
  const { next } = getEpochBooks(view)
  if (change.epoch !== next || next > EPOCH_MAX) {
    return reject('member-change-epoch', 'invalid', `the next epoch is ${next}`)
  }
  const set = currentValidators(view)
  const context = { chainId: params.chainId, setHash: hashOfSet(set), validators: set.keys }
  return checkMemberChange(context, change)
}

/** The new set is pending; what was under way before is abandoned. */
export function connectMemberChange(
  overlay: StateOverlay,
  params: ChainParams,
  change: MemberChange,
  height: number,
): Result<void, Rejection> {
  const checked = checkMemberChangeOn(overlay, params, change)
  if (!checked.ok) return checked
  abandonPending(overlay)
  const books = getEpochBooks(overlay)
  putMemberSet(overlay, {
    epoch: change.epoch,
    status: 'pending',
    threshold: change.threshold,
    keys: change.members,
    approvedHeight: height,
    probeL1Height: 0,
    activeFrom: 0,
    previousEpoch: books.validators,
  })
  putEpochBooks(overlay, { ...books, pending: change.epoch, next: change.epoch + 1 })
  return ok(undefined)
}

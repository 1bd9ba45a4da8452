/**
 * Key epochs in the state: the group key of each member set that has made one, and which of them
 * receives deposits and change.
 */

import { bytesToHex } from '../../primitives/bytes.ts'
import { decodeAll, encodeWith } from '../../primitives/codec.ts'
import { ok, type Rejection, type Result, reject } from '../../primitives/result.ts'
import {
  activatePending,
  findMemberSet,
  getEpochBooks,
  type MemberSet,
  putEpochBooks,
  putMemberSet,
} from '../member-sets.ts'
import type { ChainParams } from '../params.ts'
import { NAMESPACE, numberStateKey, type StateOverlay, type StateView } from '../state.ts'
import { CHANGE_RECIPIENT, depositScript } from './deposit-address.ts'
import {
  type KeyEpochAnnouncement,
  readKeyEpochAnnouncement,
  verifyKeyEpochAnnouncement,
  writeKeyEpochAnnouncement,
} from './key-epoch-announcement.ts'
import { putFederationScript } from './reserves.ts'

/** An announcement in the state. */
export interface KeyEpoch extends KeyEpochAnnouncement {
  /** Of the block that announced it. */
  readonly height: number
}

export function findKeyEpoch(view: StateView, epoch: number): KeyEpoch | undefined {
  const bytes = view.get(numberStateKey(NAMESPACE.keyEpoch, epoch))
  if (bytes === undefined) return undefined
  return decodeAll(bytes, (reader) => {
    const height = reader.u32()
    return { ...readKeyEpochAnnouncement(reader), height }
  })
}

/** The epoch that receives deposits and change; undefined while the peg is closed. */
export function activeKeyEpoch(view: StateView): KeyEpoch | undefined {
  const { key } = getEpochBooks(view)
  return key === undefined ? undefined : findKeyEpoch(view, key)
}

/**
 * An epoch whose addresses are good for deposits: it receives them, or once did. A key that has not
 * proved itself mints nothing, or coins that nobody can spend would count as reserves.
 */
export function findDepositEpoch(view: StateView, epoch: number): KeyEpoch | undefined {
  const status = findMemberSet(view, epoch)?.status
  return status === 'active' || status === 'retired' ? findKeyEpoch(view, epoch) : undefined
}

/**
 * The first key opens the peg. That of a pending set waits for its proof by spending; without a key
 * before it there is nothing to spend, and it takes over at once.
 */
export function connectKeyEpoch(
  overlay: StateOverlay,
  params: ChainParams,
  announcement: KeyEpochAnnouncement,
  height: number,
): Result<void, Rejection> {
  const { epoch } = announcement
  const set = awaitedSet(overlay, epoch)
  // What its members agreed on stood in the chain before.
  if (set === undefined || (set.epoch !== 0 && set.approvedHeight >= height)) {
    return reject('key-epoch-unexpected')
  }
  if (announcement.threshold !== set.threshold) return reject('key-epoch-threshold')
  const context = { chainId: params.chainId, epoch, members: set.keys }
  if (!verifyKeyEpochAnnouncement(announcement, context)) return reject('key-epoch-unproved')
  const bytes = encodeWith((writer) => {
    writer.u32(height)
    writeKeyEpochAnnouncement(writer, announcement)
  })
  overlay.put(numberStateKey(NAMESPACE.keyEpoch, epoch), bytes)
  putFederationScript(overlay, depositScriptOf(params, announcement, CHANGE_RECIPIENT))
  const books = getEpochBooks(overlay)
  if (epoch === books.validators) putEpochBooks(overlay, { ...books, key: epoch })
  else if (books.key === undefined) activatePending(overlay, height)
  else putMemberSet(overlay, { ...set, status: 'announced' })
  return ok(undefined)
}

/** The set whose key is still to be made: the genesis one, or the pending one. */
function awaitedSet(view: StateView, epoch: number): MemberSet | undefined {
  const books = getEpochBooks(view)
  const isFirst = books.key === undefined && epoch === books.validators
  if (!isFirst && epoch !== books.pending) return undefined
  const set = findMemberSet(view, epoch)
  return isFirst || set?.status === 'pending' ? set : undefined
}

/** Scripts remembered per network; a derivation costs over a millisecond. Not consensus-critical. */
const REMEMBERED_MAX = 2_000
const remembered = new WeakMap<ChainParams, Map<string, Uint8Array>>()

/** L1 output script of a recipient's deposit address (empty recipient: the federation's change). */
export function depositScriptOf(
  params: ChainParams,
  announcement: KeyEpochAnnouncement,
  recipient: Uint8Array,
): Uint8Array {
  const { epoch, groupKey } = announcement
  const scripts = remembered.get(params) ?? new Map<string, Uint8Array>()
  remembered.set(params, scripts)
  const key = `${epoch}:${bytesToHex(groupKey)}:${bytesToHex(recipient)}`
  const known = scripts.get(key)
  if (known !== undefined) return known
  const { chainId, peg } = params
  const script = depositScript({ chainId, epoch, groupKey, recovery: peg.recovery, recipient })
  if (scripts.size >= REMEMBERED_MAX) scripts.clear()
  scripts.set(key, script)
  return script
}

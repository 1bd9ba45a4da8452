/** Key epochs in the state: which group key held the reserves from when on. */

import { bytesToHex } from '../../primitives/bytes.ts'
import { decodeAll, encodeWith } from '../../primitives/codec.ts'
import { ok, type Rejection, type Result, reject } from '../../primitives/result.ts'
import type { ChainParams } from '../params.ts'
import { NAMESPACE, numberStateKey, type StateOverlay, type StateView } from '../state.ts'
import { getPegBooks, putPegBooks } from './books.ts'
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
  const { keyEpochCount } = getPegBooks(view)
  return keyEpochCount === 0 ? undefined : findKeyEpoch(view, keyEpochCount - 1)
}

/** The first announcement opens the peg. Later ones change keys, which has rules of its own. */
export function connectKeyEpoch(
  overlay: StateOverlay,
  params: ChainParams,
  announcement: KeyEpochAnnouncement,
  height: number,
): Result<void, Rejection> {
  const books = getPegBooks(overlay)
  if (books.keyEpochCount !== 0) return reject('key-epoch-unexpected')
  if (announcement.epoch !== 0) return reject('key-epoch-out-of-order')
  if (announcement.threshold !== params.signingThreshold) return reject('key-epoch-threshold')
  const context = { chainId: params.chainId, epoch: 0, members: params.validators }
  if (!verifyKeyEpochAnnouncement(announcement, context)) return reject('key-epoch-unproved')
  const bytes = encodeWith((writer) => {
    writer.u32(height)
    writeKeyEpochAnnouncement(writer, announcement)
  })
  overlay.put(numberStateKey(NAMESPACE.keyEpoch, announcement.epoch), bytes)
  putPegBooks(overlay, { ...books, keyEpochCount: announcement.epoch + 1 })
  putFederationScript(overlay, depositScriptOf(params, announcement, CHANGE_RECIPIENT))
  return ok(undefined)
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

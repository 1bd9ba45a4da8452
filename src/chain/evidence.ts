/**
 * Evidence of validators' double votes in blocks: what a block may carry, and what the state keeps of
 * it, which is one record for a validator and height, however often it contradicted itself there. The
 * signer of an offence is an index in the set that agreed on its height.
 *
 * Leaves out what follows from evidence: it is recorded, and nobody is removed. That is a matter of
 * the next validator set.
 */

import { type Evidence, verifyEvidence } from '../consensus/evidence.ts'
import { present } from '../primitives/assert.ts'
import { decodeAll, encodeWith } from '../primitives/codec.ts'
import { hashToBytes, type XOnlyKey, xOnlyKeyFromBytes } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { type ChainParams, EVIDENCE_AGE_MAX } from './params.ts'
import {
  NAMESPACE,
  numberStateKey,
  type StateKey,
  type StateOverlay,
  type StateView,
} from './state.ts'
import { validatorSetAt } from './validators.ts'

/** Who contradicted itself, and about which height. */
export interface Offence {
  readonly height: number
  readonly signer: number
}

export function offenceOf({ first }: Evidence): Offence {
  return { height: first.height, signer: first.signer }
}

/** Ascending by height, then signer: negative when `a` comes before `b`. */
export function compareOffences(a: Offence, b: Offence): number {
  return a.height === b.height ? a.signer - b.signer : a.height - b.height
}

/** Height u32be ‖ signer u16be. The height must be a u32. */
export function offenceStateKey({ height, signer }: Offence): StateKey {
  return numberStateKey(NAMESPACE.evidence, height) + signer.toString(16).padStart(4, '0')
}

/** May the block of this height carry evidence about that one? */
export function isTimely(evidenceHeight: number, height: number): boolean {
  return evidenceHeight <= height && evidenceHeight > height - EVIDENCE_AGE_MAX
}

export function isRecorded(view: StateView, offence: Offence): boolean {
  return view.get(offenceStateKey(offence)) !== undefined
}

/** Records a block's evidence. Signatures come last: what no block may hold must not cost the work. */
export function connectEvidence(
  overlay: StateOverlay,
  params: ChainParams,
  evidence: readonly Evidence[],
  height: number,
): Result<void, Rejection> {
  let before: Offence | undefined
  for (const one of evidence) {
    const offence = offenceOf(one)
    if (before !== undefined && compareOffences(before, offence) >= 0) {
      return reject('bad-evidence-order')
    }
    before = offence
    if (!isTimely(offence.height, height)) return reject('bad-evidence-age')
    if (isRecorded(overlay, offence)) return reject('bad-evidence-known')
  }
  const set = evidence.map((one) => validatorSetAt(overlay, one.first.height))
  const isProof = evidence.every((one, i) => {
    const { epoch, keys } = present(set[i], 'validators of a height')
    return verifyEvidence(one, { chainId: params.chainId, epoch, validators: keys })
  })
  if (!isProof) return reject('bad-evidence')
  for (const [i, one] of evidence.entries()) {
    const offender = present(set[i]?.keys[one.first.signer], 'signer of proved evidence')
    overlay.put(offenceStateKey(offenceOf(one)), encodeConviction({ height, offender }))
  }
  return ok(undefined)
}

/** What the state keeps of an offence. */
export interface Conviction {
  /** Of the block that carries the evidence. */
  readonly height: number
  /** The same key is another index in another set. */
  readonly offender: XOnlyKey
}

function encodeConviction({ height, offender }: Conviction): Uint8Array {
  return encodeWith((writer) => writer.u32(height).bytes(hashToBytes(offender)))
}

/** Who is convicted by a record of the state; undefined for the key of anything else. */
export function findConviction(key: StateKey, value: Uint8Array): Conviction | undefined {
  if (!key.startsWith(NAMESPACE.evidence)) return undefined
  return decodeAll(value, (reader) => ({
    height: reader.u32(),
    offender: xOnlyKeyFromBytes(reader.bytes(32)),
  }))
}

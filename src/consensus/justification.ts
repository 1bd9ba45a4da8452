/**
 * J(v), the justification of a proposal at view v: the highest notarization below v, if any, and the
 * nullifications of every view after it. Whoever holds J(v) may enter view v, lead it, and be
 * believed: the block proposed at v must be the notarized one, or a fresh one when there is none.
 *
 *   J(v) = { base: notarization of (w, hash) or none, nulls: nullification of every u, w < u < v }
 */

import { assert } from '../primitives/assert.ts'
import { type ByteReader, type ByteWriter, DecodeError } from '../primitives/codec.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import { type Certificate, readCertificate, writeCertificate } from './certificate.ts'

export interface Justification {
  readonly base?: Certificate
  /** Ascending, without gaps. */
  readonly nulls: readonly Certificate[]
}

export const EMPTY_JUSTIFICATION: Justification = { nulls: [] }

/** Views of one height that a justification may span; timers make more of them take hours. */
const MAX_JUSTIFICATION_NULLS = 1_024

/** What a node knows about the views of a height. */
export interface ViewCertificates {
  findNotarization(view: number): Certificate | undefined
  findNullification(view: number): Certificate | undefined
  hasBody(hash: BlockHash): boolean
}

/** J(v) from what is known, or undefined when a view in between has no certificate here. */
export function findJustification(
  known: ViewCertificates,
  view: number,
): Justification | undefined {
  const nulls: Certificate[] = []
  for (let u = view - 1; u >= 0; u--) {
    const notarization = known.findNotarization(u)
    const nullification = known.findNullification(u)
    if (notarization?.blockHash !== undefined) {
      // A notarized view that is also nullified needs not be built on when its body is missing.
      if (nullification === undefined || known.hasBody(notarization.blockHash)) {
        return { base: notarization, nulls: nulls.toReversed() }
      }
    }
    if (nullification === undefined) return undefined
    nulls.push(nullification)
    if (nulls.length > MAX_JUSTIFICATION_NULLS) return undefined
  }
  return { nulls: nulls.toReversed() }
}

export function justificationCertificates(justification: Justification): readonly Certificate[] {
  return justification.base === undefined
    ? justification.nulls
    : [justification.base, ...justification.nulls]
}

/**
 * Does it justify `hash` at (height, view)? Structure only: the certificates' signatures are
 * verified when the message arrives. Never throws.
 */
export function verifyJustification(
  justification: Justification,
  place: { readonly height: number; readonly view: number; readonly hash: BlockHash },
): boolean {
  const { base, nulls } = justification
  let next = 0
  if (base !== undefined) {
    if (base.type !== 'notarize' || base.height !== place.height) return false
    // A base binds the proposer to its block.
    if (base.view >= place.view || base.blockHash !== place.hash) return false
    next = base.view + 1
  }
  if (nulls.length !== place.view - next) return false
  return nulls.every(
    (certificate, i) =>
      certificate.type === 'nullify' &&
      certificate.height === place.height &&
      certificate.view === next + i,
  )
}

export function writeJustification(writer: ByteWriter, justification: Justification): void {
  assert(justification.nulls.length <= MAX_JUSTIFICATION_NULLS, 'justification too long')
  writer.bool(justification.base !== undefined)
  if (justification.base !== undefined) writeCertificate(writer, justification.base)
  writer.list(justification.nulls, writeCertificate)
}

/** @throws DecodeError */
export function readJustification(reader: ByteReader): Justification {
  const base = reader.bool() ? readCertificate(reader) : undefined
  if (base !== undefined && base.type !== 'notarize')
    throw new DecodeError('base is no notarization')
  const nulls = reader.list(MAX_JUSTIFICATION_NULLS, readCertificate)
  if (nulls.some((certificate) => certificate.type !== 'nullify')) {
    throw new DecodeError('not a nullification')
  }
  return base === undefined ? { nulls } : { base, nulls }
}

/**
 * The last line against a double vote, inside the signer: it remembers what was signed about
 * undecided heights and refuses whatever contradicts it. The memory is rebuilt from the journal, and
 * nothing signed leaves the node before its journal record is on disk. A guard belongs to one validator
 * set; a height belongs to one set as well, so no guard needs to know what another has signed.
 */

import { type Certificate, hasBit } from '../consensus/certificate.ts'
import { type Statement, sameStatement, voteDigest } from '../consensus/votes.ts'
import type { WalRecord } from '../consensus/wal-record.ts'
import type { Hash32 } from '../primitives/hashes.ts'
import type { ValidatorIdentity } from './validator-links.ts'

export interface SignGuard {
  /** BIP340 signature of the statement, or undefined: it would contradict an earlier one. */
  sign(statement: Statement): Uint8Array | undefined
  /**
   * True when a certificate of an undecided height holds a signature by this validator's key that was
   * not made here, in this life or an earlier one: whoever made it may be about to contradict it.
   */
  isForeign(certificate: Certificate): boolean
  /** Nothing at or below a decided height is ever signed again. */
  decided(height: number): void
}

/** A validator with its index in the set that the guard is for. */
export interface SeatedValidator extends ValidatorIdentity {
  readonly index: number
}

export function createSignGuard(
  identity: SeatedValidator,
  context: { readonly chainId: Hash32; readonly epoch: number },
  decidedHeight: number,
  records: readonly WalRecord[],
): SignGuard {
  let floor = decidedHeight
  let signed: Statement[] = records.flatMap((record) =>
    record.kind === 'vote' && record.vote.signer === identity.index ? [record.vote] : [],
  )

  function contradicts(statement: Statement): boolean {
    return signed.some((earlier) => {
      if (earlier.height !== statement.height || earlier.view !== statement.view) return false
      if (earlier.type === statement.type) return !sameStatement(earlier, statement)
      // Both ways out of a view at once; notarize goes with either.
      return earlier.type !== 'notarize' && statement.type !== 'notarize'
    })
  }

  function hasSigned(statement: Statement): boolean {
    return signed.some((earlier) => sameStatement(earlier, statement))
  }

  return {
    isForeign: (certificate) =>
      hasBit(certificate.bitmap, identity.index) && !hasSigned(certificate),
    sign(statement) {
      if (statement.height <= floor || contradicts(statement)) return undefined
      if (!hasSigned(statement)) signed.push(statement)
      return identity.sign(voteDigest(context, statement))
    },
    decided(height) {
      floor = Math.max(floor, height)
      signed = signed.filter((statement) => statement.height > floor)
    },
  }
}

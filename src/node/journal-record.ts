/** What the journal of votes holds, read back at the start. Its encoding is `consensus/wal-record.ts`. */

import { decodeWalRecord, type WalRecord } from '../consensus/wal-record.ts'
import { DecodeError } from '../primitives/codec.ts'

/** The journal holds what no journal of this program holds. */
export class JournalContentError extends Error {
  override readonly name = 'JournalContentError'
}

/** @throws JournalContentError */
export function decodeJournalRecord(bytes: Uint8Array): WalRecord {
  try {
    return decodeWalRecord(bytes)
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    throw new JournalContentError(
      'the journal holds a record that this program does not understand; it may hold this ' +
        "validator's votes, so use the program that wrote it",
      { cause },
    )
  }
}

/**
 * What can go wrong with a disk, one class for each thing an operator would do about it. The message
 * says what happened and what to do; `cause` holds the system's own error.
 */

/** Reading or writing failed: disk full, input/output error, file gone. */
export class StorageError extends Error {
  override readonly name: string = 'StorageError'
}

/** Another process holds the database or the data directory. */
export class StorageLockedError extends StorageError {
  override readonly name = 'StorageLockedError'
}

/** Stored bytes are not what was written. */
export class StorageCorruptError extends StorageError {
  override readonly name = 'StorageCorruptError'
}

/** The database belongs to another chain, or to another version of its format. */
export class StorageMismatchError extends StorageError {
  override readonly name = 'StorageMismatchError'
}

/** A journal is damaged before its last, unacknowledged frame. */
export class JournalCorruptError extends StorageError {
  override readonly name = 'JournalCorruptError'
}

/** A journal had an I/O error earlier and accepts nothing more until the process restarts. */
export class JournalFailedError extends StorageError {
  override readonly name = 'JournalFailedError'
}

/** A file that holds a secret is missing or readable by others. */
export class SecretFileError extends StorageError {
  override readonly name = 'SecretFileError'
}

/** A message with those of its causes, the system's own last: "writing journal … failed: ENOSPC: …". */
export function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  return thrown.cause === undefined
    ? thrown.message
    : `${thrown.message}: ${reasonOf(thrown.cause)}`
}

/** The system's error code (`ENOENT`, `LEVEL_LOCKED`, …) of anything thrown, if it has one. */
export function errorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}

/** The outcome of checking somebody else's data: a value, or the reason it was refused. */

export type Result<T, E> = Ok<T> | Err<E>
export interface Ok<T> {
  readonly ok: true
  readonly value: T
}
export interface Err<E> {
  readonly ok: false
  readonly error: E
}

export function ok<T>(value: T): Ok<T> {
  return { ok: true, value }
}

export function err<E>(error: E): Err<E> {
  return { ok: false, error }
}

/** What to do with the sender of refused data. */
export type RejectionClass =
  /** Valid under no state: punish the sender. */
  | 'invalid'
  /** Legal, but this node does not want it: drop. */
  | 'policy'
  /** Something it builds on is unknown here: ask for it. */
  | 'missing'
  /** May become valid later: wait. */
  | 'premature'

/** Why data was refused. `code` is stable, and Bitcoin Core's word where Core has one. */
export interface Rejection {
  readonly code: string
  readonly class: RejectionClass
  /** For people; may change. */
  readonly detail?: string
}

export function reject(
  code: string,
  kind: RejectionClass = 'invalid',
  detail?: string,
): Err<Rejection> {
  return err(detail === undefined ? { code, class: kind } : { code, class: kind, detail })
}

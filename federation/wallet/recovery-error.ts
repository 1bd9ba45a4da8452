/** What can be wrong with a recovery, as one error class with a stable code. */

export type RecoveryErrorCode =
  | 'address-mismatch'
  | 'bad-psbt'
  | 'different-transactions'
  | 'dust'
  | 'high-fee'
  | 'no-coins'
  | 'not-open'
  | 'other-network'
  | 'too-few-signatures'
  | 'wrong-key'
  | 'wrong-signature'

export class RecoveryError extends Error {
  override readonly name = 'RecoveryError'
  readonly code: RecoveryErrorCode

  constructor(code: RecoveryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** What can go wrong in the wallet, as one error class with a stable code. */

export type WalletErrorCode =
  | 'bad-mnemonic'
  | 'bad-name'
  | 'bad-psbt'
  | 'corrupt-file'
  | 'dust'
  | 'file-exists'
  | 'insufficient-funds'
  | 'no-file'
  | 'not-ours'
  | 'too-large'
  | 'unreadable-file'
  | 'wrong-passphrase'

export class WalletError extends Error {
  override readonly name = 'WalletError'
  readonly code: WalletErrorCode

  constructor(code: WalletErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

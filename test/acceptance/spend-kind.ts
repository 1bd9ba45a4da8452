/** What the client libraries are asked to do: pay to a script of their own making, and spend it. */

export interface ClientCoin {
  readonly txid: string
  readonly vout: number
  readonly value: bigint
}

export interface ClientOutput {
  readonly script: Uint8Array
  readonly value: bigint
}

export interface SpendLocks {
  readonly sequence: number
  readonly lockTime: number
}

/** BIP125: replaceable, and no relative lock. */
export const REPLACEABLE: SpendLocks = { sequence: 0xffff_fffd, lockTime: 0 }

/** A kind of output, made and spent by a client library alone. */
export interface SpendKind {
  readonly name: string
  readonly script: Uint8Array
  /** The signed transaction that spends one such coin, as hex. */
  spend(coin: ClientCoin, outputs: readonly ClientOutput[], locks?: SpendLocks): string
}

/** A library for transactions; locked outputs are scripts with OP_CHECK…VERIFY of a lock. */
export interface ClientLibrary {
  readonly name: string
  readonly kinds: readonly SpendKind[]
  /** Spendable `blocks` after the coin was made. */
  relativelyLocked(blocks: number): SpendKind
  /** Spendable above this height, or after this median time past. */
  absolutelyLocked(lockTime: number): SpendKind
  /** OP_RETURN with data. */
  dataScript(data: Uint8Array): Uint8Array
}

/** A secret for tests; never of value anywhere. */
export function testSecret(seed: number): Uint8Array {
  return new Uint8Array(32).fill(seed)
}

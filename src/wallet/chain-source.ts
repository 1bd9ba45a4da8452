/**
 * What the wallet needs to know of the chain, as a port: the library's core never opens a socket.
 * `esplora-source.ts` answers over HTTP. Answers are believed as far as a wallet of this kind can:
 * values lie only at the cost of an invalid signature (taproot commits to every amount).
 */

import type { OutPoint } from '../bitcoin/transaction.ts'
import type { Txid } from '../primitives/hashes.ts'
import type { Sats } from '../primitives/units.ts'
import type { FeeRate } from './fee-rate.ts'

export interface SourceCoin {
  readonly outPoint: OutPoint
  readonly value: Sats
  /** undefined while unconfirmed */
  readonly height: number | undefined
}

export interface SourceOutput {
  readonly script: Uint8Array
  readonly value: Sats
}

export interface SourceTransaction {
  readonly txid: Txid
  readonly fee: Sats
  /** The outputs it spends; undefined for a coinbase's input. */
  readonly spent: readonly (SourceOutput | undefined)[]
  readonly outputs: readonly SourceOutput[]
  readonly height: number | undefined
  /** Seconds since the Unix epoch. */
  readonly blockTime: number | undefined
}

export interface ChainSource {
  /** Number of transactions, confirmed or not, that touch the script. */
  countTransactions(script: Uint8Array): Promise<number>
  listCoins(script: Uint8Array): Promise<readonly SourceCoin[]>
  /** Newest first, at most `limit`. */
  listTransactions(script: Uint8Array, limit: number): Promise<readonly SourceTransaction[]>
  /** For confirmation within the next few blocks. */
  estimateFeeRate(): Promise<FeeRate>
  /** @throws SourceError of kind `rejected` with the node's reason. */
  broadcast(transaction: Uint8Array): Promise<Txid>
}

export type SourceFailure = 'unreachable' | 'timeout' | 'refused' | 'rejected' | 'bad-answer'

export class SourceError extends Error {
  override readonly name = 'SourceError'
  readonly kind: SourceFailure
  /** HTTP status where there was one. */
  readonly status: number | undefined

  constructor(
    kind: SourceFailure,
    message: string,
    options: ErrorOptions & { readonly status?: number } = {},
  ) {
    super(message, options)
    this.kind = kind
    this.status = options.status
  }
}

/**
 * How access to L1 fails, one class for each thing that a member does about it: wait, refuse to
 * start, or report. `cause` holds the system's own error.
 */

import type { BlockHash } from '../../src/primitives/hashes.ts'

/** The L1 node is down, starting, too slow, or refuses our credentials: wait and try again. */
export class L1UnavailableError extends Error {
  override readonly name = 'L1UnavailableError'
}

/** The L1 node answers something that no L1 node may answer. */
export class L1ProtocolError extends Error {
  override readonly name = 'L1ProtocolError'
}

/** The L1 node follows another chain than the federation. */
export class L1WrongNetworkError extends Error {
  override readonly name = 'L1WrongNetworkError'
  readonly expectedGenesis: BlockHash
  /** Undefined when the node has no block 0. */
  readonly actualGenesis: BlockHash | undefined

  constructor(network: string, expectedGenesis: BlockHash, actualGenesis: BlockHash | undefined) {
    super(`the L1 node is not on ${network}: its block 0 is ${actualGenesis ?? 'missing'}`)
    this.expectedGenesis = expectedGenesis
    this.actualGenesis = actualGenesis
  }
}

/** The L1 node refused a call. `code` is bitcoind's (`rpc/protocol.h`). */
export class L1RpcError extends Error {
  override readonly name = 'L1RpcError'
  readonly method: string
  readonly code: number
  /** The node's own words, cut to a bounded length. */
  readonly reason: string

  constructor(method: string, code: number, reason: string) {
    super(`${method}: ${reason} (code ${code})`)
    this.method = method
    this.code = code
    this.reason = reason
  }
}

/** The settings for reaching L1 make no sense: the operator must correct them. */
export class L1ConfigurationError extends Error {
  override readonly name = 'L1ConfigurationError'
}

/** What an embedded regtest L1 left on disk cannot be read back. */
export class L1StoreError extends Error {
  override readonly name = 'L1StoreError'
}

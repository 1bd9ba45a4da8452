/** One RPC method of the embedded regtest node. */

import type { RegtestChain } from './regtest-chain.ts'
import type { RpcArguments } from './rpc-arguments.ts'

export interface RpcMethod {
  /** Their names, in order of position. */
  readonly parameters: readonly string[]
  /** The result, or a promise of it. @throws RpcFailure */
  readonly run: (chain: RegtestChain, args: RpcArguments) => unknown
}

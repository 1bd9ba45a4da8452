/** The whole validation of a block that arrives as bytes, each phase timed. Milliseconds. */

import { type Block, decodeBlock } from '../../src/chain/block.ts'
import type { ScriptVerification } from '../../src/chain/block-scripts.ts'
import {
  type ChainState,
  type ConnectedBlock,
  checkBinding,
  connectBlock,
} from '../../src/chain/connect-block.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import type { Rejection, Result } from '../../src/primitives/result.ts'

export interface Validation {
  readonly block: Block
  readonly verdict: Result<ConnectedBlock, Rejection>
  readonly decodeMs: number
  /** Ids, Merkle roots, coinbase. */
  readonly bindingMs: number
  /** Everything that needs the state. */
  readonly connectMs: number
  readonly totalMs: number
}

/** Decodes anew, so that no hash is remembered from an earlier round. @throws DecodeError */
export function validateBlock(
  params: ChainParams,
  state: ChainState,
  bytes: Uint8Array,
  verification: ScriptVerification,
): Validation {
  const startedMs = performance.now()
  const block = decodeBlock(bytes)
  const decodedMs = performance.now()
  const binding = checkBinding(block)
  const boundMs = performance.now()
  const verdict = binding.ok ? connectBlock(params, state, block, verification) : binding
  const connectedMs = performance.now()
  return {
    block,
    verdict,
    decodeMs: decodedMs - startedMs,
    bindingMs: boundMs - decodedMs,
    connectMs: connectedMs - boundMs,
    totalMs: connectedMs - startedMs,
  }
}

/**
 * BIP341 script trees: leaf and branch hashes, output keys, control blocks. The x-only keys and
 * hashes are 32 bytes.
 */

import { assert } from '../primitives/assert.ts'
import { compareBytes, concatBytes } from '../primitives/bytes.ts'
import type { CheckBatch } from '../primitives/check-batch.ts'
import { encodeWith } from '../primitives/codec.ts'
import { checkTweak, type TweakedKey, tweakXOnly } from '../primitives/secp256k1.ts'
import { taggedHash } from '../primitives/sha256.ts'

/** BIP342's leaf version. */
export const TAPSCRIPT_LEAF_VERSION = 0xc0

const CONTROL_BASE_BYTES = 33
const CONTROL_NODE_BYTES = 32
const CONTROL_NODES_MAX = 128
const LEAF_VERSION_MASK = 0xfe

/** TapLeaf over version and script. */
export function tapLeafHash(script: Uint8Array, leafVersion = TAPSCRIPT_LEAF_VERSION): Uint8Array {
  return taggedHash(
    'TapLeaf',
    encodeWith((writer) => writer.u8(leafVersion).varBytes(script)),
  )
}

/** TapBranch over two nodes, the smaller one first. */
export function tapBranchHash(a: Uint8Array, b: Uint8Array): Uint8Array {
  return compareBytes(a, b) < 0 ? taggedHash('TapBranch', a, b) : taggedHash('TapBranch', b, a)
}

function tapTweak(internal: Uint8Array, merkleRoot: Uint8Array): Uint8Array {
  return taggedHash('TapTweak', internal, merkleRoot)
}

/**
 * The output key of `internal` with a script tree; without one, of the key alone (BIP86).
 * Undefined when the key is not on the curve.
 */
export function taprootOutputKey(
  internal: Uint8Array,
  merkleRoot: Uint8Array = new Uint8Array(),
): TweakedKey | undefined {
  return tweakXOnly(internal, tapTweak(internal, merkleRoot))
}

/** What a script-path spend shows last: version and parity, internal key, path from the leaf up. */
export function controlBlock(
  internal: Uint8Array,
  parity: 0 | 1,
  path: readonly Uint8Array[] = [],
  leafVersion = TAPSCRIPT_LEAF_VERSION,
): Uint8Array {
  assert(internal.length === 32, 'an internal key is 32 bytes')
  assert(path.length <= CONTROL_NODES_MAX, 'a script tree is at most 128 deep')
  return concatBytes(Uint8Array.of(leafVersion | parity), internal, ...path)
}

/** A control block's parts, views of it. */
export interface ControlBlock {
  readonly leafVersion: number
  readonly parity: 0 | 1
  readonly internal: Uint8Array
  readonly path: readonly Uint8Array[]
}

/** Undefined unless 33 + 32k bytes, k 0 … 128. */
export function parseControlBlock(bytes: Uint8Array): ControlBlock | undefined {
  const [first] = bytes
  const nodes = (bytes.length - CONTROL_BASE_BYTES) / CONTROL_NODE_BYTES
  if (first === undefined || !Number.isInteger(nodes)) return undefined
  if (nodes < 0 || nodes > CONTROL_NODES_MAX) return undefined
  const path: Uint8Array[] = []
  for (let at = CONTROL_BASE_BYTES; at < bytes.length; at += CONTROL_NODE_BYTES) {
    path.push(bytes.subarray(at, at + CONTROL_NODE_BYTES))
  }
  return {
    leafVersion: first & LEAF_VERSION_MASK,
    parity: (first & 1) === 1 ? 1 : 0,
    internal: bytes.subarray(1, CONTROL_BASE_BYTES),
    path,
  }
}

/**
 * True when the control block proves that the leaf is part of the output key; with `checks`, true until
 * the batch has been answered.
 */
export function verifyTaprootCommitment(
  { internal, path, parity }: ControlBlock,
  leafHash: Uint8Array,
  outputKey: Uint8Array,
  checks?: CheckBatch,
): boolean {
  let node = leafHash
  for (const sibling of path) node = tapBranchHash(node, sibling)
  const tweak = tapTweak(internal, node)
  if (checks === undefined) return checkTweak(internal, tweak, outputKey, parity)
  checks.addTweak(internal, tweak, outputKey, parity)
  return true
}

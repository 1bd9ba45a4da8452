/** BIP341's wallet vectors: script trees, output keys, addresses and control blocks. */

import { describe, expect, it } from 'vitest'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { p2trScript } from '../../src/bitcoin/script.ts'
import {
  controlBlock,
  parseControlBlock,
  tapBranchHash,
  tapLeafHash,
  taprootOutputKey,
  verifyTaprootCommitment,
} from '../../src/bitcoin/taproot.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { loadVectors } from './vectors.ts'

interface Leaf {
  readonly script: string
  readonly leafVersion: number
}
type Tree = Leaf | readonly Tree[]

interface Vector {
  readonly given: { readonly internalPubkey: string; readonly scriptTree: Tree | null }
  readonly intermediary: { readonly merkleRoot: string | null; readonly tweakedPubkey: string }
  readonly expected: {
    readonly scriptPubKey: string
    readonly bip350Address: string
    readonly scriptPathControlBlocks?: readonly string[]
  }
}

interface Branch {
  readonly leaf: Leaf
  readonly path: readonly Uint8Array[]
}

const hashOf = (leaf: Leaf) => tapLeafHash(hexToBytes(leaf.script), leaf.leafVersion)

/** The tree's root, and every leaf with its path upwards, from left to right. */
function grow(tree: Tree): { root: Uint8Array; branches: Branch[] } {
  if ('script' in tree) return { root: hashOf(tree), branches: [{ leaf: tree, path: [] }] }
  const [left, right] = [grow(tree[0]!), grow(tree[1]!)]
  const under = (branches: Branch[], sibling: Uint8Array) =>
    branches.map(({ leaf, path }) => ({ leaf, path: [...path, sibling] }))
  return {
    root: tapBranchHash(left.root, right.root),
    branches: [...under(left.branches, right.root), ...under(right.branches, left.root)],
  }
}

const { scriptPubKey: vectors } = loadVectors('bitcoind/wallet_test_vectors.json') as {
  readonly scriptPubKey: readonly Vector[]
}

describe.each(vectors)("BIP341's output $expected.bip350Address", (vector) => {
  const internal = hexToBytes(vector.given.internalPubkey)
  const { scriptTree } = vector.given
  const tree = scriptTree === null ? undefined : grow(scriptTree)
  const output = taprootOutputKey(internal, tree?.root)!

  it('has the key, script and address of the vector', () => {
    expect(tree === undefined ? null : bytesToHex(tree.root)).toBe(vector.intermediary.merkleRoot)
    expect(bytesToHex(output.key)).toBe(vector.intermediary.tweakedPubkey)
    const script = p2trScript(output.key)
    expect(bytesToHex(script)).toBe(vector.expected.scriptPubKey)
    expect(encodeAddress(script, L1_ADDRESS_NETWORKS.mainnet)).toBe(vector.expected.bip350Address)
  })

  it('commits to each of its leaves', () => {
    const blocks = (tree?.branches ?? []).map(({ leaf, path }) =>
      controlBlock(internal, output.parity, path, leaf.leafVersion),
    )
    expect(blocks.map(bytesToHex)).toEqual(vector.expected.scriptPathControlBlocks ?? [])
    for (const [i, { leaf }] of (tree?.branches ?? []).entries()) {
      const control = parseControlBlock(blocks[i]!)!
      expect(control.leafVersion).toBe(leaf.leafVersion)
      expect(verifyTaprootCommitment(control, hashOf(leaf), output.key)).toBe(true)
      expect(verifyTaprootCommitment(control, hashOf(leaf), internal)).toBe(false)
      expect(verifyTaprootCommitment(control, output.key, output.key)).toBe(false)
      const other = { ...control, parity: control.parity === 0 ? 1 : 0 } as const
      expect(verifyTaprootCommitment(other, hashOf(leaf), output.key)).toBe(false)
    }
  })
})

describe('a control block', () => {
  it.each([0, 32, 34, 64, 66, 33 + 32 * 129])('is not %i bytes long', (length) => {
    expect(parseControlBlock(new Uint8Array(length))).toBeUndefined()
  })

  it.each([33, 65, 33 + 32 * 128])('may be %i bytes long', (length) => {
    const path = parseControlBlock(new Uint8Array(length))?.path
    expect(path?.length).toBe((length - 33) / 32)
  })
})

describe('an output key', () => {
  it('does not exist for an internal key off the curve', () => {
    expect(taprootOutputKey(new Uint8Array(32).fill(0xff))).toBeUndefined()
    expect(taprootOutputKey(new Uint8Array(32))).toBeUndefined()
  })
})

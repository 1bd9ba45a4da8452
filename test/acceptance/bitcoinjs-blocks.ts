/** Blocks and merkle proofs as served over HTTP, verified by bitcoinjs-lib and its hash alone. */

import { Block, crypto, Transaction } from 'bitcoinjs-lib'
import { expect } from 'vitest'
import { bytesToHex, concatBytes, hexToBytes, reverseBytes } from '../../src/primitives/bytes.ts'
import type { EsploraHttp } from './esplora-http.ts'

export interface BlockJson {
  readonly id: string
  readonly height: number
  readonly version: number
  readonly timestamp: number
  readonly tx_count: number
  readonly size: number
  readonly weight: number
  readonly merkle_root: string
  readonly previousblockhash: string | null
  readonly nonce: number
  readonly bits: number
}

/** The block at this height, byte for byte, against everything else that the API says of it. */
export async function verifyBlock(api: EsploraHttp, height: number): Promise<Block> {
  const hash = await api.text(`/block-height/${height}`)
  const raw = await api.bytes(`/block/${hash}/raw`)
  const block = Block.fromBuffer(raw)
  expect(block.toHex()).toBe(bytesToHex(raw))
  expect(block.getId()).toBe(hash)
  expect(block.toHex(true)).toBe(await api.text(`/block/${hash}/header`))
  // Merkle root; and the witness commitment, which any transaction with a witness asks for.
  expect(block.checkTxRoots()).toBe(true)

  const json = await api.json<BlockJson>(`/block/${hash}`)
  expect(json).toMatchObject({
    id: hash,
    height,
    version: block.version,
    timestamp: block.timestamp,
    nonce: block.nonce,
    bits: block.bits,
    size: raw.length,
    weight: block.weight(),
    merkle_root: displayed(block.merkleRoot),
    previousblockhash: height === 0 ? null : displayed(block.prevHash),
  })
  const transactions = block.transactions ?? []
  expect(json.tx_count).toBe(transactions.length)
  expect(await api.json(`/block/${hash}/txids`)).toEqual(transactions.map((each) => each.getId()))
  return block
}

/** The transaction's bytes in its own form, and its place in the block by its merkle proof. */
export async function verifyTransaction(
  api: EsploraHttp,
  block: Block,
  transaction: Transaction,
): Promise<void> {
  const txid = transaction.getId()
  const raw = await api.bytes(`/tx/${txid}/raw`)
  expect(Transaction.fromBuffer(raw).toHex()).toBe(transaction.toHex())
  expect(await api.text(`/tx/${txid}/hex`)).toBe(transaction.toHex())

  const proof = await api.json<{ merkle: string[]; pos: number }>(`/tx/${txid}/merkle-proof`)
  expect(block.transactions?.[proof.pos]?.getId()).toBe(txid)
  let node = transaction.getHash()
  let position = proof.pos
  for (const sibling of proof.merkle) {
    const other = reverseBytes(hexToBytes(sibling))
    node = crypto.hash256(position % 2 === 0 ? concatBytes(node, other) : concatBytes(other, node))
    position >>= 1
  }
  expect(node).toEqual(block.merkleRoot)
}

/** The usual reversed hex of a hash. */
function displayed(hash: Uint8Array | undefined): string {
  return hash === undefined ? '' : bytesToHex(reverseBytes(hash))
}

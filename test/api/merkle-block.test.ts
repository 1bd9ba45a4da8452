import { describe, expect, it } from 'vitest'
import { encodeMerkleBlock } from '../../src/api/merkle-block.ts'
import {
  decodeHeader,
  encodeHeader,
  headerHash,
  REGTEST_GENESIS_HEADER,
} from '../../src/bitcoin/header.ts'
import { merkleRoot } from '../../src/bitcoin/merkle.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { concatBytes, hexToBytes } from '../../src/primitives/bytes.ts'
import { ByteReader } from '../../src/primitives/codec.ts'
import {
  readTxid,
  reversedToBytes,
  type Txid,
  toTxid,
  txidFromBytes,
} from '../../src/primitives/hashes.ts'
import { sha256d } from '../../src/primitives/sha256.ts'
import { apiFixture } from '../support/api-fixture.ts'
import { storyChain } from '../support/chain-fixture.ts'

interface Extracted {
  readonly root: Txid
  readonly matched: readonly (readonly [number, Txid])[]
}

/** BIP37's reader, written from its text: uses up all hashes and flags. */
function extract(bytes: Uint8Array): Extracted {
  const reader = new ByteReader(bytes)
  reader.bytes(80)
  const total = reader.u32()
  const hashes = reader.list(100_000, readTxid)
  const flagBytes = reader.varBytes(100_000)
  reader.end()
  let usedFlags = 0
  let usedHashes = 0
  const matched: [number, Txid][] = []
  const width = (level: number): number => (total + 2 ** level - 1) >> level
  const walk = (level: number, position: number): Txid => {
    const flag = ((flagBytes[usedFlags >> 3]! >> (usedFlags & 7)) & 1) === 1
    usedFlags++
    if (level === 0 || !flag) {
      const hash = hashes[usedHashes++]!
      if (level === 0 && flag) matched.push([position, hash])
      return hash
    }
    const left = walk(level - 1, position * 2)
    const right = position * 2 + 1 < width(level - 1) ? walk(level - 1, position * 2 + 1) : left
    return txidFromBytes(sha256d(concatBytes(reversedToBytes(left), reversedToBytes(right))))
  }
  let height = 0
  while (width(height) > 1) height++
  const root = walk(height, 0)
  expect(usedHashes).toBe(hashes.length)
  expect(Math.ceil(usedFlags / 8)).toBe(flagBytes.length)
  return { root, matched }
}

describe('a merkleblock proof (BIP37)', () => {
  it('leads from every position of every small block to its root', () => {
    for (let count = 1; count <= 20; count++) {
      const ids = Array.from({ length: count }, (_, i) =>
        toTxid((i + 1).toString(16).padStart(64, '0')),
      )
      const { root } = merkleRoot(ids)
      for (const [position, id] of ids.entries()) {
        const extracted = extract(encodeMerkleBlock(REGTEST_GENESIS_HEADER, ids, position))
        expect(extracted, `${position} of ${count}`).toEqual({ root, matched: [[position, id]] })
      }
    }
  })

  it('of a block with one transaction is what bitcoind gives', () => {
    const id = REGTEST_GENESIS_HEADER.merkleRoot
    const bytes = encodeMerkleBlock(REGTEST_GENESIS_HEADER, [id], 0)
    const expected = concatBytes(
      encodeHeader(REGTEST_GENESIS_HEADER),
      hexToBytes('0100000001'),
      reversedToBytes(id),
      hexToBytes('0101'),
    )
    expect(bytes).toEqual(expected)
  })

  it('and the Electrum form are served for confirmed transactions', async () => {
    const { chain, payTx, waitingTx } = storyChain()
    const api = apiFixture(chain)
    const path = `/api/tx/${transactionId(payTx)}`
    const block = chain.blocks[2]!
    const bytes = hexToBytes(await api.text(`${path}/merkleblock-proof`))
    expect(headerHash(decodeHeader(bytes.subarray(0, 80)))).toBe(block.hash)
    expect(extract(bytes).root).toBe(block.block.header.merkleRoot)
    expect(await api.json(`${path}/merkle-proof`)).toEqual({
      block_height: 2,
      merkle: [transactionId(block.block.transactions[0]!)],
      pos: 1,
    })
    const waiting = await api.get(`/api/tx/${transactionId(waitingTx)}/merkle-proof`)
    expect(waiting.status).toBe(404)
  })
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { p2wpkhScript, withdrawScript } from '../../src/bitcoin/script.ts'
import {
  decodeTransaction,
  encodeTransaction,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import {
  type Block,
  blockHash,
  blockWeight,
  decodeBlock,
  encodeBitcoinBlock,
  encodeBlock,
} from '../../src/chain/block.ts'
import { genesisBlock } from '../../src/chain/genesis-state.ts'
import {
  EMPTY_L1_SECTION,
  encodeL1Section,
  type L1Section,
  readL1Section,
} from '../../src/chain/l1-section.ts'
import { MAX_BLOCK_BYTES } from '../../src/chain/params.ts'
import { currentVersion, openBatches } from '../../src/chain/peg/batches.ts'
import { depositScriptOf } from '../../src/chain/peg/key-epochs.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { DecodeError, decodeAll } from '../../src/primitives/codec.ts'
import { sats } from '../../src/primitives/units.ts'
import {
  aKeyEpoch,
  anL1Payment,
  aUser,
  mintedWorld,
  spend,
  type TestChain,
} from '../support/chain-world.ts'
import { reseal } from './block-surgery.ts'

const alice = aUser('alice')
/** Where the header's nonce stands: the one part of a block that is free. */
const NONCE = { from: 76, to: 80 }

/** A block with one of everything that a block can carry after the key, and the chain it extends. */
function fullBlock(): { chain: TestChain; block: Block } {
  const { chain, l1, coin } = mintedWorld(1_000_000n)
  const burn = spend(
    alice,
    [coin],
    [
      { value: sats(500_000), script: withdrawScript(p2wpkhScript(new Uint8Array(20))) },
      { value: sats(499_000), script: alice.script },
    ],
  )
  chain.extend({ transactions: [burn] })
  chain.extend()
  const [batch] = [...openBatches(chain.state.view)]
  if (batch === undefined) throw new TypeError('no batch')
  const { announcement } = aKeyEpoch(chain.params)
  const script = depositScriptOf(chain.params, announcement, alice.script)
  const deposit = anL1Payment('more', [{ value: sats(70_000), script }])
  l1.mine([currentVersion(batch).transaction, deposit])
  const claims = [{ vout: 0, keyEpoch: 0, recipient: alice.script }]
  const change = { outPoint: { txid: transactionId(burn), vout: 1 }, value: 499_000n }
  const built = chain.build({
    l1Section: {
      ...EMPTY_L1_SECTION,
      headers: chain.headersTo(l1),
      confirmations: [l1.prove(transactionId(currentVersion(batch).transaction))],
      deposits: [{ ...l1.prove(transactionId(deposit)), claims }],
    },
    transactions: [spend(alice, [change], [{ value: sats(498_000), script: alice.script }])],
  })
  if (!built.ok) throw new TypeError(`not built: ${built.error.code}`)
  return { chain, block: built.value }
}

const { chain, block } = fullBlock()
const bytes = encodeBlock(block)

/** Undefined for bytes that are refused; any other error is a crash. */
function decodedWith<T>(decode: (bytes: Uint8Array) => T, input: Uint8Array): T | undefined {
  try {
    return decode(input)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
const decodeOrUndefined = (input: Uint8Array): Block | undefined => decodedWith(decodeBlock, input)
const transactionOrUndefined = (input: Uint8Array): Transaction | undefined =>
  decodedWith(decodeTransaction, input)
const sectionOrUndefined = (input: Uint8Array): L1Section | undefined =>
  decodedWith((all) => decodeAll(all, readL1Section), input)

describe('the encoding of a block', () => {
  it('comes back as it was', () => {
    expect(decodeBlock(bytes)).toEqual(block)
    expect(encodeBlock(decodeBlock(bytes))).toEqual(bytes)
    expect(chain.check(decodeBlock(bytes)).ok).toBe(true)
    const genesis = genesisBlock(chain.params)
    expect(decodeBlock(encodeBlock(genesis))).toEqual(genesis)
  })

  it('has no other form, whatever byte is changed, and no change but the nonce is accepted', () => {
    const accepted: number[] = []
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [0x01, 0x80]) {
        const altered = bytes.slice()
        altered[at] = (altered[at] ?? 0) ^ flip
        const decoded = decodeOrUndefined(altered)
        if (decoded === undefined) continue
        expect(bytesToHex(encodeBlock(decoded))).toBe(bytesToHex(altered))
        if (!chain.check(decoded).ok) continue
        accepted.push(at)
        expect(blockHash(decoded)).not.toBe(blockHash(block))
      }
    }
    expect(accepted.every((at) => at >= NONCE.from && at < NONCE.to)).toBe(true)
  })

  it('lets nobody who seals garbage as a proposer crash a node', () => {
    const section = encodeL1Section(block.l1Section)
    for (let at = 0; at < section.length; at++) {
      const altered = section.slice()
      altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8))
      const l1Section = sectionOrUndefined(altered)
      if (l1Section === undefined) continue
      expect(chain.check(reseal(block, { l1Section })).ok).toBe(false)
    }
    for (const [index, transaction] of block.transactions.entries()) {
      if (index === 0) continue
      const encoded = encodeTransaction(transaction)
      for (let at = 0; at < encoded.length; at++) {
        const altered = encoded.slice()
        altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8))
        const decoded = transactionOrUndefined(altered)
        if (decoded === undefined) continue
        const others = block.transactions.slice(1).with(index - 1, decoded)
        expect(chain.check(reseal(block, { others })).ok).toBe(false)
      }
    }
  })

  it('bears no cut, no addition and no excess', () => {
    for (let length = 0; length < bytes.length; length += 7) {
      expect(() => decodeBlock(bytes.subarray(0, length))).toThrow(DecodeError)
    }
    expect(() => decodeBlock(new Uint8Array([...bytes, 0]))).toThrow(DecodeError)
    expect(() => decodeBlock(new Uint8Array(MAX_BLOCK_BYTES + 1))).toThrow('too long')
  })

  it('survives garbage: several bytes, pieces cut out, pieces doubled', () => {
    const place = fc.nat(bytes.length - 1)
    fc.assert(
      fc.property(place, place, fc.uint8Array({ maxLength: 40 }), (from, to, piece) => {
        const altered = new Uint8Array([
          ...bytes.subarray(0, from),
          ...piece,
          ...bytes.subarray(to),
        ])
        const decoded = decodeOrUndefined(altered)
        if (decoded === undefined || bytesToHex(altered) === bytesToHex(bytes)) return
        expect(bytesToHex(encodeBlock(decoded))).toBe(bytesToHex(altered))
        expect(chain.check(decoded).ok && from < NONCE.from).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })

  it('is Bitcoin’s for the header and the transactions', () => {
    const plain = encodeBitcoinBlock(block)
    const stripped = block.transactions.map((each) => ({
      ...each,
      inputs: each.inputs.map((input) => ({ ...input, witness: [] })),
    }))
    const base = encodeBitcoinBlock({ ...block, transactions: stripped })
    expect(blockWeight(block)).toBe(base.length * 3 + plain.length)
    expect(plain.subarray(0, 80)).toEqual(bytes.subarray(0, 80))
    expect(plain[80]).toBe(3)
  })
})

import { describe, expect, it } from 'vitest'
import { encodeHeader, REGTEST_GENESIS_HEADER } from '../../../src/bitcoin/header.ts'
import { buildMerkleProof, merkleRoot } from '../../../src/bitcoin/merkle.ts'
import {
  decodeTransaction,
  encodeTransaction,
  encodeTransactionWithoutWitness,
  type Transaction,
  transactionId,
} from '../../../src/bitcoin/transaction.ts'
import type { L1TransactionProof } from '../../../src/chain/l1-section.ts'
import { checkL1Proof } from '../../../src/chain/peg/l1-proof.ts'
import { EMPTY_STATE, NAMESPACE, numberStateKey, StateOverlay } from '../../../src/chain/state.ts'
import { concatBytes } from '../../../src/primitives/bytes.ts'
import { reversedToBytes, toTxid, txidFromBytes } from '../../../src/primitives/hashes.ts'
import { sha256d } from '../../../src/primitives/sha256.ts'
import { sats } from '../../../src/primitives/units.ts'
import { anL1Payment, aUser, TestL1 } from '../../support/chain-world.ts'

const script = aUser('alice').script
const payments = ['a', 'b', 'c', 'd'].map((name) =>
  anL1Payment(name, [{ value: sats(1_000), script }]),
)
const l1 = new TestL1()
l1.mine(payments)
const [, second] = payments
if (second === undefined) throw new TypeError('no payment')
const proof = l1.prove(transactionId(second))

function codeOf(altered: Partial<L1TransactionProof>): string {
  const overlay = new StateOverlay(EMPTY_STATE)
  for (const [height, header] of l1.headers.entries()) {
    overlay.put(numberStateKey(NAMESPACE.l1Header, height), encodeHeader(header))
  }
  const checked = checkL1Proof(overlay, { ...proof, ...altered })
  return checked.ok ? 'ok' : checked.error.code
}

function victim(lockTime: number): Transaction {
  if (second === undefined) throw new TypeError('no payment')
  return { ...second, lockTime }
}

/** A state whose L1 block 1 has this Merkle root. */
function under(root: Uint8Array): StateOverlay {
  const overlay = new StateOverlay(EMPTY_STATE)
  const header = { ...REGTEST_GENESIS_HEADER, merkleRoot: txidFromBytes(root) }
  overlay.put(numberStateKey(NAMESPACE.l1Header, 1), encodeHeader(header))
  return overlay
}

describe('a proof of an L1 transaction', () => {
  it('holds for every transaction of the block', () => {
    for (const payment of payments) expect(codeOf(l1.prove(transactionId(payment)))).toBe('ok')
  })

  it('stands under a header that is known', () => {
    expect(codeOf({ l1Height: 2 })).toBe('l1-proof-header-unknown')
    expect(codeOf({ l1Height: 0 })).toBe('l1-proof-merkle')
  })

  it('names the right place', () => {
    const { branch } = proof.merkle
    const { length } = branch
    for (let position = 0; position < 2 ** length; position++) {
      const expected = position === proof.merkle.position ? 'ok' : 'l1-proof-merkle'
      expect(codeOf({ merkle: { position, branch } })).toBe(expected)
    }
    expect(codeOf({ merkle: { position: 1, branch: branch.slice(1) } })).toBe('l1-proof-merkle')
    expect(codeOf({ merkle: { position: 2, branch: [...branch, toTxid('00'.repeat(32))] } })).toBe(
      'l1-proof-merkle',
    )
    expect(codeOf({ merkle: { position: 0, branch: [] } })).toBe('l1-proof-merkle')
  })

  it('knows no second place for the last of an odd number (CVE-2012-2459)', () => {
    // Five leaves: the tree also has the last one at 5, and its pair at 6 and 7.
    const last = payments.at(-1)
    if (last === undefined) throw new TypeError('no payment')
    const { merkle, ...rest } = l1.prove(transactionId(last))
    const { position, branch } = merkle
    expect([position, branch.length]).toEqual([4, 3])
    const at = (place: number): string => codeOf({ ...rest, merkle: { position: place, branch } })
    expect([4, 5, 6, 7].map(at)).toEqual([
      'ok',
      'l1-proof-merkle',
      'l1-proof-merkle',
      'l1-proof-merkle',
    ])
  })

  it('carries one transaction, without witness', () => {
    const bytes = proof.transaction
    expect(codeOf({ transaction: bytes.subarray(1) })).toBe('l1-proof-transaction')
    expect(codeOf({ transaction: concatBytes(bytes, Uint8Array.of(0)) })).toBe(
      'l1-proof-transaction',
    )
    expect(codeOf({ transaction: new Uint8Array() })).toBe('l1-proof-transaction')
    const witness = [new Uint8Array(64)]
    const signed = { ...second, inputs: second.inputs.map((input) => ({ ...input, witness })) }
    expect(transactionId(signed)).toBe(transactionId(second))
    expect(codeOf({ transaction: encodeTransaction(signed) })).toBe('l1-proof-transaction')
  })

  it('takes no inner node for a transaction: 64 bytes', () => {
    const small: Transaction = {
      ...second,
      outputs: [{ value: sats(1), script: Uint8Array.of(0x51, 2, 1, 1) }],
    }
    const transaction = encodeTransactionWithoutWitness(small)
    expect(transaction).toHaveLength(64)
    const root = sha256d(transaction)
    const merkle = { position: 0, branch: [] }
    const checked = checkL1Proof(under(root), { l1Height: 1, transaction, merkle })
    expect(checked).toMatchObject({ ok: false, error: { code: 'l1-proof-64-bytes' } })
  })

  it('is not spoiled by a neighbour that makes their parent look like one without outputs', () => {
    let lockTime = 0
    while (reversedToBytes(transactionId(victim(lockTime)))[4] !== 1) lockTime += 1
    const neighbour = new Uint8Array(32).fill(0xee)
    // One input whose script reaches to the sequence, then no outputs, then the lock time.
    neighbour[9] = 13
    neighbour[27] = 0
    const ids = [transactionId(victim(lockTime)), txidFromBytes(neighbour)]
    const root = reversedToBytes(merkleRoot(ids).root)
    const transaction = encodeTransactionWithoutWitness(victim(lockTime))
    const merkle = buildMerkleProof(ids, 0)
    expect(checkL1Proof(under(root), { l1Height: 1, transaction, merkle }).ok).toBe(true)
  })

  it('takes no transaction for an inner node (CVE-2017-12842)', () => {
    // A real transaction of 64 bytes, one half of which is the id of a payment that never was: its
    // own id, the leaf, passes for the parent of the forged payment and the other half.
    const other = concatBytes(new Uint8Array(9), Uint8Array.of(0), new Uint8Array(4))
    const output = Uint8Array.of(1, 7, 0, 0, 0, 0, 0, 0, 0, 4, 0x51, 2, 1, 1)
    const half = concatBytes(other, output, new Uint8Array(4))
    for (let i = 0, forged = false; !forged; i++) {
      const leaf = anL1Payment(`never was ${i}`, [{ value: sats(21e14), script }])
      const real = concatBytes(reversedToBytes(transactionId(leaf)), half)
      // An id can be the first half of a transaction when its fifth byte counts one input.
      forged = real[4] === 1
      if (forged) expect(decodeTransaction(real).outputs[0]?.value).toBe(7n)
      const checked = checkL1Proof(under(sha256d(real)), {
        l1Height: 1,
        transaction: encodeTransactionWithoutWitness(leaf),
        merkle: { position: 0, branch: [txidFromBytes(half)] },
      })
      expect(checked.ok ? 'ok' : checked.error.code).toBe(forged ? 'l1-proof-ambiguous' : 'ok')
    }
  })
})

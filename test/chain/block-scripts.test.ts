import { secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { p2trScript, p2wpkhScript } from '../../src/bitcoin/script.ts'
import { controlBlock } from '../../src/bitcoin/taproot.ts'
import { type Transaction, type TxOutput, transactionId } from '../../src/bitcoin/transaction.ts'
import { BlockScripts, PLAIN_VERIFICATION } from '../../src/chain/block-scripts.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { hashToBytes } from '../../src/primitives/hashes.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { hash160 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import { anOutPoint, aUser, secretOf, spend } from '../support/chain-world.ts'

const OP_1 = 0x51
const alice = aUser('alice')
const payment = spend(
  alice,
  [{ outPoint: anOutPoint('a coin'), value: 10_000n }],
  [{ value: sats(9_000n), script: alice.script }],
)

const withWitness = (witness: readonly Uint8Array[]): Transaction => ({
  ...payment,
  inputs: payment.inputs.map((input) => ({ ...input, witness })),
})

const coinsOf = (script: Uint8Array): readonly TxOutput[] => [{ value: sats(10_000n), script }]

/** Spends of which everything is well-formed, and one curve check does not hold. */
const FALSE_SPENDS: Readonly<Record<string, () => [Transaction, readonly TxOutput[]]>> = {
  SCHNORR_SIG: () => [withWitness([new Uint8Array(64).fill(1)]), coinsOf(alice.script)],
  SIG_NULLFAIL: () => {
    const secret = secretOf('bob')
    const key = secp256k1.getPublicKey(secret)
    const signature = secp256k1.sign(new Uint8Array(32), secret, { prehash: false, format: 'der' })
    const witness = [concatBytes(signature, Uint8Array.of(1)), key]
    return [withWitness(witness), coinsOf(p2wpkhScript(hash160(key)))]
  },
  WITNESS_PROGRAM_MISMATCH: () => {
    const key = hashToBytes(xOnlyPublicKey(secretOf('carol')))
    const witness = [Uint8Array.of(OP_1), controlBlock(key, 0)]
    return [withWitness(witness), coinsOf(p2trScript(key))]
  },
}

describe('the scripts of a block', () => {
  it.each(Object.entries(FALSE_SPENDS))('call a false check by its name: %s', (name, make) => {
    const [transaction, coins] = make()
    const scripts = new BlockScripts(PLAIN_VERIFICATION)
    expect(scripts.verify(payment, coinsOf(alice.script)).ok).toBe(true)
    // Nothing is known yet: the check has been put off.
    expect(scripts.verify(transaction, coins).ok).toBe(true)
    expect(scripts.settle()).toMatchObject({
      ok: false,
      error: {
        code: expect.stringContaining(`(${name})`),
        detail: expect.stringContaining(transactionId(transaction)),
      },
    })
  })

  it('name the first transaction of several that fail', () => {
    const scripts = new BlockScripts(PLAIN_VERIFICATION)
    for (const make of Object.values(FALSE_SPENDS)) scripts.verify(...make())
    expect(scripts.settle()).toMatchObject({
      error: { code: expect.stringContaining('(SCHNORR_SIG)') },
    })
  })

  it('hold when every check does', () => {
    const scripts = new BlockScripts(PLAIN_VERIFICATION)
    scripts.verify(payment, coinsOf(alice.script))
    expect(scripts.settle().ok).toBe(true)
  })
})

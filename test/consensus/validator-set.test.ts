import { describe, expect, it } from 'vitest'
import { checkValidatorSet, validatorSetHash } from '../../src/consensus/validator-set.ts'
import { toXOnlyKey } from '../../src/primitives/hashes.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'

const keys = [1, 2, 3, 4].map((i) => xOnlyPublicKey(new Uint8Array(32).fill(i)))

describe('validator set', () => {
  it('hashes to a pinned value', () => {
    expect(validatorSetHash({ epoch: 0, keys })).toMatchInlineSnapshot(
      `"34c21555c19c3c8b33fe48bfec596f2f185f04eaa7596a5e9a20165862261bd1"`,
    )
  })

  it('hash depends on epoch, order and membership', () => {
    const hashes = [
      validatorSetHash({ epoch: 0, keys }),
      validatorSetHash({ epoch: 1, keys }),
      validatorSetHash({ epoch: 0, keys: keys.toReversed() }),
      validatorSetHash({ epoch: 0, keys: keys.slice(1) }),
    ]
    expect(new Set(hashes).size).toBe(4)
  })

  it('accepts distinct curve points', () => {
    expect(checkValidatorSet({ epoch: 0, keys }).ok).toBe(true)
  })

  it.each([
    ['validator-set-size', []],
    ['validator-set-size', Array.from({ length: 257 }, () => keys[0]!)],
    ['validator-key-duplicate', [keys[0]!, keys[0]!]],
    ['validator-key-invalid', [toXOnlyKey('ff'.repeat(32))]],
  ])('refuses with %s', (code, bad) => {
    expect(checkValidatorSet({ epoch: 0, keys: bad })).toMatchObject({ ok: false, error: { code } })
  })
})

import { Transaction as OtherSigner } from '@scure/btc-signer'
import { Psbt } from 'bitcoinjs-lib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecoveryError } from '../../../federation/wallet/recovery-error.ts'
import { parseRecoveryLeaf, type RecoveryCoin } from '../../../federation/wallet/recovery-leaf.ts'
import {
  planRecovery,
  type RecoveryOrder,
  recoveryInputWeight,
} from '../../../federation/wallet/recovery-plan.ts'
import {
  combineRecoveryPsbts,
  encodeRecoveryPsbt,
  finishRecovery,
  readRecoveryPsbt,
  signRecoveryPsbt,
} from '../../../federation/wallet/recovery-psbt.ts'
import { p2wpkhScript } from '../../../src/bitcoin/script.ts'
import { transactionId, transactionWeight } from '../../../src/bitcoin/transaction.ts'
import { recoveryLeafScript } from '../../../src/chain/peg/deposit-address.ts'
import { depositScriptOf } from '../../../src/chain/peg/key-epochs.ts'
import { toXOnlyKey } from '../../../src/primitives/hashes.ts'
import { xOnlyPublicKey } from '../../../src/primitives/secp256k1.ts'
import { sats } from '../../../src/primitives/units.ts'
import { aKeyEpoch, anOutPoint, aUser, secretOf, testParams } from '../../support/chain-world.ts'
import { seededRandom } from '../signing/test-federation.ts'

const params = testParams()
const network = { chainId: params.chainId, recovery: params.peg.recovery }
const { delayBlocks, keys, threshold } = network.recovery
const { announcement } = aKeyEpoch(params)
const random = { bytes: seededRandom('recovery') }
const L1_HEIGHT = 100

function coin(name: string, value: bigint, l1Height = L1_HEIGHT): RecoveryCoin {
  const recipient = aUser('alice').script
  return {
    outPoint: anOutPoint(name),
    value: sats(value),
    script: depositScriptOf(params, announcement, recipient),
    keyEpoch: 0,
    groupKey: announcement.groupKey,
    recipient,
    l1Height,
  }
}

const order: RecoveryOrder = {
  to: p2wpkhScript(new Uint8Array(20).fill(1)),
  feeRate: 2_000n,
  l1TipHeight: L1_HEIGHT + delayBlocks - 1,
}

function planned(coins: readonly RecoveryCoin[] = [coin('a', 100_000n), coin('b', 50_000n)]) {
  const [only] = planRecovery(network, coins, order).transactions
  return only!
}

const unsigned = (): string => encodeRecoveryPsbt(network, planned())
const signed = (file: string, ...indexes: readonly number[]): string =>
  indexes.reduce(
    (now, index) => signRecoveryPsbt(now, { secret: secretOf(`recovery ${index}`), random }),
    file,
  )

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof RecoveryError) return error.code
    throw error
  }
  return 'nothing thrown'
}

/** The file with some fields of its first input replaced. */
function forged(file: string, change: Partial<Psbt['data']['inputs'][number]>): string {
  const psbt = Psbt.fromBase64(file)
  Object.assign(psbt.data.inputs[0]!, change)
  return psbt.toBase64()
}

describe('a plan', () => {
  it('takes the open coins, and says which are not open or too small', () => {
    const late = coin('late', 70_000n, L1_HEIGHT + 1)
    const crumb = coin('crumb', 100n)
    const plan = planRecovery(network, [late, crumb, coin('a', 100_000n)], order)
    expect(plan).toMatchObject({ tooSmall: [crumb], notOpen: [late] })
    const [only] = plan.transactions
    expect(only!.transaction).toMatchObject({ version: 2, inputs: [{ sequence: delayBlocks }] })
    expect(only!.transaction.outputs[0]!.value + only!.fee).toBe(100_000n)
  })

  it('is the same whatever the order of the coins', () => {
    const coins = ['a', 'b', 'c'].map((name) => coin(name, 60_000n))
    const ids = [coins, coins.toReversed()].map((list) => transactionId(planned(list).transaction))
    expect(ids[0]).toBe(ids[1])
  })

  it('refuses what would come too early, or to nothing', () => {
    const plan = (coins: readonly RecoveryCoin[], change: Partial<RecoveryOrder> = {}) =>
      codeOf(() => planRecovery(network, coins, { ...order, ...change }))
    expect(plan([])).toBe('no-coins')
    expect(plan([coin('a', 100_000n)], { l1TipHeight: order.l1TipHeight - 1 })).toBe('not-open')
    expect(plan([coin('a', 400n)])).toBe('dust')
    expect(plan([coin('a', 100n)])).toBe('dust')
    expect(plan([coin('a', 100_000n)], { feeRate: 1_000_000n })).toBe('dust')
    const costly = { feeRate: 100_000n }
    expect(plan([coin('a', 100_000n)], costly)).toBe('high-fee')
    expect(plan([coin('a', 100_000n)], { ...costly, mayCostMuch: true })).toBe('nothing thrown')
  })

  it('is split where it would be too heavy to be relayed', () => {
    const count = 2_000
    const coins = Array.from({ length: count }, (_, i) => coin(`coin ${i}`, 10_000n))
    const { transactions } = planRecovery(network, coins, order)
    expect(transactions.length).toBe(3)
    expect(transactions.reduce((sum, each) => sum + each.coins.length, 0)).toBe(count)
    for (const { transaction } of transactions) {
      const added = recoveryInputWeight(network) - (36 + 1 + 4) * 4
      const weight = transactionWeight(transaction) + transaction.inputs.length * added + 2
      expect(weight).toBeLessThan(400_000)
    }
  })

  it('knows the weight before anybody signs', () => {
    const { transaction, fee } = planned()
    const finished = finishRecovery(signed(encodeRecoveryPsbt(network, planned()), 0, 1))
    expect(finished.inputs.length).toBe(transaction.inputs.length)
    const paid = (Number(fee) * 1_000) / Math.ceil(transactionWeight(finished) / 4)
    expect(paid).toBeGreaterThanOrEqual(2_000)
    expect(paid).toBeLessThan(2_050)
  })
})

describe('a recovery file', () => {
  it('is signed by any two of three, in any order, and the transaction verifies', () => {
    for (const pair of [
      [0, 1],
      [1, 2],
      [2, 0],
    ]) {
      const file = signed(unsigned(), ...pair)
      expect(readRecoveryPsbt(file, network.recovery).signers).toEqual(
        keys.filter((_, i) => pair.includes(i)),
      )
      expect(finishRecovery(file).inputs[0]!.witness.length).toBe(keys.length + 2)
    }
    const all = signed(unsigned(), 0, 1, 2, 2)
    expect(readRecoveryPsbt(all).signers).toEqual(keys)
    const { witness } = finishRecovery(all).inputs[0]!
    expect(witness.slice(0, 3).filter(({ length }) => length === 64).length).toBe(threshold)
  })

  it('can be signed apart and put together', () => {
    const file = unsigned()
    const parts = [signed(file, 2), signed(file, 1), file]
    const both = combineRecoveryPsbts(parts)
    expect(transactionId(finishRecovery(both))).toBe(transactionId(planned().transaction))
    const other = encodeRecoveryPsbt(network, planned([coin('c', 80_000n)]))
    expect(codeOf(() => combineRecoveryPsbts([file, other]))).toBe('different-transactions')
    expect(codeOf(() => combineRecoveryPsbts([]))).toBe('bad-psbt')
  })

  it('takes the signatures of other programs', () => {
    const theirs = OtherSigner.fromPSBT(Uint8Array.from(atob(unsigned()), (c) => c.charCodeAt(0)))
    theirs.sign(secretOf('recovery 1'))
    const file = btoa(String.fromCharCode(...theirs.toPSBT()))
    expect(readRecoveryPsbt(file).signers).toEqual([keys[1]])
    expect(finishRecovery(signed(file, 0)).inputs.length).toBe(2)
  })

  it('needs enough signatures of the right keys on every input', () => {
    expect(codeOf(() => finishRecovery(unsigned()))).toBe('too-few-signatures')
    expect(codeOf(() => finishRecovery(signed(unsigned(), 0)))).toBe('too-few-signatures')
    const stranger = { secret: secretOf('validator 0'), random }
    expect(codeOf(() => signRecoveryPsbt(unsigned(), stranger))).toBe('wrong-key')
    const [, second] = Psbt.fromBase64(signed(unsigned(), 0, 1)).data.inputs
    const swapped = forged(signed(unsigned(), 0, 1), { tapScriptSig: second!.tapScriptSig! })
    expect(codeOf(() => finishRecovery(swapped))).toBe('wrong-signature')
  })

  it('of another network, or with terms that are not its own, is not signed', () => {
    const other = { ...network.recovery, delayBlocks: delayBlocks + 1 }
    expect(codeOf(() => readRecoveryPsbt(unsigned(), other))).toBe('other-network')
    const { tapLeafScript, witnessUtxo } = Psbt.fromBase64(unsigned()).data.inputs[0]!
    const [leaf] = tapLeafScript!
    const script = recoveryLeafScript({ ...network.recovery, threshold: 1 })
    const weaker = forged(unsigned(), { tapLeafScript: [{ ...leaf!, script }] })
    expect(codeOf(() => readRecoveryPsbt(weaker))).toBe('bad-psbt')
    const elsewhere = forged(unsigned(), {
      witnessUtxo: { ...witnessUtxo!, script: aUser('x').script },
    })
    expect(codeOf(() => readRecoveryPsbt(elsewhere))).toBe('bad-psbt')
    // A signature commits to the amounts, so a lie about one spoils it.
    const richer = forged(signed(unsigned(), 0), {
      witnessUtxo: { ...witnessUtxo!, value: witnessUtxo!.value + 1n },
    })
    expect(codeOf(() => readRecoveryPsbt(richer))).toBe('wrong-signature')
  })

  it('throws only RecoveryError, whatever it holds', () => {
    const file = unsigned()
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.base64String({ maxLength: 40 }), (at, noise) => {
        const mixed = file.slice(0, at) + noise + file.slice(at + noise.length)
        codeOf(() => readRecoveryPsbt(mixed))
        codeOf(() => readRecoveryPsbt(noise))
      }),
      { numRuns: 200 },
    )
  })

  it('is refused for a coin that pays nobody here', () => {
    const foreign = { ...coin('a', 100_000n), script: aUser('x').script }
    const { transaction, fee } = planned([foreign])
    expect(codeOf(() => encodeRecoveryPsbt(network, { transaction, fee, coins: [foreign] }))).toBe(
      'address-mismatch',
    )
  })
})

describe('a recovery leaf', () => {
  it('is read back, and nothing else is', () => {
    for (const delay of [1, 16, 17, 127, 128, 255, 256, 4_320, 65_535]) {
      for (const count of [1, 3, 16, 32]) {
        const policy = {
          delayBlocks: delay,
          threshold: Math.ceil(count / 2),
          keys: Array.from({ length: count }, (_, i) =>
            toXOnlyKey(xOnlyPublicKey(secretOf(`k${i}`))),
          ),
        }
        expect(parseRecoveryLeaf(recoveryLeafScript(policy))).toEqual(policy)
      }
    }
    const script = recoveryLeafScript(network.recovery)
    fc.assert(
      fc.property(fc.nat(script.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const changed = script.slice()
        changed[at]! ^= bits
        const policy = parseRecoveryLeaf(changed)
        if (policy !== undefined) expect(recoveryLeafScript(policy)).toEqual(changed)
        expect(parseRecoveryLeaf(script.subarray(0, at))).toBeUndefined()
      }),
    )
  })
})

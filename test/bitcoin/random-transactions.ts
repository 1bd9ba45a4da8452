/** Arbitrary transactions for property tests. */

import * as fc from 'fast-check'
import type { Transaction } from '../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { toTxid } from '../../src/primitives/hashes.ts'
import { sats } from '../../src/primitives/units.ts'

const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const bytes = (maxLength: number) => fc.uint8Array({ maxLength })

const outPoints = fc.record({
  txid: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((id) => toTxid(bytesToHex(id))),
  vout: u32,
})

const inputs = fc.record({
  prevout: outPoints,
  scriptSig: bytes(40),
  sequence: u32,
  witness: fc.array(bytes(300), { maxLength: 4 }),
})

/** Like Bitcoin's amounts: 0 to 21e14. */
const amounts = fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }).map(sats)

export const outputs = fc.record({ value: amounts, script: bytes(50) })

/** At least one input and one output. */
export function transactions(): fc.Arbitrary<Transaction> {
  return fc.record({
    version: u32,
    inputs: fc.array(inputs, { minLength: 1, maxLength: 4 }),
    outputs: fc.array(outputs, { minLength: 1, maxLength: 4 }),
    lockTime: u32,
  })
}

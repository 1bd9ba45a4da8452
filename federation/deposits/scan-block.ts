/** Which outputs of an L1 block pay watched deposit addresses. Pure. */

import { type Transaction, transactionId } from '../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import type { Registration, SeenDeposit } from './deposit-book.ts'

/** `registrations` is keyed by the address's output script in hex. */
export function scanBlock(
  transactions: readonly Transaction[],
  l1Height: number,
  registrations: ReadonlyMap<string, Registration>,
): readonly SeenDeposit[] {
  const found: SeenDeposit[] = []
  for (const [position, transaction] of transactions.entries()) {
    for (const [vout, output] of transaction.outputs.entries()) {
      const registration = registrations.get(bytesToHex(output.script))
      if (registration === undefined) continue
      found.push({
        ...registration,
        outPoint: { txid: transactionId(transaction), vout },
        value: output.value,
        l1Height,
        position,
      })
    }
  }
  return found
}

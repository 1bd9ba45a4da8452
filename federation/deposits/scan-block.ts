/** Which outputs of an L1 block pay watched deposit addresses. Pure. */

import { type Transaction, transactionId } from '../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import type { Registration, SeenDeposit } from './deposit-records.ts'

/** Deposit addresses are P2TR: OP_1 and a push of 32 bytes. */
const SCRIPT_BYTES = 34

/**
 * `registrations` is keyed by the address's output script in hex. Outputs of nothing are no deposits,
 * and change of the federation's own transactions is no gift.
 */
export function scanBlock(
  transactions: readonly Transaction[],
  l1Height: number,
  registrations: ReadonlyMap<string, Registration>,
  isOwn: (transaction: Transaction) => boolean,
): readonly SeenDeposit[] {
  const found: SeenDeposit[] = []
  for (const [position, transaction] of transactions.entries()) {
    for (const [vout, output] of transaction.outputs.entries()) {
      if (output.script.length !== SCRIPT_BYTES || output.value === 0n) continue
      const registration = registrations.get(bytesToHex(output.script))
      if (registration === undefined) continue
      if (registration.recipient.length === 0 && isOwn(transaction)) continue
      const { keyEpoch, recipient, script } = registration
      found.push({
        keyEpoch,
        recipient,
        script,
        outPoint: { txid: transactionId(transaction), vout },
        value: output.value,
        l1Height,
        position,
      })
    }
  }
  return found
}

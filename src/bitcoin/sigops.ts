/**
 * The signature operations that a block limit counts (BIP141): one for P2WPKH, the accurate count
 * of the witness script for P2WSH. Taproot pays with its witness weight instead (BIP342).
 */

import { Opcode, readOperation } from './opcodes.ts'
import { classifyOutput } from './script.ts'
import type { Transaction, TxOutput } from './transaction.ts'

/** What CHECKMULTISIG counts where its number of keys is not a constant. */
const MULTISIG_SIGOPS_MAX = 20

/** Over all inputs. `spentOutputs` holds what every input spends, in order. */
export function countSigops(transaction: Transaction, spentOutputs: readonly TxOutput[]): number {
  let count = 0
  for (const [index, input] of transaction.inputs.entries()) {
    const spent = spentOutputs[index]
    if (spent === undefined) continue
    const { kind } = classifyOutput(spent.script)
    if (kind === 'p2wpkh') count += 1
    if (kind === 'p2wsh') count += countScriptSigops(input.witness.at(-1) ?? new Uint8Array())
  }
  return count
}

/** Core's GetSigOpCount(true); counting stops at a push that is cut short. */
function countScriptSigops(script: Uint8Array): number {
  let count = 0
  let previous = 0
  let offset = 0
  while (offset < script.length) {
    const operation = readOperation(script, offset)
    if (operation === undefined) break
    count += opcodeSigops(operation.opcode, previous)
    previous = operation.opcode
    offset = operation.next
  }
  return count
}

function opcodeSigops(opcode: number, previous: number): number {
  switch (opcode) {
    case Opcode.OP_CHECKSIG:
    case Opcode.OP_CHECKSIGVERIFY:
      return 1
    case Opcode.OP_CHECKMULTISIG:
    case Opcode.OP_CHECKMULTISIGVERIFY: {
      const isConstant = previous >= Opcode.OP_1 && previous <= Opcode.OP_16
      return isConstant ? previous - Opcode.OP_1 + 1 : MULTISIG_SIGOPS_MAX
    }
    default:
      return 0
  }
}

/**
 * The signature operations that a block limit counts: curve checks that an input can ask for, by the
 * look of its scripts alone. Witness v0 counts as in BIP141: one for P2WPKH, the accurate count of
 * the witness script for P2WSH. Taproot counts too, unlike on Bitcoin, where only BIP342's budget
 * bounds it: one for the key path; for a script path one for the commitment to the script, and one
 * for each CHECKSIG, CHECKSIGVERIFY and CHECKSIGADD of the script, whether it runs or not.
 */

import { Opcode, readOperation } from './opcodes.ts'
import { outputKind } from './script.ts'
import type { Transaction, TxOutput } from './transaction.ts'

/** What CHECKMULTISIG counts where its number of keys is not a constant. */
const MULTISIG_SIGOPS_MAX = 20

/** What an opcode counts, given the opcode before it. */
type OpcodeCount = (opcode: number, previous: number) => number

/** Over all inputs. `spentOutputs` holds what every input spends, in order. */
export function countSigops(transaction: Transaction, spentOutputs: readonly TxOutput[]): number {
  let count = 0
  for (let index = 0; index < spentOutputs.length; index++) {
    const spent = spentOutputs[index]
    const witness = transaction.inputs[index]?.witness
    if (spent === undefined || witness === undefined) continue
    const kind = outputKind(spent.script)
    if (kind === 'p2wpkh') count += 1
    if (kind === 'p2wsh') count += countScript(witness.at(-1), witnessV0Count)
    if (kind === 'p2tr') count += countTaproot(witness)
  }
  return count
}

/** An annex would move the script by one place, but an input with an annex is invalid here. */
function countTaproot(witness: readonly Uint8Array[]): number {
  // BIP341: one item is a signature for the output key; else the script is before the control block.
  return 1 + (witness.length < 2 ? 0 : countScript(witness.at(-2), tapscriptCount))
}

/** Core's GetSigOpCount(true); counting stops at a push that is cut short, which no script survives. */
function countScript(script: Uint8Array | undefined, countOf: OpcodeCount): number {
  if (script === undefined) return 0
  let count = 0
  let previous = 0
  let offset = 0
  while (offset < script.length) {
    const operation = readOperation(script, offset)
    if (operation === undefined) break
    count += countOf(operation.opcode, previous)
    previous = operation.opcode
    offset = operation.next
  }
  return count
}

function witnessV0Count(opcode: number, previous: number): number {
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

/** BIP342: CHECKMULTISIG does not exist, so it asks for nothing. */
function tapscriptCount(opcode: number): number {
  switch (opcode) {
    case Opcode.OP_CHECKSIG:
    case Opcode.OP_CHECKSIGVERIFY:
    case Opcode.OP_CHECKSIGADD:
      return 1
    default:
      return 0
  }
}

/** Hash opcodes. Their cost is bounded per input, because hashing is slow beside its weight. */

import { hash160, ripemd160, sha1, sha256, sha256d } from '../primitives/sha256.ts'
import { Opcode } from './opcodes.ts'
import { needing, type Operation } from './script-machine.ts'

/** Consensus-critical: what a hash opcode costs beside its data. */
const HASH_COST_BASE = 2
/** Consensus-critical: bytes of data that cost one more. */
const HASH_BLOCK_BYTES = 64
/** Consensus-critical: what every input may spend on hash opcodes. */
const HASH_BUDGET_BASE = 200
/** Consensus-critical: weight units of an input's witness that pay for one more. */
const WITNESS_WEIGHT_PER_HASH_COST = 2

/** The hash budget of an input whose serialised witness has this many bytes (= weight units). */
export function hashBudget(witnessBytes: number): number {
  return HASH_BUDGET_BASE + Math.floor(witnessBytes / WITNESS_WEIGHT_PER_HASH_COST)
}

function hashing(hash: (data: Uint8Array) => Uint8Array): Operation {
  return needing(1, (machine) => {
    const data = machine.pop()
    const cost = HASH_COST_BASE + Math.ceil(data.length / HASH_BLOCK_BYTES)
    if (!machine.chargeHash(cost)) return 'HASH_BUDGET'
    return machine.push(hash(data))
  })
}

export const HASH_OPERATIONS: ReadonlyMap<number, Operation> = new Map([
  [Opcode.OP_RIPEMD160, hashing(ripemd160)],
  [Opcode.OP_SHA1, hashing(sha1)],
  [Opcode.OP_SHA256, hashing(sha256)],
  [Opcode.OP_HASH160, hashing(hash160)],
  [Opcode.OP_HASH256, hashing(sha256d)],
])

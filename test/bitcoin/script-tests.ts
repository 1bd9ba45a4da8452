/** The rows of Bitcoin Core's script_tests, and their legacy scripts recast as witness scripts. */

import { isMinimalPush, Opcode, readOperation } from '../../src/bitcoin/opcodes.ts'
import { classifyOutput } from '../../src/bitcoin/script.ts'
import { loadVectors, parseScript } from './vectors.ts'

type Row = readonly (string | readonly (string | number)[])[]

export interface ScriptVector {
  readonly witness: readonly string[] | undefined
  readonly amount: number
  readonly scriptSig: string
  readonly scriptPubKey: string
  readonly flags: string
  readonly expected: string
  readonly comment: string
}

export function readScriptTests(): ScriptVector[] {
  const rows = (loadVectors('bitcoind/script_tests.json') as readonly Row[]).filter(
    (r) => r.length > 3,
  )
  return rows.map((row) => {
    const first = row[0]
    const hasWitness = typeof first !== 'string'
    const [scriptSig = '', scriptPubKey = '', flags = '', expected = '', comment = ''] = (
      hasWitness ? row.slice(1) : row
    ).map(String)
    const items = hasWitness ? [...(first ?? [])] : []
    const amount = Number(items.pop() ?? 0)
    const witness = hasWitness ? items.map(String) : undefined
    return { witness, amount, scriptSig, scriptPubKey, flags, expected, comment }
  })
}

export interface RecastScript {
  /** Bottom first. */
  readonly stack: readonly Uint8Array[]
  readonly script: Uint8Array
}

/** A legacy script as a witness script, with what its scriptSig pushes; undefined where it has none. */
export function recast(vector: ScriptVector): RecastScript | undefined {
  const script = parseScript(vector.scriptPubKey)
  if (vector.witness !== undefined || classifyOutput(script).kind === 'p2sh') return undefined
  const stack = pushesOf(parseScript(vector.scriptSig))
  return stack === undefined ? undefined : { stack, script }
}

/** Undefined unless the script consists of minimal pushes. */
function pushesOf(script: Uint8Array): Uint8Array[] | undefined {
  const stack: Uint8Array[] = []
  let offset = 0
  while (offset < script.length) {
    const operation = readOperation(script, offset)
    if (operation === undefined) return undefined
    const { opcode, data, next } = operation
    const isNumber = opcode === Opcode.OP_1NEGATE || (opcode > 0x50 && opcode <= Opcode.OP_16)
    if (isNumber) stack.push(Uint8Array.of(opcode === Opcode.OP_1NEGATE ? 0x81 : opcode - 0x50))
    else if (data !== undefined && isMinimalPush(opcode, data)) stack.push(data)
    else return undefined
    offset = next
  }
  return stack
}

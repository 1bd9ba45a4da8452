/**
 * The published test vectors, from the data files of the bitcore-lib package (never its code), and
 * the words they use. How its copies differ from Bitcoin Core's current ones is said where it matters.
 */

import { createRequire } from 'node:module'
import { Opcode } from '../../src/bitcoin/opcodes.ts'
import { minimalPush } from '../../src/bitcoin/script.ts'
import { ScriptFlag, type ScriptFlags } from '../../src/bitcoin/script-flags.ts'
import type { Transaction } from '../../src/bitcoin/transaction.ts'
import { concatBytes, hexToBytes, utf8 } from '../../src/primitives/bytes.ts'

const require = createRequire(import.meta.url)

export function loadVectors(name: string): unknown {
  return require(`bitcore-lib/test/data/${name}`)
}

/** Rules that this engine always keeps: vectors may name them, but nothing is switched. */
const ALWAYS_ON = new Set([
  'P2SH',
  'WITNESS',
  'TAPROOT',
  'CLEANSTACK',
  'SIGPUSHONLY',
  'CONST_SCRIPTCODE',
  'DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM',
])

export function parseFlags(text: string): ScriptFlags {
  let flags = 0
  for (const name of text.split(',')) {
    if (name === '' || name === 'NONE' || ALWAYS_ON.has(name)) continue
    const flag = Object.entries(ScriptFlag).find(([known]) => known === name)
    if (flag === undefined) throw new RangeError(`unknown flag ${name}`)
    flags |= flag[1]
  }
  return flags
}

/** Core's script text: 0x raw bytes, 'quoted' pushes, decimal numbers, opcode names without OP_. */
export function parseScript(text: string): Uint8Array {
  return concatBytes(
    ...text
      .split(' ')
      .filter((word) => word !== '')
      .map(parseWord),
  )
}

function parseWord(word: string): Uint8Array {
  if (word.startsWith('0x')) return hexToBytes(word.slice(2).toLowerCase())
  if (/^'.*'$/.test(word)) return minimalPush(utf8(word.slice(1, -1)))
  if (/^-?\d+$/.test(word)) return minimalPush(encodeNumber(BigInt(word)))
  const name = word.startsWith('OP_') ? word : `OP_${word}`
  const found = Object.entries({ ...Opcode, ...SYNONYMS }).find(([known]) => known === name)
  if (found === undefined) throw new RangeError(`unknown word ${word}`)
  return Uint8Array.of(found[1])
}

/** The vectors' numbers go beyond what the chain's own encoder is for. */
function encodeNumber(value: bigint): Uint8Array {
  const bytes: number[] = []
  for (let rest = value < 0n ? -value : value; rest > 0n; rest >>= 8n) {
    bytes.push(Number(rest & 0xffn))
  }
  const last = bytes.at(-1) ?? 0
  if (last >= 0x80) bytes.push(0)
  if (value < 0n) bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80
  return Uint8Array.from(bytes)
}

const SYNONYMS = { OP_NOP2: 0xb1, OP_NOP3: 0xb2 }

/** The transaction with another scriptSig and witness in one input. */
export function withInput(
  transaction: Transaction,
  index: number,
  scriptSig: Uint8Array,
  witness: readonly Uint8Array[],
): Transaction {
  const inputs = transaction.inputs.map((input, i) =>
    i === index ? { ...input, scriptSig, witness } : input,
  )
  return { ...transaction, inputs }
}

/** Shows in the test's output how many vectors of a set came out how, or say nothing about this chain. */
export function printCounts(set: string, counts: ReadonlyMap<string, number>): void {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const rows = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const lines = rows.map(([what, count]) => `${String(count).padStart(7)}  ${what}`)
  process.stdout.write(`\n${set}: ${total}\n${lines.join('\n')}\n`)
}

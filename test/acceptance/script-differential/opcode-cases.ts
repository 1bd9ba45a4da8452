/** Every opcode byte, in witness v0 and in tapscript: executed over stacks of 0 to 6 items, and in a branch not taken. */

import { minimalPush } from '../../../src/bitcoin/script.ts'
import { concatBytes, hexToBytes } from '../../../src/primitives/bytes.ts'
import { leafCase, type SpendCase, scriptHashCase } from './spend-case.ts'

/** Numbers at their limits, in good and bad encodings, and things that are no numbers. */
export const INTERESTING_ITEMS: readonly Uint8Array[] = [
  '',
  '00',
  '01',
  '02',
  '03',
  '10',
  '14',
  '80',
  '81',
  '82',
  '0100',
  '0080',
  '7f',
  'ff00',
  'ff80',
  'ffff00',
  'ffffff7f',
  'ffffffff',
  'feffff7f',
  '00000080',
  '0000008000',
  '0000008080',
  'ffffffff7f',
  'ffffffffff',
  '000000000001',
  'abcdef',
  '00'.repeat(20),
  'aa'.repeat(33),
].map(hexToBytes)

/** What follows the opcode, so that its result decides. */
const TAILS: readonly (readonly number[])[] = [
  [],
  [0x51],
  [0x75, 0x51],
  [0x91],
  [0x6d, 0x51],
  [0x82, 0x9c],
  [0x87],
  [0x74, 0x53, 0x87],
  [0x69, 0x51],
  [0x6c, 0x87],
]

const STACK_DEPTHS = [0, 1, 2, 3, 4, 6]

/** Deterministic for a seed (Marsaglia's xorshift); 0 … bound-1. */
export function createDraw(seed: number): (bound: number) => number {
  let state = seed >>> 0 || 1
  return (bound) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % bound
  }
}

/** For every opcode and form: one case in a branch not taken, and `rounds` for each depth of stack. */
export function opcodeCases(rounds: number, seed: number): SpendCase[] {
  const draw = createDraw(seed)
  const pick = <T>(from: readonly T[]): T => from[draw(from.length)] as T
  return Array.from({ length: 256 }, (_, opcode) => opcode).flatMap((opcode) => {
    const name = `opcode ${opcode.toString(16).padStart(2, '0')}`
    // In the branch not taken stands whatever a push would swallow.
    const skipped = Uint8Array.of(0x00, 0x63, opcode, 0x68, 0x51)
    const cases = [
      scriptHashCase(`${name}, not executed`, skipped),
      leafCase(`${name}, not executed`, skipped),
    ]
    for (let round = 0; round < rounds; round++) {
      for (const depth of STACK_DEPTHS) {
        const items = Array.from({ length: depth }, () => pick(INTERESTING_ITEMS))
        const script = Uint8Array.of(opcode, ...pick(TAILS))
        const label = `${name} on ${depth}`
        cases.push(scriptHashCase(label, script, items), leafCase(label, script, items))
        // The same items pushed by the script itself.
        const pushed = concatBytes(...items.map(minimalPush), script)
        if (round > 0) cases.push(scriptHashCase(label, pushed), leafCase(label, pushed))
      }
    }
    return cases
  })
}

/**
 * The blocks that `npm run bench -- hostile` measures, at a twentieth of their size: each is what it
 * says it is, or the figures mean nothing. And one step past every limit that bounds them.
 */

import { describe, expect, it } from 'vitest'
import {
  createHostileBlock,
  type HostileCase,
  hostileCases,
  shareOfBlock,
} from '../../scripts/bench/hostile-blocks.ts'
import {
  type Filler,
  forever,
  type InputRecipe,
  oneTransaction,
  tapscript,
} from '../../scripts/bench/hostile-filler.ts'
import { beyondHashBudget, shortChain } from '../../scripts/bench/hostile-hashing.ts'
import { denseChecks } from '../../scripts/bench/hostile-signatures.ts'
import { validateBlock } from '../../scripts/bench/validate-block.ts'
import { Opcode } from '../../src/bitcoin/opcodes.ts'
import { decodeBlock, encodeBlock } from '../../src/chain/block.ts'
import { PLAIN_VERIFICATION } from '../../src/chain/block-scripts.ts'
import { MAX_BLOCK_SIGOPS, MAX_BLOCK_WEIGHT } from '../../src/chain/params.ts'
import { installNativeBackends } from '../../src/runtime/native-backends.ts'

installNativeBackends()

const SHARE = shareOfBlock(0.05)
const SCRIPT_FAILED = 'mandatory-script-verify-flag-failed'

/** The code that refuses the block, when it is built or when it is checked. */
function codeOf(each: Pick<HostileCase, 'filler' | 'sabotage'>, limits = SHARE): string {
  const made = createHostileBlock(each, limits)
  if (!made.ok) return made.error.code
  const { params, state, block } = made.value
  const { verdict } = validateBlock(params, state, encodeBlock(block), PLAIN_VERIFICATION)
  return verdict.ok ? 'valid' : verdict.error.code
}

const filling = (recipe: InputRecipe): Filler => ({
  name: 'a filler',
  make: (limits) => oneTransaction(forever(recipe), limits),
})

/** Checks that never run. */
function idleChecks(count: number): Uint8Array {
  const leaf = new Uint8Array(count + 4).fill(Opcode.OP_CHECKSIG)
  leaf.set([Opcode.OP_0, Opcode.OP_IF])
  leaf.set([Opcode.OP_ENDIF, Opcode.OP_1], leaf.length - 2)
  return leaf
}

const idleFiller = (checks: number): Filler => ({
  name: 'a filler',
  make: (limits) => oneTransaction([tapscript(idleChecks(checks), [])], limits),
})

/** Pushes so many items, and drops all but one. */
function fullStack(items: number): Uint8Array {
  const drops = new Uint8Array(items - 1).fill(Opcode.OP_DROP)
  return Uint8Array.of(...new Uint8Array(items).fill(Opcode.OP_1), ...drops)
}

describe('a hostile block', () => {
  it.each(hostileCases())('of $name is judged as it should be', (each) => {
    expect(codeOf(each)).toBe(each.code ?? 'valid')
  })

  it('has a name of its own in the table', () => {
    const names = hostileCases().map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('one step past a limit', () => {
  it('is a signature operation too many in P2WSH', () => {
    const filler = filling(denseChecks())
    const within = { weight: MAX_BLOCK_WEIGHT / 2, sigops: MAX_BLOCK_SIGOPS }
    const beyond = { ...within, sigops: MAX_BLOCK_SIGOPS + 101 }
    expect(createHostileBlock({ filler }, within).ok).toBe(true)
    expect(createHostileBlock({ filler }, beyond)).toMatchObject({
      ok: false,
      error: { code: 'bad-txns-too-many-sigops' },
    })
  })

  it('is a signature operation too many in tapscript, whether it runs or not', () => {
    const all = { weight: MAX_BLOCK_WEIGHT / 2, sigops: Number.POSITIVE_INFINITY }
    // One of the limit is the commitment's.
    expect(codeOf({ filler: idleFiller(MAX_BLOCK_SIGOPS - 1) }, all)).toBe('valid')
    expect(codeOf({ filler: idleFiller(MAX_BLOCK_SIGOPS) }, all)).toBe('bad-txns-too-many-sigops')
  })

  it('is a signature operation too many in two transactions together', () => {
    const halves: Filler = {
      name: 'a filler',
      make(limits) {
        const half = { weight: limits.weight / 2, sigops: limits.sigops }
        const [a, b] = [filling(denseChecks()).make(half), filling(denseChecks()).make(half)]
        return {
          coins: [...a.coins, ...b.coins],
          transactions: [...a.transactions, ...b.transactions],
        }
      },
    }
    const limits = { weight: MAX_BLOCK_WEIGHT / 2, sigops: MAX_BLOCK_SIGOPS / 2 + 101 }
    expect(codeOf({ filler: halves }, limits)).toBe('bad-blk-sigops')
  })

  it('is a weight unit too many', () => {
    const filler = filling(shortChain(Opcode.OP_SHA256))
    const limits = { weight: MAX_BLOCK_WEIGHT, sigops: 0 }
    expect(codeOf({ filler }, limits)).toBe('bad-blk-weight')
  })

  it('is a hash too many for the budget of its input', () => {
    expect(codeOf({ filler: filling(shortChain(Opcode.OP_HASH160)) })).toBe('valid')
    expect(codeOf({ filler: filling(beyondHashBudget()) })).toBe(`${SCRIPT_FAILED} (HASH_BUDGET)`)
  })

  it('is an item too many on the stack', () => {
    expect(codeOf({ filler: filling(tapscript(fullStack(1_000), [])) })).toBe('valid')
    const beyond = codeOf({ filler: filling(tapscript(fullStack(1_001), [])) })
    expect(beyond).toBe(`${SCRIPT_FAILED} (STACK_SIZE)`)
  })

  it('is a witness of a million empty items, which decodes', () => {
    const items = Array.from({ length: 900_000 }, () => new Uint8Array())
    const filler: Filler = {
      name: 'a filler',
      make: (limits) => oneTransaction([tapscript(Uint8Array.of(Opcode.OP_1), items)], limits),
    }
    const limits = shareOfBlock(1)
    expect(codeOf({ filler }, limits)).toBe(`${SCRIPT_FAILED} (STACK_SIZE)`)
    const made = createHostileBlock({ filler }, limits)
    const bytes = made.ok ? encodeBlock(made.value.block) : new Uint8Array()
    expect(decodeBlock(bytes).transactions[1]?.inputs[0]?.witness).toHaveLength(900_002)
  })
})

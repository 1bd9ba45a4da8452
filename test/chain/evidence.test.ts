import { describe, expect, it } from 'vitest'
import { type Block, decodeBlock, encodeBlock } from '../../src/chain/block.ts'
import { findConviction, isRecorded, offenceOf, offenceStateKey } from '../../src/chain/evidence.ts'
import { genesisDelta } from '../../src/chain/genesis-state.ts'
import { EVIDENCE_AGE_MAX, MAX_EVIDENCE_PER_BLOCK } from '../../src/chain/params.ts'
import { decodeDelta, NAMESPACE, StateOverlay } from '../../src/chain/state.ts'
import { buildStateTrie } from '../../src/chain/state-trie.ts'
import { type Evidence, inOrder } from '../../src/consensus/evidence.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { TestChain, testParams } from '../support/chain-world.ts'
import { doubleVote, type Offending, signedVote } from '../support/double-votes.ts'
import { reseal } from './block-surgery.ts'

const params = testParams()
const proof = (offending: Offending): Evidence => doubleVote(params, offending)

/** A chain of a few blocks without evidence, its next height 4. */
function aChain(): TestChain {
  const chain = new TestChain(params)
  for (let height = 1; height <= 3; height++) chain.extend()
  return chain
}

function codeOf(chain: TestChain, evidence: readonly Evidence[]): string {
  const built = chain.build({ evidence })
  return built.ok ? 'ok' : built.error.code
}

describe('evidence in a block', () => {
  it('leaves one record for validator and height, with the height of the block', async () => {
    const chain = aChain()
    const evidence = [
      proof({ height: 2, signer: 3 }),
      proof({ height: 4, signer: 0, kind: 'double-finalize' }),
      proof({ height: 4, signer: 1, kind: 'nullify-finalize' }),
    ]
    const before = chain.state.trie.root
    const block = chain.extend({ evidence })
    for (const one of evidence) {
      const key = offenceStateKey(offenceOf(one))
      const value = chain.state.view.get(key) ?? new Uint8Array()
      const offender = params.validators[one.first.signer]
      expect(findConviction(key, value)).toEqual({ height: 4, offender })
    }
    expect(offenceStateKey({ height: 2, signer: 3 })).toBe('65000000020003')
    expect(findConviction(NAMESPACE.pegBooks, new Uint8Array())).toBeUndefined()
    expect(chain.state.trie.root).not.toBe(before)
    expect(block.extension.stateRoot).toBe(chain.state.trie.root)
    expect(decodeBlock(encodeBlock(block)).extension).toEqual(block.extension)
  })

  it('is bound to the id of its block', () => {
    const chain = aChain()
    const built = chain.build({ evidence: [proof({ height: 4, signer: 0 })] })
    if (!built.ok) throw new TypeError('not built')
    const { extension } = built.value
    const stripped: Block = { ...built.value, extension: { ...extension, evidence: [] } }
    expect(chain.check(stripped)).toMatchObject({ error: { code: 'bad-extension-commitment' } })
    const resealed = reseal(built.value, { extension: { evidence: [] } })
    expect(chain.check(resealed)).toMatchObject({ error: { code: 'bad-state-root' } })
  })

  it('goes with its block', async () => {
    const chain = aChain()
    const root = chain.state.trie.root
    const built = chain.build({ evidence: [proof({ height: 4, signer: 0 })] })
    if (!built.ok) throw new TypeError('not built')
    const { delta, undo } = chain.apply(built.value)
    const overlay = new StateOverlay(chain.state.view)
    const back = decodeDelta(undo)
    expect(back.deletes).toContain('65000000040000')
    for (const key of back.deletes) overlay.delete(key)
    for (const [key, value] of back.puts) overlay.put(key, value)
    expect(isRecorded(overlay, { height: 4, signer: 0 })).toBe(false)
    // The state before had the L1 header, the books, the validators and the outflow of one L1 height only.
    const genesis = genesisDelta(params).puts.keys()
    const keys = new Set([...delta.puts.keys(), ...back.puts.keys(), ...genesis, '7700000000'])
    const records = [...keys].flatMap((key) => {
      const value = overlay.get(key)
      return value === undefined ? [] : [[key, value] as const]
    })
    const trie = await buildStateTrie(
      (async function* () {
        yield* records
      })(),
    )
    expect(trie.root).toBe(root)
  })

  it('is ascending by height and validator, each once', () => {
    const chain = aChain()
    const [a, b, c] = [
      proof({ height: 2, signer: 3 }),
      proof({ height: 3, signer: 0 }),
      proof({ height: 3, signer: 1 }),
    ]
    expect(codeOf(chain, [a, b, c])).toBe('ok')
    expect(codeOf(chain, [b, a])).toBe('bad-evidence-order')
    expect(codeOf(chain, [c, b])).toBe('bad-evidence-order')
    expect(codeOf(chain, [a, a])).toBe('bad-evidence-order')
    expect(codeOf(chain, [a, proof({ height: 2, signer: 3, view: 1 })])).toBe('bad-evidence-order')
  })

  it('is about the block’s own height at most, and not too old', () => {
    const chain = aChain()
    expect(codeOf(chain, [proof({ height: 4, signer: 0 })])).toBe('ok')
    expect(codeOf(chain, [proof({ height: 5, signer: 0 })])).toBe('bad-evidence-age')
    const beyond = proof({ height: 2 ** 40, signer: 0 })
    expect(codeOf(chain, [beyond])).toBe('bad-evidence-age')
    const later = new TestChain(params)
    const { tip } = later.state
    later.state = { ...later.state, tip: { ...tip, height: EVIDENCE_AGE_MAX + 6 } }
    expect(codeOf(later, [proof({ height: 8, signer: 0 })])).toBe('ok')
    expect(codeOf(later, [proof({ height: 7, signer: 0 })])).toBe('bad-evidence-age')
  })

  it('is not what the chain knows already', () => {
    const chain = aChain()
    chain.extend({ evidence: [proof({ height: 2, signer: 3 })] })
    const again = proof({ height: 2, signer: 3, view: 5, kind: 'double-finalize' })
    expect(codeOf(chain, [again])).toBe('bad-evidence-known')
    expect(codeOf(chain, [proof({ height: 3, signer: 3 })])).toBe('ok')
  })

  it('convicts a validator of this chain by two valid signatures', () => {
    const chain = aChain()
    const { first, second } = proof({ height: 4, signer: 0 })
    const nullify = signedVote(params, 0, { type: 'nullify', height: 4, view: 0 })
    const forged = { ...second, signature: first.signature }
    const stranger = (vote: typeof first) => ({ ...vote, signer: params.validators.length })
    const other = doubleVote({ ...params, chainId: params.paramsHash }, { height: 4, signer: 0 })
    const bad = [
      { first, second: nullify },
      { first, second: forged },
      { first: stranger(first), second: stranger(second) },
      { first, second: { ...second, signer: 1 } },
      other,
    ]
    for (const one of bad) expect(codeOf(chain, [inOrder(one)])).toBe('bad-evidence')
  })

  it('is bounded', () => {
    const chain = aChain()
    const many = [0, 1, 2, 3].flatMap((height) => [proof({ height, signer: 0 })])
    const one = chain.extend({ evidence: many })
    expect(one.extension.evidence).toHaveLength(MAX_EVIDENCE_PER_BLOCK)
    const evidence = [...many, proof({ height: 4, signer: 0 })]
    const five = { ...one, extension: { ...one.extension, evidence } }
    expect(() => decodeBlock(encodeBlock(five))).toThrow(DecodeError)
  })
})

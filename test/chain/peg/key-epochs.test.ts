import { describe, expect, it } from 'vitest'
import { EMPTY_L1_SECTION } from '../../../src/chain/l1-section.ts'
import type { KeyEpochAnnouncement } from '../../../src/chain/peg/key-epoch-announcement.ts'
import { activeKeyEpoch, depositScriptOf, findKeyEpoch } from '../../../src/chain/peg/key-epochs.ts'
import { aKeyEpoch, aUser, TestChain, testParams } from '../../support/chain-world.ts'

const params = testParams()
const { announcement } = aKeyEpoch(params)

function codeOf(chain: TestChain, altered: Partial<KeyEpochAnnouncement>): string {
  const keyEpochs = [{ ...announcement, ...altered }]
  const built = chain.build({ l1Section: { ...EMPTY_L1_SECTION, keyEpochs } })
  return built.ok ? 'ok' : built.error.code
}

describe('a key epoch', () => {
  it('opens the peg, once', () => {
    const chain = new TestChain(params)
    expect(activeKeyEpoch(chain.state.view)).toBeUndefined()
    const block = chain.extend({ l1Section: { ...EMPTY_L1_SECTION, keyEpochs: [announcement] } })
    const { height } = block.extension
    expect(activeKeyEpoch(chain.state.view)).toEqual({ ...announcement, height })
    expect(findKeyEpoch(chain.state.view, 1)).toBeUndefined()
    expect(codeOf(chain, {})).toBe('key-epoch-unexpected')
  })

  it('is the first, with the network’s threshold, proved by every member and by the key', () => {
    const chain = new TestChain(params)
    const signature = new Uint8Array(64)
    const { memberSignatures, commitments, threshold } = announcement
    expect(codeOf(chain, {})).toBe('ok')
    expect(codeOf(chain, { epoch: 1 })).toBe('key-epoch-unexpected')
    expect(codeOf(chain, { threshold: threshold - 1 })).toBe('key-epoch-threshold')
    expect(codeOf(chain, { attempt: 2 })).toBe('key-epoch-unproved')
    expect(codeOf(chain, { testSignature: signature })).toBe('key-epoch-unproved')
    for (const [index] of memberSignatures.entries()) {
      const forged = { memberSignatures: memberSignatures.with(index, signature) }
      expect(codeOf(chain, forged)).toBe('key-epoch-unproved')
    }
    expect(codeOf(chain, { memberSignatures: memberSignatures.slice(1) })).toBe(
      'key-epoch-unproved',
    )
    expect(codeOf(chain, { commitments: commitments.toReversed() })).toBe('key-epoch-unproved')
    expect(codeOf(chain, { commitments: commitments.with(1, new Uint8Array(33)) })).toBe(
      'key-epoch-unproved',
    )
  })

  it('gives every recipient one address, remembered or not', () => {
    const { script } = aUser('alice')
    const once = depositScriptOf(params, announcement, script)
    expect(depositScriptOf(params, announcement, script)).toEqual(once)
    expect(depositScriptOf({ ...params }, announcement, script)).toEqual(once)
    expect(depositScriptOf(params, { ...announcement, epoch: 1 }, script)).not.toEqual(once)
    const other = {
      ...announcement,
      groupKey: announcement.commitments[1] ?? announcement.groupKey,
    }
    expect(depositScriptOf(params, other, script)).not.toEqual(once)
  })
})

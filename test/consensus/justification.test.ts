import { describe, expect, it } from 'vitest'
import type { Certificate } from '../../src/consensus/certificate.ts'
import {
  EMPTY_JUSTIFICATION,
  findJustification,
  verifyJustification,
} from '../../src/consensus/justification.ts'
import { CoreHarness } from '../support/core-harness.ts'

const harness = new CoreHarness()
const hash = harness.block(0, [1]).hash
const other = harness.block(0, [2]).hash
const nota = (view: number): Certificate => harness.certificate('notarize', view, hash)
const nul = (view: number): Certificate => harness.certificate('nullify', view)
const at = (view: number) => ({ height: 1, view, hash })

function known(notarized: number[], nullified: number[], bodies = true) {
  return {
    findNotarization: (view: number) => (notarized.includes(view) ? nota(view) : undefined),
    findNullification: (view: number) => (nullified.includes(view) ? nul(view) : undefined),
    hasBody: () => bodies,
  }
}

describe('justification', () => {
  it('of view 0 is empty', () => {
    expect(findJustification(known([], []), 0)).toEqual(EMPTY_JUSTIFICATION)
    expect(verifyJustification(EMPTY_JUSTIFICATION, at(0))).toBe(true)
  })

  it('is the highest notarization and every nullification after it', () => {
    const found = findJustification(known([1], [0, 2, 3]), 4)
    expect(found?.base?.view).toBe(1)
    expect(found?.nulls.map((certificate) => certificate.view)).toEqual([2, 3])
    expect(verifyJustification(found!, at(4))).toBe(true)
  })

  it('is not found across a gap', () => {
    expect(findJustification(known([0], [2]), 3)).toBeUndefined()
  })

  it('prefers a notarized body it holds, and passes over one that is nullified and missing', () => {
    expect(findJustification(known([0], [0]), 1)?.base?.view).toBe(0)
    const without = findJustification(known([0], [0], false), 1)
    expect(without?.base).toBeUndefined()
    expect(without?.nulls.map((certificate) => certificate.view)).toEqual([0])
    // Not nullified: somebody may have finalized it, so nothing but its block will do.
    expect(findJustification(known([0], [], false), 1)?.base?.view).toBe(0)
  })

  it.each([
    ['a gap', { nulls: [nul(0), nul(2)] }, 3],
    ['a nullification missing at the end', { nulls: [nul(0)] }, 2],
    ['one too many', { nulls: [nul(0), nul(1)] }, 1],
    ['views out of order', { nulls: [nul(1), nul(0)] }, 2],
    ['a view twice', { nulls: [nul(0), nul(0)] }, 2],
    ['a base at its own view', { base: nota(2), nulls: [] }, 2],
    ['a base above it', { base: nota(3), nulls: [] }, 2],
    ['a base of another block', { base: harness.certificate('notarize', 0, other), nulls: [] }, 1],
    ['a finalize for a base', { base: harness.certificate('finalize', 0, hash), nulls: [] }, 1],
    [
      'a base of another height',
      { base: harness.certificate('notarize', 0, hash, 2), nulls: [] },
      1,
    ],
    [
      'a nullification of another height',
      { nulls: [harness.certificate('nullify', 0, undefined, 2)] },
      1,
    ],
    ['a notarization among the nullifications', { nulls: [nota(0)] }, 1],
  ])('with %s is invalid', (_, justification, view) => {
    expect(verifyJustification(justification, at(view))).toBe(false)
  })
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NAMESPACE, numberStateKey, RANGED_NAMESPACES } from '../../src/chain/state.ts'
import { RangedRecords } from '../../src/node/ranged-records.ts'

const key = fc
  .tuple(fc.constantFrom(...RANGED_NAMESPACES, NAMESPACE.coin), fc.nat(20))
  .map(([namespace, id]) => numberStateKey(namespace, id))
const value = fc.uint8Array({ minLength: 1, maxLength: 2 })
const change = fc.record({
  puts: fc.dictionary(key, value, { maxKeys: 6 }),
  deletes: fc.array(key, { maxLength: 6 }),
})

describe('the ranged records', () => {
  it('are walked in ascending order, whatever the order they came in', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, value)), fc.array(change), (loaded, changes) => {
        const records = new RangedRecords()
        const expected = new Map(loaded)
        for (const [at, bytes] of expected) records.load(at, bytes)
        for (const { puts, deletes } of changes) {
          const gone = deletes.filter((at) => puts[at] === undefined)
          for (const [at, bytes] of Object.entries(puts)) expected.set(at, bytes)
          for (const at of gone) expected.delete(at)
          records.apply({ puts: new Map(Object.entries(puts)), deletes: new Set(gone) })
        }
        for (const namespace of RANGED_NAMESPACES) {
          const inOrder = [...expected]
            .filter(([at]) => at.startsWith(namespace))
            .toSorted(([a], [b]) => (a < b ? -1 : 1))
          expect([...records.range(namespace)]).toEqual(inOrder)
        }
      }),
    )
  })
})

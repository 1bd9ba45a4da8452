import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { p2wpkhScript, withdrawScript } from '../../src/bitcoin/script.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { decodeCoin, encodeCoin } from '../../src/chain/coin.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import { currentVersion, openBatches } from '../../src/chain/peg/batches.ts'
import {
  decodeDelta,
  EMPTY_STATE,
  encodeDelta,
  NAMESPACE,
  numberOfStateKey,
  numberStateKey,
  outPointOfStateKey,
  outPointStateKey,
  type StateDelta,
  StateOverlay,
  type StateView,
} from '../../src/chain/state.ts'
import { hexToBytes } from '../../src/primitives/bytes.ts'
import { DecodeError, encodeWith } from '../../src/primitives/codec.ts'
import { toTxid } from '../../src/primitives/hashes.ts'
import { sats } from '../../src/primitives/units.ts'
import { aUser, mintedWorld, spend } from '../support/chain-world.ts'

type Records = Map<string, Uint8Array>

function viewOf(records: Records): StateView {
  return {
    get: (key) => records.get(key),
    range: (namespace) =>
      [...records]
        .filter(([key]) => key.startsWith(namespace))
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  }
}

function applied(records: Records, delta: StateDelta): Records {
  const after = new Map(records)
  for (const [key, value] of delta.puts) after.set(key, value)
  for (const key of delta.deletes) after.delete(key)
  return after
}

const key = fc
  .tuple(
    fc.constantFrom(
      NAMESPACE.reserve,
      NAMESPACE.openBatch,
      NAMESPACE.queuedRelease,
      NAMESPACE.coin,
    ),
    fc.integer({ min: 0, max: 12 }),
  )
  .map(([namespace, id]) => numberStateKey(namespace, id))
const value = fc.uint8Array({ maxLength: 4 })
const records = fc.array(fc.tuple(key, value)).map((list) => new Map(list))
/** undefined deletes. */
const changes = fc.array(fc.tuple(key, fc.option(value, { nil: undefined })))

function overlayOf(
  base: Records,
  list: readonly (readonly [string, Uint8Array | undefined])[],
): StateOverlay {
  const overlay = new StateOverlay(viewOf(base))
  for (const [at, bytes] of list) {
    if (bytes === undefined) overlay.delete(at)
    else overlay.put(at, bytes)
  }
  return overlay
}

describe('an overlay', () => {
  it('reads like the state it leads to, record by record and range by range', () => {
    fc.assert(
      fc.property(records, changes, (base, list) => {
        const overlay = overlayOf(base, list)
        const model = new Map(base)
        for (const [at, bytes] of list) {
          if (bytes === undefined) model.delete(at)
          else model.set(at, bytes)
        }
        for (const namespace of [
          NAMESPACE.reserve,
          NAMESPACE.openBatch,
          NAMESPACE.queuedRelease,
        ] as const) {
          expect([...overlay.range(namespace)]).toEqual([...viewOf(model).range(namespace)])
        }
        for (const at of [...base.keys(), ...list.map(([each]) => each)]) {
          expect(overlay.get(at)).toEqual(model.get(at))
        }
        expect(applied(base, overlay.delta())).toEqual(model)
        expect([...overlay.delta().deletes].every((at) => base.has(at))).toBe(true)
      }),
    )
  })

  it('tells the changes of a namespace with what was there', () => {
    const base = new Map([[numberStateKey(NAMESPACE.reserve, 1), Uint8Array.of(1)]])
    const overlay = overlayOf(base, [
      [numberStateKey(NAMESPACE.reserve, 1), undefined],
      [numberStateKey(NAMESPACE.reserve, 2), Uint8Array.of(2)],
      [numberStateKey(NAMESPACE.coin, 1), Uint8Array.of(3)],
    ])
    expect([...overlay.changes(NAMESPACE.reserve)]).toEqual([
      [Uint8Array.of(1), undefined],
      [undefined, Uint8Array.of(2)],
    ])
  })

  it('lies on another overlay as on any view', () => {
    const below = overlayOf(new Map(), [[numberStateKey(NAMESPACE.reserve, 3), Uint8Array.of(3)]])
    const above = new StateOverlay(below)
    above.delete(numberStateKey(NAMESPACE.reserve, 3))
    expect([...above.range(NAMESPACE.reserve)]).toEqual([])
    expect([...below.range(NAMESPACE.reserve)]).toHaveLength(1)
  })
})

describe('a delta as bytes', () => {
  it('is two lists: keys with values, then the keys of what is deleted', () => {
    fc.assert(
      fc.property(records, changes, (base, list) => {
        const { puts, deletes } = overlayOf(base, list).delta()
        const plain = encodeWith((writer) => {
          writer.list([...puts], (w, [at, bytes]) => w.varBytes(hexToBytes(at)).varBytes(bytes))
          writer.list([...deletes], (w, at) => w.varBytes(hexToBytes(at)))
        })
        expect(encodeDelta({ puts, deletes })).toEqual(plain)
      }),
    )
  })
})

describe('the key of an outpoint', () => {
  it.each([0, 9, 16, 255, 256, 65_536, 0xffff_ffff])('has output index %i as a u32', (vout) => {
    const outPoint = { txid: toTxid('ab'.repeat(32)), vout }
    const at = outPointStateKey(NAMESPACE.coin, outPoint)
    expect(at).toHaveLength(74)
    expect(outPointOfStateKey(at)).toEqual(outPoint)
  })
})

describe('undo', () => {
  it('leads back from any delta', () => {
    fc.assert(
      fc.property(records, changes, (base, list) => {
        const overlay = overlayOf(base, list)
        const bytes = encodeDelta(overlay.undo())
        expect(applied(applied(base, overlay.delta()), decodeDelta(bytes))).toEqual(base)
        expect(encodeDelta(decodeDelta(bytes))).toEqual(bytes)
      }),
    )
  })

  it('restores the state root of every block on a peg’s way round', () => {
    const alice = aUser('alice')
    const { chain, l1, coin } = mintedWorld(1_000_000n)
    const step = (part: Parameters<typeof chain.build>[0]): void => {
      const { root } = chain.state.trie
      const block = chain.build(part)
      if (!block.ok) throw new TypeError(block.error.code)
      const { undo } = chain.apply(block.value)
      expect(chain.state.trie.prepare(decodeDelta(undo)).root).toBe(root)
    }
    const burn = spend(
      alice,
      [coin],
      [
        { value: sats(500_000), script: withdrawScript(p2wpkhScript(new Uint8Array(20))) },
        { value: sats(499_000), script: alice.script },
      ],
    )
    step({ transactions: [burn] })
    step({})
    const [batch] = [...openBatches(chain.state.view)]
    if (batch === undefined) throw new TypeError('no batch')
    l1.mine([currentVersion(batch).transaction])
    const confirmations = [l1.prove(transactionId(currentVersion(batch).transaction))]
    step({ l1Section: { ...EMPTY_L1_SECTION, headers: chain.headersTo(l1), confirmations } })
  })

  it('throws nothing but DecodeError at garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          decodeDelta(bytes)
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error
        }
      }),
    )
  })
})

describe('state keys and coins', () => {
  it('sort as their numbers', () => {
    const numbers = [0, 1, 255, 256, 65_536, 0xffff_ffff]
    const keys = numbers.map((each) => numberStateKey(NAMESPACE.release, each))
    expect(keys.toSorted()).toEqual(keys)
    expect(keys.map(numberOfStateKey)).toEqual(numbers)
    expect(EMPTY_STATE.get(keys[0] ?? '')).toBeUndefined()
  })

  it('have namespaces of their own', () => {
    const bytes = Object.values(NAMESPACE)
    expect(new Set(bytes).size).toBe(bytes.length)
    expect(bytes.every((each) => /^[0-9a-f]{2}$/.test(each))).toBe(true)
  })

  it('come back as they were', () => {
    const coin = {
      value: sats(21e14),
      script: new Uint8Array(34),
      height: 5,
      medianTimeBefore: 0xffff_ffff,
      origin: 'mint' as const,
    }
    expect(decodeCoin(encodeCoin(coin))).toEqual(coin)
    expect(() => decodeCoin(Uint8Array.of(9, ...encodeCoin(coin).subarray(1)))).toThrow(DecodeError)
  })
})

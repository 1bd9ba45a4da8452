/** Bytes as an attacker makes them: valid encodings with something changed. */

import * as fc from 'fast-check'
import { concatBytes, hexToBytes } from '../../src/primitives/bytes.ts'

/** CompactSize and boolean edges, and the longest counts there are. */
const WORDS = [
  '00',
  '01',
  '02',
  '7f',
  '80',
  'fc',
  'fdfc00',
  'fdfd00',
  'fdffff',
  'feffff0000',
  'fe00000100',
  'feffffffff',
  'ff0000000001000000',
  'ffffffffffffffffff',
].map(hexToBytes)

type Mutation = (bytes: Uint8Array) => Uint8Array

/** A place in a byte string, whatever its length: 0 … 2^30. */
const places = fc.nat(2 ** 30)

const at = (bytes: Uint8Array, place: number): number => place % (bytes.length + 1)

function mutations(others: readonly Uint8Array[]): fc.Arbitrary<Mutation> {
  const flip = fc.nat(2 ** 30).map((place): Mutation => {
    return (bytes) => {
      if (bytes.length === 0) return bytes
      const bit = place % (bytes.length * 8)
      return bytes.with(bit >> 3, (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)))
    }
  })
  const overwrite = fc.tuple(places, fc.constantFrom(...WORDS)).map(([place, word]): Mutation => {
    return (bytes) => {
      const from = at(bytes, place)
      return concatBytes(bytes.subarray(0, from), word, bytes.subarray(from + word.length))
    }
  })
  const insert = fc
    .tuple(places, fc.oneof(fc.constantFrom(...WORDS), fc.uint8Array({ maxLength: 40 })))
    .map(([place, part]): Mutation => {
      return (bytes) => {
        const from = at(bytes, place)
        return concatBytes(bytes.subarray(0, from), part, bytes.subarray(from))
      }
    })
  const remove = fc.tuple(places, fc.integer({ min: 1, max: 70 })).map(([place, length]) => {
    const mutation: Mutation = (bytes) => {
      const from = at(bytes, place)
      return concatBytes(bytes.subarray(0, from), bytes.subarray(from + length))
    }
    return mutation
  })
  const cut = places.map(
    (place): Mutation =>
      (bytes) =>
        bytes.subarray(0, at(bytes, place)),
  )
  const splice = fc.tuple(places, places, fc.constantFrom(...others)).map(([a, b, other]) => {
    const mutation: Mutation = (bytes) =>
      concatBytes(bytes.subarray(0, at(bytes, a)), other.subarray(at(other, b)))
    return mutation
  })
  return fc.oneof(
    { weight: 4, arbitrary: flip },
    { weight: 3, arbitrary: overwrite },
    insert,
    remove,
    cut,
    splice,
  )
}

/** A corpus entry after one to three changes; now and then nothing but noise. */
export function spoiled(corpus: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const changed = fc
    .tuple(fc.constantFrom(...corpus), fc.array(mutations(corpus), { minLength: 1, maxLength: 3 }))
    .map(([bytes, changes]) => changes.reduce((now, change) => change(now), bytes))
  return fc.oneof(
    { weight: 15, arbitrary: changed },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  )
}

/** Every prefix of an encoding with a count of 2^16 or 2^32 behind it and hardly anything to count. */
export function* inflated(bytes: Uint8Array): Iterable<Uint8Array> {
  const step = Math.max(1, Math.floor(bytes.length / 400))
  for (let length = 0; length <= bytes.length; length += step) {
    for (const count of ['fdffff', 'feffffffff', 'ffffffffffffffffff']) {
      yield concatBytes(bytes.subarray(0, length), hexToBytes(count), new Uint8Array(12))
    }
  }
}

/**
 * Who leads which view: leader(h, v) = perm_h[v mod n]. The permutation is a Fisher–Yates shuffle
 * seeded by the height alone, so nobody can grind it; consecutive dead validators in the set are
 * scattered, which plain rotation would not do.
 *
 *   seed   = TH("causeway/leader", chainId ‖ epoch(u32be) ‖ height(u64be))
 *   words  = u32be words of SHA256(seed ‖ counter(u32be)), counter = 0, 1, 2 …
 *   for i = n−1 … 1: draw a word < 2³² − (2³² mod (i+1)), skipping others; swap i with word mod (i+1)
 */

import { present } from '../primitives/assert.ts'
import { ByteReader, encodeWith } from '../primitives/codec.ts'
import { type Hash32, writeHash32 } from '../primitives/hashes.ts'
import { sha256, taggedHash } from '../primitives/sha256.ts'

const WORD_RANGE = 2 ** 32

/** Endless u32 words from a 32-byte seed. */
function* seededWords(seed: Uint8Array): Generator<number, never> {
  for (let counter = 0; ; counter++) {
    const reader = new ByteReader(sha256(encodeWith((writer) => writer.bytes(seed).u32be(counter))))
    while (reader.remaining > 0) yield reader.u32be()
  }
}

/** Uniform in 0 … bound − 1: words in the incomplete last range are skipped. */
function drawBelow(words: Generator<number, never>, bound: number): number {
  const limit = WORD_RANGE - (WORD_RANGE % bound)
  let word = words.next().value
  while (word >= limit) word = words.next().value
  return word % bound
}

export interface LeaderContext {
  readonly chainId: Hash32
  readonly epoch: number
}

/** perm_h: validator indexes in the order in which they lead the views of a height. */
export function leaderPermutation(
  context: LeaderContext,
  height: number,
  validatorCount: number,
): readonly number[] {
  const seed = taggedHash(
    'causeway/leader',
    encodeWith((writer) => {
      writeHash32(writer, context.chainId)
      writer.u32be(context.epoch).u64be(BigInt(height))
    }),
  )
  const words = seededWords(seed)
  const order = Array.from({ length: validatorCount }, (_, i) => i)
  for (let i = validatorCount - 1; i > 0; i--) {
    const j = drawBelow(words, i + 1)
    const swapped = present(order[j], 'index in range')
    order[j] = present(order[i], 'index in range')
    order[i] = swapped
  }
  return order
}

/** leader(h, v), given the height's permutation. */
export function leaderOfView(permutation: readonly number[], view: number): number {
  return present(permutation[view % permutation.length], 'leader')
}

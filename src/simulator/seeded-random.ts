/** The simulator's only source of chance: sfc32, seeded by one number. Not for secrets. */

export interface SeededRandom {
  /** Uniform in [0, 1). */
  next(): number
  /** Uniform integer in 0 … bound − 1. */
  below(bound: number): number
  /** Uniform in [from, to). */
  between(from: number, to: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  /** One of the items. @throws RangeError when there is none. */
  pick<T>(items: readonly T[]): T
  shuffle<T>(items: readonly T[]): T[]
}

export function createSeededRandom(seed: number): SeededRandom {
  let [a, b, c, d] = [seed >>> 0, 0x9e3779b9, 0x243f6a88, 1]
  const next = (): number => {
    const sum = (a + b + d) >>> 0
    d = (d + 1) >>> 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) >>> 0
    c = ((c << 21) | (c >>> 11)) >>> 0
    c = (c + sum) >>> 0
    return sum / 2 ** 32
  }
  for (let i = 0; i < 16; i++) next()

  const random: SeededRandom = {
    next,
    below: (bound) => Math.floor(next() * bound),
    between: (from, to) => from + next() * (to - from),
    chance: (probability) => next() < probability,
    pick(items) {
      const item = items[random.below(items.length)]
      if (item === undefined) throw new RangeError('nothing to pick from')
      return item
    },
    shuffle(items) {
      const keyed = items.map((item) => ({ item, key: next() }))
      return keyed.toSorted((x, y) => x.key - y.key).map(({ item }) => item)
    },
  }
  return random
}

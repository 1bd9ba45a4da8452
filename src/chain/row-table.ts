/**
 * A growing table of fixed-size rows of 32-bit words, in typed arrays: millions of rows cost their
 * bytes and nothing else, and the collector has nothing to walk. Rows are handed out, given back and
 * handed out again. Words are copied in and out in the machine's own byte order.
 */

import { present } from '../primitives/assert.ts'

/** Rows per chunk: growing adds a chunk and copies nothing; a power of two. */
const CHUNK_ROWS = 1_024
const CHUNK_SHIFT = 10

export class RowTable {
  readonly #rowWords: number
  readonly #chunks: Uint32Array[] = []
  readonly #released: number[] = []
  #end = 0

  /** `rowWords`: 32-bit words of a row. */
  constructor(rowWords: number) {
    this.#rowWords = rowWords
  }

  /** Rows in use. */
  get size(): number {
    return this.#end - this.#released.length
  }

  /** A row for the caller; it holds whatever it held before. */
  allocate(): number {
    const released = this.#released.pop()
    if (released !== undefined) return released
    const row = this.#end
    if (row === this.#chunks.length * CHUNK_ROWS) {
      this.#chunks.push(new Uint32Array(CHUNK_ROWS * this.#rowWords))
    }
    this.#end += 1
    return row
  }

  release(row: number): void {
    this.#released.push(row)
  }

  get(row: number, word: number): number {
    return present(this.#chunkOf(row)[this.#start(row) + word], 'word of a row')
  }

  set(row: number, word: number, value: number): void {
    this.#chunkOf(row)[this.#start(row) + word] = value
  }

  /** Does a row hold `words`, from its first one on? */
  startsWith(row: number, words: Uint32Array): boolean {
    const chunk = this.#chunkOf(row)
    const start = this.#start(row)
    for (let i = 0; i < words.length; i++) if (chunk[start + i] !== words[i]) return false
    return true
  }

  /** Copies a whole row of another table with rows of the same size. */
  copyRow(row: number, source: RowTable, sourceRow: number): void {
    const from = source.#start(sourceRow)
    const count = this.#rowWords
    copyWords(this.#chunkOf(row), this.#start(row), source.#chunkOf(sourceRow), from, count)
  }

  /** Copies `count` words of a row, from its word `from`, to `target[at…]`. */
  copyTo(target: Uint32Array, at: number, row: number, from: number, count: number): void {
    copyWords(target, at, this.#chunkOf(row), this.#start(row) + from, count)
  }

  /** Copies `source[at … at + count)` into a row, from its word `to`. */
  copyFrom(source: Uint32Array, at: number, row: number, to: number, count: number): void {
    copyWords(this.#chunkOf(row), this.#start(row) + to, source, at, count)
  }

  #chunkOf(row: number): Uint32Array {
    return present(this.#chunks[row >>> CHUNK_SHIFT], 'chunk of a row')
  }

  #start(row: number): number {
    return (row & (CHUNK_ROWS - 1)) * this.#rowWords
  }
}

/** `set` with a view costs an object each time; for eight words a loop is faster. */
export function copyWords(
  target: Uint32Array,
  at: number,
  source: Uint32Array,
  from: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) target[at + i] = source[from + i] ?? 0
}

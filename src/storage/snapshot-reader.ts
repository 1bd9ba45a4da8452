/**
 * Reads a snapshot as a stream and decides whether it is the state of a final block of this chain. The
 * records are handed on as they come; they are worth something only when `readSnapshot` says so.
 */

import type { Block } from '../chain/block.ts'
import type { ChainParams } from '../chain/params.ts'
import {
  checkSnapshotHead,
  decodeSnapshotEnd,
  decodeSnapshotHead,
  decodeSnapshotRecords,
  SECTION,
  type SnapshotHead,
  type SnapshotRecord,
} from '../chain/snapshot.ts'
import type { StateKey } from '../chain/state.ts'
import { StateTrie } from '../chain/state-trie.ts'
import { TrieBuilder } from '../chain/trie-builder.ts'
import { DecodeError } from '../primitives/codec.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { type ByteSource, type Section, SectionReader } from './snapshot-sections.ts'

export interface SnapshotSink {
  /**
   * Records in ascending order of keys, one section's.
   * @throws DecodeError for a record that cannot be; StorageError when the disk fails.
   */
  records(records: readonly SnapshotRecord[], read: SnapshotProgress): Promise<void>
}

export interface SnapshotProgress {
  readonly records: number
  /** Of the file, read so far. */
  readonly bytes: number
}

/** A snapshot that holds what its block commits to. */
export interface ReadSnapshot extends SnapshotProgress {
  readonly head: SnapshotHead
  readonly block: Block
}

/** @throws StorageError when reading fails, and what the sink throws. */
export async function readSnapshot(
  params: ChainParams,
  source: ByteSource,
  sink: SnapshotSink,
): Promise<Result<ReadSnapshot, Rejection>> {
  const reading = new Reading(params, new SectionReader(source), sink)
  try {
    return await reading.run()
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown
    const where = `byte ${reading.sectionOffset}`
    return reject('snapshot-format', 'invalid', `${where}: ${thrown.message}`)
  }
}

class Reading {
  readonly #params: ChainParams
  readonly #sections: SectionReader
  readonly #sink: SnapshotSink
  readonly #trie = new TrieBuilder()
  #count = 0
  #lastKey: StateKey = ''
  /** Of the section that is being decoded. */
  sectionOffset = 0

  constructor(params: ChainParams, sections: SectionReader, sink: SnapshotSink) {
    this.#params = params
    this.#sections = sections
    this.#sink = sink
  }

  async run(): Promise<Result<ReadSnapshot, Rejection>> {
    const preamble = await this.#sections.preamble()
    if (!preamble.ok) return preamble
    const first = await this.#next()
    if (!first.ok) return first
    if (first.value.kind !== SECTION.head)
      return reject('snapshot-format', 'invalid', this.#at('no head'))
    const head = decodeSnapshotHead(first.value.payload)
    const block = checkSnapshotHead(this.#params, head)
    if (!block.ok) return block

    for (;;) {
      const section = await this.#next()
      if (!section.ok) return section
      const { kind, payload } = section.value
      if (kind === SECTION.end) return this.#finish(head, block.value, decodeSnapshotEnd(payload))
      if (kind !== SECTION.records) return this.#unknownSection(kind)
      const taken = await this.#takeRecords(payload)
      if (!taken.ok) return taken
    }
  }

  async #takeRecords(payload: Uint8Array): Promise<Result<void, Rejection>> {
    const records = decodeSnapshotRecords(payload)
    for (const [key, value] of records) {
      // Keys are hex, which sorts as its bytes do, so nothing comes twice either.
      if (key <= this.#lastKey) return reject('snapshot-order', 'invalid', this.#at(`key ${key}`))
      this.#lastKey = key
      this.#trie.add(key, value)
    }
    this.#count += records.length
    await this.#sink.records(records, this.#progress())
    return ok(undefined)
  }

  async #finish(
    head: SnapshotHead,
    block: Block,
    count: number,
  ): Promise<Result<ReadSnapshot, Rejection>> {
    if (count !== this.#count) {
      const detail = this.#at(`${this.#count} records, not ${count}`)
      return reject('snapshot-count', 'invalid', detail)
    }
    const end = await this.#sections.end()
    if (!end.ok) return end
    const { stateRoot } = block.extension
    const { root } = new StateTrie(this.#trie)
    if (root !== stateRoot) {
      const detail = `the records have the root ${root}, the block has ${stateRoot}`
      return reject('snapshot-root', 'invalid', detail)
    }
    return ok({ ...this.#progress(), head, block })
  }

  async #next(): Promise<Result<Section, Rejection>> {
    this.sectionOffset = this.#sections.offset
    return this.#sections.next()
  }

  #progress(): SnapshotProgress {
    return { records: this.#count, bytes: this.#sections.offset }
  }

  #unknownSection(kind: number): Result<never, Rejection> {
    return reject('snapshot-format', 'invalid', this.#at(`no place for a section ${kind}`))
  }

  #at(detail: string): string {
    return `byte ${this.sectionOffset}: ${detail}`
  }
}

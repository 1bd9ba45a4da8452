/**
 * The framing of a snapshot file: magic and version, then sections of kind, length, payload and
 * CRC-32C. The checksum finds damage and says where; against an adversary the state root counts.
 * Reading takes one section at a time and never sets aside more than one section's memory.
 */

import { SECTION_BYTES_MAX, SNAPSHOT_MAGIC, SNAPSHOT_VERSION } from '../chain/snapshot.ts'
import { concatBytes, equalBytes } from '../primitives/bytes.ts'
import { ByteReader, encodeWith } from '../primitives/codec.ts'
import { crc32c } from '../primitives/crc32c.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'

/** Bytes from the front to the end, once. */
export interface ByteSource {
  /** The next `length` bytes; fewer only where the end is. @throws StorageError */
  read(length: number): Promise<Uint8Array>
}

export interface Section {
  readonly kind: number
  readonly payload: Uint8Array
  /** Of its first byte in the file. */
  readonly offset: number
}

const PREAMBLE_BYTES = SNAPSHOT_MAGIC.length + 4
const SECTION_HEAD_BYTES = 5
const CHECKSUM_BYTES = 4

export function encodePreamble(): Uint8Array {
  return encodeWith((writer) => writer.bytes(SNAPSHOT_MAGIC).u32(SNAPSHOT_VERSION))
}

export function encodeSection(kind: number, payload: Uint8Array): Uint8Array {
  const body = encodeWith((writer) => writer.u8(kind).u32(payload.length).bytes(payload))
  return encodeWith((writer) => writer.bytes(body).u32(crc32c(body)))
}

export class SectionReader {
  readonly #source: ByteSource
  #offset = 0

  constructor(source: ByteSource) {
    this.#source = source
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset
  }

  /** Before the first section. */
  async preamble(): Promise<Result<void, Rejection>> {
    const bytes = await this.#take(PREAMBLE_BYTES)
    if (bytes === undefined || !equalBytes(bytes.subarray(0, 8), SNAPSHOT_MAGIC)) {
      return reject('snapshot-format', 'invalid', 'this is not a snapshot')
    }
    const version = new ByteReader(bytes.subarray(8)).u32()
    if (version === SNAPSHOT_VERSION) return ok(undefined)
    return reject('snapshot-version', 'invalid', `version ${version}`)
  }

  async next(): Promise<Result<Section, Rejection>> {
    const offset = this.#offset
    const head = await this.#take(SECTION_HEAD_BYTES)
    if (head === undefined) return this.#truncated()
    const reader = new ByteReader(head)
    const kind = reader.u8()
    const length = reader.u32()
    if (length > SECTION_BYTES_MAX) {
      return reject('snapshot-format', 'invalid', `byte ${offset}: a section of ${length} bytes`)
    }
    const rest = await this.#take(length + CHECKSUM_BYTES)
    if (rest === undefined) return this.#truncated()
    const payload = rest.subarray(0, length)
    const checksum = new ByteReader(rest.subarray(length)).u32()
    if (crc32c(concatBytes(head, payload)) !== checksum) {
      return reject('snapshot-checksum', 'invalid', `byte ${offset}: the section is damaged`)
    }
    return ok({ kind, payload, offset })
  }

  /** After the last section. */
  async end(): Promise<Result<void, Rejection>> {
    const { length } = await this.#source.read(1)
    if (length === 0) return ok(undefined)
    return reject('snapshot-format', 'invalid', `byte ${this.#offset}: bytes after the end`)
  }

  #truncated(): Result<never, Rejection> {
    return reject('snapshot-truncated', 'invalid', `the file ends at byte ${this.#offset}`)
  }

  async #take(length: number): Promise<Uint8Array | undefined> {
    const bytes = await this.#source.read(length)
    this.#offset += bytes.length
    return bytes.length === length ? bytes : undefined
  }
}

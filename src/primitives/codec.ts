/**
 * Strict binary reading and writing, the base of every wire and disk format.
 * Integers are little-endian unless the name says `be`; CompactSize is Bitcoin's, shortest form only.
 */

import { hexInto } from './bytes.ts'

/** Bytes that do not follow their format. Caught only where bytes enter the program. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

const NO_BYTES = new Uint8Array()
const U32 = 2 ** 32
/** High words of a u64 below this leave it a safe integer. */
const SAFE_HIGH = 2 ** 21

export class ByteReader {
  #offset = 0
  /** Read byte by byte: a `DataView` would cost more than a short record does. */
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  #require(length: number): void {
    if (length > this.remaining) throw new DecodeError(`truncated: ${length} bytes wanted`)
  }

  #take(length: number): number {
    this.#require(length)
    const at = this.#offset
    this.#offset += length
    return at
  }

  /** A byte that `#take` has found to be there. */
  #at(offset: number): number {
    return this.#bytes[offset] ?? 0
  }

  u8(): number {
    return this.#at(this.#take(1))
  }

  u16(): number {
    const at = this.#take(2)
    return this.#at(at) | (this.#at(at + 1) << 8)
  }

  u32(): number {
    const at = this.#take(4)
    const low = this.#at(at) | (this.#at(at + 1) << 8)
    return (low | (this.#at(at + 2) << 16) | (this.#at(at + 3) << 24)) >>> 0
  }

  u64(): bigint {
    this.#require(8)
    const low = this.u32()
    return joinWords(this.u32(), low)
  }

  u32be(): number {
    const at = this.#take(4)
    const low = this.#at(at + 3) | (this.#at(at + 2) << 8)
    return (low | (this.#at(at + 1) << 16) | (this.#at(at) << 24)) >>> 0
  }

  u64be(): bigint {
    this.#require(8)
    const high = this.u32be()
    return joinWords(high, this.u32be())
  }

  /** A u64 that must fit a safe integer: heights and times. @throws DecodeError above 2^53 - 1. */
  safeU64(): number {
    const value = this.u64()
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new DecodeError('integer above 2^53 - 1')
    return Number(value)
  }

  bool(): boolean {
    const value = this.u8()
    if (value > 1) throw new DecodeError('boolean is neither 0 nor 1')
    return value === 1
  }

  /** A view of the next `length` bytes; it shares memory with the input. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length)
    // A view costs a hundred times its one byte of input, and a witness can hold a million of these.
    return length === 0 ? NO_BYTES : this.#bytes.subarray(at, at + length)
  }

  /** Bytes that have already been read, between two offsets. */
  slice(from: number, to: number): Uint8Array {
    return this.#bytes.subarray(from, to)
  }

  /** Bitcoin's CompactSize. @throws DecodeError when it is not the shortest form or above `max`. */
  compactSize(max: number): number {
    const first = this.u8()
    let value: number
    if (first < 0xfd) value = first
    else if (first === 0xfd) {
      value = this.u16()
      if (value < 0xfd) throw new DecodeError('non-canonical CompactSize')
    } else if (first === 0xfe) {
      value = this.u32()
      if (value < 0x10000) throw new DecodeError('non-canonical CompactSize')
    } else {
      throw new DecodeError('CompactSize above 2^32')
    }
    if (value > max) throw new DecodeError(`count ${value} above the limit ${max}`)
    return value
  }

  /** A byte string behind its CompactSize length, at most `maxBytes` long. */
  varBytes(maxBytes: number): Uint8Array {
    return this.bytes(this.compactSize(maxBytes))
  }

  /** CompactSize count, then that many items. */
  list<T>(maxCount: number, item: (reader: ByteReader) => T): T[] {
    const count = this.compactSize(maxCount)
    const out: T[] = []
    for (let i = 0; i < count; i++) out.push(item(this))
    return out
  }

  utf8(maxBytes: number): string {
    try {
      // A byte order mark is text like any other: left out, two encodings would have one value.
      const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      return decoder.decode(this.varBytes(maxBytes))
    } catch (cause) {
      if (cause instanceof DecodeError) throw cause
      throw new DecodeError('not UTF-8', { cause })
    }
  }

  /** @throws DecodeError when bytes are left over. */
  end(): void {
    if (this.remaining !== 0) throw new DecodeError(`${this.remaining} trailing bytes`)
  }
}

/** Two 32-bit words as one u64; arithmetic on bigints is slow, so only where a number cannot hold it. */
function joinWords(high: number, low: number): bigint {
  if (high < SAFE_HIGH) return BigInt(high * U32 + low)
  return (BigInt(high) << 32n) | BigInt(low)
}

/** Room at the start; most messages and records fit. */
const WRITER_BYTES = 256
/** A writer that has grown beyond this gives its room back. */
const WRITER_BYTES_KEPT = 65_536

export class ByteWriter {
  #bytes = new Uint8Array(WRITER_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #length = 0
  /** The first n bytes, by n. */
  #views: Uint8Array[] = []

  /** Makes room for `length` more bytes and returns where they go. */
  #room(length: number): number {
    const at = this.#length
    this.#length += length
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      grown.set(this.#bytes.subarray(0, at))
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
      this.#views = []
    }
    return at
  }

  u8(value: number): this {
    const at = this.#room(1)
    this.#view.setUint8(at, value)
    return this
  }

  u16(value: number): this {
    const at = this.#room(2)
    this.#view.setUint16(at, value, true)
    return this
  }

  u32(value: number): this {
    const at = this.#room(4)
    this.#view.setUint32(at, value, true)
    return this
  }

  u64(value: bigint): this {
    const at = this.#room(8)
    this.#view.setBigUint64(at, value, true)
    return this
  }

  u32be(value: number): this {
    const at = this.#room(4)
    this.#view.setUint32(at, value, false)
    return this
  }

  u64be(value: bigint): this {
    const at = this.#room(8)
    this.#view.setBigUint64(at, value, false)
    return this
  }

  safeU64(value: number): this {
    return this.u64(BigInt(value))
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0)
  }

  bytes(value: Uint8Array): this {
    const at = this.#room(value.length)
    this.#bytes.set(value, at)
    return this
  }

  compactSize(value: number): this {
    if (value < 0xfd) return this.u8(value)
    if (value < 0x10000) return this.u8(0xfd).u16(value)
    return this.u8(0xfe).u32(value)
  }

  varBytes(value: Uint8Array): this {
    return this.compactSize(value.length).bytes(value)
  }

  list<T>(items: readonly T[], item: (writer: ByteWriter, value: T) => void): this {
    this.compactSize(items.length)
    for (const value of items) item(this, value)
    return this
  }

  utf8(value: string): this {
    return this.varBytes(new TextEncoder().encode(value))
  }

  /** The bytes of lower-case hex. @throws RangeError for anything else. */
  hex(value: string): this {
    const at = this.#room(value.length >>> 1)
    hexInto(value, this.#bytes, at)
    return this
  }

  /** What has been written, as a view that the next write or `clear` may change. */
  view(): Uint8Array {
    if (this.#length > WRITER_BYTES) return this.#bytes.subarray(0, this.#length)
    // Making a view costs as much as a short record: there is one for each length.
    return (this.#views[this.#length] ??= this.#bytes.subarray(0, this.#length))
  }

  /** What has been written, as a byte string of its own. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  /** Empty again, with its room; what was written is overwritten, since it may have been secret. */
  clear(): void {
    if (this.#bytes.length > WRITER_BYTES_KEPT) {
      this.#bytes = new Uint8Array(WRITER_BYTES)
      this.#view = new DataView(this.#bytes.buffer)
      this.#views = []
    } else {
      this.#bytes.fill(0, 0, this.#length)
    }
    this.#length = 0
  }
}

/** Runs a decoder over a whole byte string. @throws DecodeError, also when bytes are left over. */
export function decodeAll<T>(bytes: Uint8Array, decode: (reader: ByteReader) => T): T {
  const reader = new ByteReader(bytes)
  const value = decode(reader)
  reader.end()
  return value
}

/** Used by one encoder at a time; an encoder inside another gets a writer of its own. */
let idleWriter: ByteWriter | undefined

/** Runs an encoder into a fresh byte string. The writer must not be used afterwards. */
export function encodeWith(encode: (writer: ByteWriter) => void): Uint8Array {
  const writer = takeWriter()
  encode(writer)
  const bytes = writer.finish()
  giveBack(writer)
  return bytes
}

/**
 * Runs an encoder and gives what it wrote to `use`, which must not keep it: for hashes, where memory
 * for each message would cost more than the hash.
 */
export function useEncoded<T>(
  encode: (writer: ByteWriter) => void,
  use: (bytes: Uint8Array) => T,
): T {
  const writer = takeWriter()
  encode(writer)
  const result = use(writer.view())
  giveBack(writer)
  return result
}

/** Stays taken when an encoder throws: the next one gets a new writer. */
function takeWriter(): ByteWriter {
  const writer = idleWriter ?? new ByteWriter()
  idleWriter = undefined
  return writer
}

function giveBack(writer: ByteWriter): void {
  writer.clear()
  idleWriter = writer
}

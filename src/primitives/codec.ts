/**
 * Strict binary reading and writing, the base of every wire and disk format.
 * Integers are little-endian unless the name says `be`; CompactSize is Bitcoin's, shortest form only.
 */

/** Bytes that do not follow their format. Caught only where bytes enter the program. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

const NO_BYTES = new Uint8Array()

export class ByteReader {
  #offset = 0
  readonly #bytes: Uint8Array
  readonly #view: DataView

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  #take(length: number): number {
    if (length > this.remaining) throw new DecodeError(`truncated: ${length} bytes wanted`)
    const at = this.#offset
    this.#offset += length
    return at
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true)
  }

  u32be(): number {
    return this.#view.getUint32(this.#take(4), false)
  }

  u64be(): bigint {
    return this.#view.getBigUint64(this.#take(8), false)
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

/** Room at the start; most messages and records fit. */
const WRITER_BYTES = 256
/** A writer that has grown beyond this gives its room back. */
const WRITER_BYTES_KEPT = 65_536

export class ByteWriter {
  #bytes = new Uint8Array(WRITER_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  /** Makes room for `length` more bytes and returns where they go. */
  #room(length: number): number {
    const at = this.#length
    this.#length += length
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      grown.set(this.#bytes.subarray(0, at))
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
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

  /** What has been written, as a byte string of its own. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  /** Empty again, with its room; what was written is overwritten, since it may have been secret. */
  clear(): void {
    if (this.#bytes.length > WRITER_BYTES_KEPT) {
      this.#bytes = new Uint8Array(WRITER_BYTES)
      this.#view = new DataView(this.#bytes.buffer)
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
  const writer = idleWriter ?? new ByteWriter()
  // Stays taken when the encoder throws: the next call makes a new one.
  idleWriter = undefined
  encode(writer)
  const bytes = writer.finish()
  writer.clear()
  idleWriter = writer
  return bytes
}

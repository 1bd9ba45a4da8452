/**
 * The bytes of an append log: a header of 8 bytes, then frames. One frame is what one write put there,
 * so only the last frame can be torn by a crash, and its records were never acknowledged.
 *
 *     frame  = body length u32 ‖ CRC-32C of body u32 ‖ CRC-32C of the 8 bytes before u32 ‖ body
 *     body   = (record length u32 ‖ record)+
 *
 * All little-endian. The frame header has its own checksum: a damaged length in the middle of the log
 * must not look like a torn tail, or everything behind it would be dropped in silence.
 *
 * What counts as a torn tail, and is dropped: a frame that the end of the file cuts short; a whole last
 * frame whose body fails its checksum; zeros to the end of the file (a file system may extend a file
 * before it writes the data). Any other damage means that acknowledged records may be lost: refused.
 */

import { assert } from '../primitives/assert.ts'
import { concatBytes } from '../primitives/bytes.ts'
import { ByteReader, ByteWriter, DecodeError } from '../primitives/codec.ts'
import { crc32c } from '../primitives/crc32c.ts'

/** "CWLOG", a zero, format version u16. */
export const LOG_HEADER: Uint8Array = Uint8Array.of(0x43, 0x57, 0x4c, 0x4f, 0x47, 0x00, 0x01, 0x00)
const FRAME_HEADER_BYTES = 12
/** Longest record. A block with its L1 section is about 2 MB. Not consensus-critical. */
export const LOG_RECORD_BYTES_MAX = 8 << 20
/** Longest frame body, so that a damaged length cannot ask for all the memory there is. */
export const LOG_FRAME_BYTES_MAX = 64 << 20

/** Length of the frame body that these records make. */
export function frameBodyBytes(records: readonly Uint8Array[]): number {
  return records.reduce((sum, record) => sum + 4 + record.length, 0)
}

export function encodeFrame(records: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter()
  for (const record of records) {
    assert(record.length <= LOG_RECORD_BYTES_MAX, 'log record within its limit')
    writer.u32(record.length).bytes(record)
  }
  const body = writer.finish()
  assert(body.length > 0 && body.length <= LOG_FRAME_BYTES_MAX, 'log frame within its limits')
  const lead = new ByteWriter().u32(body.length).u32(crc32c(body)).finish()
  return concatBytes(lead, new ByteWriter().u32(crc32c(lead)).finish(), body)
}

export interface LogScan {
  readonly records: readonly Uint8Array[]
  /** Where the good part of the file ends; what follows is a torn tail to cut off. */
  readonly goodBytes: number
}

/** What is wrong with a log, and where. */
export class LogDamage extends Error {
  override readonly name = 'LogDamage'
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

/** Reads a whole log file; records are copies. @throws LogDamage for anything but a torn tail. */
export function scanLog(file: Uint8Array): LogScan {
  for (let i = 0; i < LOG_HEADER.length; i++) {
    if (file[i] !== LOG_HEADER[i]) throw new LogDamage('this is not a log of this format', 0)
  }
  const records: Uint8Array[] = []
  let offset = LOG_HEADER.length
  while (offset < file.length) {
    const frame = scanFrame(file, offset)
    if (frame === 'torn') break
    records.push(...frame.records)
    offset = frame.end
  }
  return { records, goodBytes: offset }
}

interface Frame {
  readonly records: readonly Uint8Array[]
  readonly end: number
}

function scanFrame(file: Uint8Array, offset: number): Frame | 'torn' {
  const rest = file.subarray(offset)
  if (rest.length < FRAME_HEADER_BYTES) return 'torn'
  const reader = new ByteReader(rest)
  const bodyBytes = reader.u32()
  const bodyChecksum = reader.u32()
  const headerChecksum = reader.u32()
  if (crc32c(rest.subarray(0, 8)) !== headerChecksum) {
    if (rest.every((byte) => byte === 0)) return 'torn'
    throw new LogDamage('a frame header fails its checksum', offset)
  }
  if (bodyBytes === 0 || bodyBytes > LOG_FRAME_BYTES_MAX) {
    throw new LogDamage('a frame has an impossible length', offset)
  }
  if (bodyBytes > reader.remaining) return 'torn'
  const body = reader.bytes(bodyBytes)
  if (crc32c(body) !== bodyChecksum) {
    if (reader.remaining === 0) return 'torn'
    throw new LogDamage('a frame fails its checksum', offset)
  }
  return { records: splitBody(body, offset), end: offset + FRAME_HEADER_BYTES + bodyBytes }
}

function splitBody(body: Uint8Array, offset: number): Uint8Array[] {
  const records: Uint8Array[] = []
  const reader = new ByteReader(body)
  try {
    while (reader.remaining > 0) records.push(new Uint8Array(reader.bytes(reader.u32())))
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown
    throw new LogDamage('a frame holds a record longer than itself', offset)
  }
  return records
}

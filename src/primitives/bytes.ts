/** Byte-string operations over `Uint8Array`. Hex is lower case. */

import { bytesToHex as nobleBytesToHex } from '@noble/hashes/utils.js'
import { nodeProcess } from './platform.ts'

/** Longest array that V8 keeps inside its own heap; native code sees one only after a costly move. */
const ON_HEAP_BYTES = 64

function platformBytesToHex(): (bytes: Uint8Array) => string {
  if (nodeProcess === undefined) return nobleBytesToHex
  const { Buffer } = nodeProcess.getBuiltinModule('node:buffer')
  const short = Buffer.alloc(ON_HEAP_BYTES)
  return (bytes) => {
    const { length } = bytes
    if (length > ON_HEAP_BYTES) {
      return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('hex')
    }
    short.set(bytes)
    return short.toString('hex', 0, length)
  }
}

export const bytesToHex: (bytes: Uint8Array) => string = platformBytesToHex()

const HEX = /^(?:[0-9a-f]{2})*$/

/** The value of each lower-case hex digit by its character code, -1 for every other code. */
const DIGITS = Int8Array.from({ length: 128 }, (_, code) =>
  '0123456789abcdef'.indexOf(String.fromCharCode(code)),
)

/** @throws RangeError unless `hex` is an even number of lower-case hex digits. */
export function hexToBytes(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length >>> 1)
  hexInto(hex, bytes, 0)
  return bytes
}

/**
 * Writes the bytes of `hex` to `target`, from `at` on; what does not fit is lost.
 * @throws RangeError unless `hex` is an even number of lower-case hex digits.
 */
export function hexInto(hex: string, target: Uint8Array, at: number): void {
  const { length } = hex
  if (length % 2 !== 0) throw new RangeError('not lower-case hex')
  // Negative as soon as one digit was.
  let all = 0
  for (let digit = 0, to = at; digit < length; digit += 2, to++) {
    const high = DIGITS[hex.charCodeAt(digit)] ?? -1
    const low = DIGITS[hex.charCodeAt(digit + 1)] ?? -1
    const byte = (high << 4) | low
    all |= byte
    target[to] = byte
  }
  if (all < 0) throw new RangeError('not lower-case hex')
}

/** True for an even number of lower-case hex digits, of exactly `lengthBytes` bytes if given. */
export function isHex(text: string, lengthBytes?: number): boolean {
  return HEX.test(text) && (lengthBytes === undefined || text.length === lengthBytes * 2)
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Lexicographic order: negative when `a` comes before `b`. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** A reversed copy. */
export function reverseBytes(bytes: Uint8Array): Uint8Array {
  return bytes.toReversed()
}

const encoder = new TextEncoder()

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

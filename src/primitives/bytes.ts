/** Byte-string operations over `Uint8Array`. Hex is lower case. */

import { bytesToHex, hexToBytes as nobleHexToBytes } from '@noble/hashes/utils.js'

export { bytesToHex }

const HEX = /^(?:[0-9a-f]{2})*$/

/** @throws RangeError unless `hex` is an even number of lower-case hex digits. */
export function hexToBytes(hex: string): Uint8Array {
  if (!HEX.test(hex)) throw new RangeError('not lower-case hex')
  return nobleHexToBytes(hex)
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

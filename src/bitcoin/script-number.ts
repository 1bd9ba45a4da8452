/**
 * Numbers and truth on the script stack: little-endian with the sign in the last byte's top bit.
 * Operands have at most 4 bytes (5 for lock times), so every result is an exact JavaScript number.
 */

const SIGN = 0x80

/** Undefined when longer than `maxBytes` (at most 6) or, if asked for, not the shortest form. */
export function decodeScriptNumber(
  bytes: Uint8Array,
  requireMinimal: boolean,
  maxBytes = 4,
): number | undefined {
  if (bytes.length > maxBytes) return undefined
  if (requireMinimal && !isMinimalNumber(bytes)) return undefined
  const last = bytes.at(-1)
  if (last === undefined) return 0
  let magnitude = last & ~SIGN
  for (let i = bytes.length - 2; i >= 0; i--) magnitude = magnitude * 256 + (bytes[i] ?? 0)
  return (last & SIGN) === 0 ? magnitude : -magnitude
}

/** BIP62 rule 4: the last byte carries more than a sign, unless the byte before needs its top bit. */
function isMinimalNumber(bytes: Uint8Array): boolean {
  const last = bytes.at(-1)
  if (last === undefined || (last & ~SIGN) !== 0) return true
  const beforeLast = bytes.at(-2)
  return beforeLast !== undefined && (beforeLast & SIGN) !== 0
}

/** The shortest form; zero is the empty string. `value` is a safe integer. */
export function encodeScriptNumber(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = Math.abs(value); rest > 0; rest = Math.floor(rest / 256)) bytes.push(rest % 256)
  const last = bytes.at(-1)
  if (last === undefined) return new Uint8Array()
  const sign = value < 0 ? SIGN : 0
  if ((last & SIGN) === 0) bytes[bytes.length - 1] = last | sign
  else bytes.push(sign)
  return Uint8Array.from(bytes)
}

/** False is any zero: empty, zeros, or zeros with a sign at the end. */
export function isTruthy(bytes: Uint8Array): boolean {
  const end = bytes.length - 1
  for (let i = 0; i < end; i++) if (bytes[i] !== 0) return true
  return end >= 0 && bytes[end] !== 0 && bytes[end] !== SIGN
}

/**
 * Encodings of ECDSA signatures and public keys in witness v0 scripts: strict DER (BIP66), low S
 * (BIP146), hash types, SEC1 keys. A signature here is DER followed by its hash type byte.
 */

import { bytesToHex, compareBytes, concatBytes, hexToBytes } from '../primitives/bytes.ts'

/** 30 len 02 rlen r 02 slen s hashtype, r and s of 1 byte at least and 33 bytes at most for both. */
const SIGNATURE_BYTES_MIN = 9
const SIGNATURE_BYTES_MAX = 73
const SEQUENCE_TAG = 0x30
const INTEGER_TAG = 0x02
const SCALAR_BYTES = 32

/** SEC2: the group order n of secp256k1, and its half rounded down. */
const ORDER = hexToBytes('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')
const HALF_ORDER = hexToBytes('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0')
/** SEC2: the field's prime p. */
const FIELD = 2n ** 256n - 2n ** 32n - 977n

interface DerIntegers {
  readonly r: Uint8Array
  readonly s: Uint8Array
}

/** BIP66, step by step; undefined when a step fails. The integers are views of the signature. */
function findDerIntegers(signature: Uint8Array): DerIntegers | undefined {
  const { length } = signature
  // Minimum and maximum size.
  if (length < SIGNATURE_BYTES_MIN || length > SIGNATURE_BYTES_MAX) return undefined
  // A signature is of type compound; its length covers everything but the hash type.
  if (signature[0] !== SEQUENCE_TAG || signature[1] !== length - 3) return undefined
  const rLength = signature[3] ?? 0
  // The length of the S element is still inside the signature.
  if (5 + rLength >= length) return undefined
  const sLength = signature[5 + rLength] ?? 0
  // The lengths of the elements make up the whole.
  if (rLength + sLength + 7 !== length) return undefined
  if (signature[2] !== INTEGER_TAG || signature[4 + rLength] !== INTEGER_TAG) return undefined
  const r = signature.subarray(4, 4 + rLength)
  const s = signature.subarray(6 + rLength, 6 + rLength + sLength)
  return isDerInteger(r) && isDerInteger(s) ? { r, s } : undefined
}

/** BIP66: not empty, not negative, no zero byte in front unless it keeps the number positive. */
function isDerInteger(bytes: Uint8Array): boolean {
  const [first, second] = bytes
  if (first === undefined || (first & 0x80) !== 0) return false
  return first !== 0 || second === undefined || (second & 0x80) !== 0
}

/** 32 bytes; undefined for n and above. */
function scalarBytes(integer: Uint8Array): Uint8Array | undefined {
  const digits = integer[0] === 0 ? integer.subarray(1) : integer
  if (digits.length > SCALAR_BYTES) return undefined
  const scalar = concatBytes(new Uint8Array(SCALAR_BYTES - digits.length), digits)
  return compareBytes(scalar, ORDER) < 0 ? scalar : undefined
}

/** BIP66 over DER and hash type byte. */
export function isStrictDer(signature: Uint8Array): boolean {
  return findDerIntegers(signature) !== undefined
}

/** The 64 bytes r ‖ s; undefined unless strict DER with both below n. */
export function compactSignature(signature: Uint8Array): Uint8Array | undefined {
  const integers = findDerIntegers(signature)
  if (integers === undefined) return undefined
  const r = scalarBytes(integers.r)
  const s = scalarBytes(integers.s)
  return r === undefined || s === undefined ? undefined : concatBytes(r, s)
}

/** BIP146: s above n/2. As in Core, r or s of n and above is not "high": it fails verification. */
export function isHighS(signature: Uint8Array): boolean {
  const compact = compactSignature(signature)
  return compact !== undefined && compareBytes(compact.subarray(SCALAR_BYTES), HALF_ORDER) > 0
}

/** ALL, NONE or SINGLE, with or without ANYONECANPAY. */
export function isDefinedHashType(signature: Uint8Array): boolean {
  const outputs = (signature.at(-1) ?? 0) & ~0x80
  return outputs >= 1 && outputs <= 3
}

/** By its form alone: 33 bytes behind 02 or 03. */
export function isCompressedKey(key: Uint8Array): boolean {
  return key.length === 33 && (key[0] === 0x02 || key[0] === 0x03)
}

/** By its form alone: compressed, or 65 bytes behind 04. */
export function isStandardKey(key: Uint8Array): boolean {
  return isCompressedKey(key) || (key.length === 65 && key[0] === 0x04)
}

/**
 * The compressed form of an SEC1 key, for spends that the WITNESS_PUBKEYTYPE flag does not guard;
 * also of the hybrid form (06, 07). Undefined when a longer form is not a curve point.
 */
export function compressKey(key: Uint8Array): Uint8Array | undefined {
  if (isCompressedKey(key)) return key
  const [form] = key
  if (key.length !== 65 || (form !== 0x04 && form !== 0x06 && form !== 0x07)) return undefined
  const xBytes = key.subarray(1, 33)
  const x = BigInt(`0x${bytesToHex(xBytes)}`)
  const y = BigInt(`0x${bytesToHex(key.subarray(33))}`)
  // SEC1 2.3.4: the coordinates are field elements on y² = x³ + 7.
  if (x >= FIELD || y >= FIELD || (y * y - x * x * x - 7n) % FIELD !== 0n) return undefined
  const isOdd = (y & 1n) === 1n
  if (form !== 0x04 && isOdd !== (form === 0x07)) return undefined
  return concatBytes(Uint8Array.of(isOdd ? 0x03 : 0x02), xBytes)
}

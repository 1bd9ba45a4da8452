/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4): reflected polynomial 0x82f63b78. It finds damage on a
 * disk; against an adversary it proves nothing.
 */

const TABLE = new Uint32Array(256)
for (let i = 0; i < 256; i++) {
  let value = i
  for (let bit = 0; bit < 8; bit++) {
    value = (value & 1) === 1 ? (value >>> 1) ^ 0x82f6_3b78 : value >>> 1
  }
  TABLE[i] = value
}

/** Unsigned 32-bit checksum. */
export function crc32c(bytes: Uint8Array): number {
  let state = 0xffff_ffff
  // By index: an iterator makes an object for every byte.
  for (let i = 0; i < bytes.length; i++) {
    state = (state >>> 8) ^ (TABLE[(state ^ (bytes[i] ?? 0)) & 0xff] ?? 0)
  }
  return (state ^ 0xffff_ffff) >>> 0
}

import { expect, it } from 'vitest'
import { utf8 } from '../../src/primitives/bytes.ts'
import { crc32c } from '../../src/primitives/crc32c.ts'

// RFC 3720, appendix B.4, and the usual check value.
it.each([
  ['32 bytes of zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['bytes 0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ['bytes 31 to 0', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ['"123456789"', utf8('123456789'), 0xe3069283],
  ['nothing', new Uint8Array(), 0],
])('gives the RFC 3720 checksum of %s', (_name, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected)
})

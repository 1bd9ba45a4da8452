/** BIP380: the eight-character checksum that follows `#` in an output descriptor. */

import { assert } from '../primitives/assert.ts'

const INPUT_CHARSET =
  '0123456789()[],\'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#"\\ '
const CHECKSUM_CHARSET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const GENERATOR = [0xf5dee51989n, 0xa9fdca3312n, 0x1bab10e32dn, 0x3706b1677an, 0x644d626ffdn]

function polymodStep(checksum: bigint, value: bigint): bigint {
  const top = checksum >> 35n
  let next = ((checksum & 0x7ffffffffn) << 5n) ^ value
  GENERATOR.forEach((generator, i) => {
    if (((top >> BigInt(i)) & 1n) === 1n) next ^= generator
  })
  return next
}

/** `descriptor` + '#' + checksum. The descriptor must use BIP380's character set. */
export function withDescriptorChecksum(descriptor: string): string {
  let checksum = 1n
  let group = 0
  let groupSize = 0
  for (const character of descriptor) {
    const position = INPUT_CHARSET.indexOf(character)
    assert(position !== -1, 'descriptor has a character outside of BIP380')
    // Each character's low 5 bits, then every three characters' high bits as one symbol.
    checksum = polymodStep(checksum, BigInt(position & 31))
    group = group * 3 + (position >> 5)
    groupSize += 1
    if (groupSize === 3) {
      checksum = polymodStep(checksum, BigInt(group))
      group = 0
      groupSize = 0
    }
  }
  if (groupSize > 0) checksum = polymodStep(checksum, BigInt(group))
  for (let i = 0; i < 8; i++) checksum = polymodStep(checksum, 0n)
  checksum ^= 1n
  let text = ''
  for (let i = 0; i < 8; i++) {
    text += CHECKSUM_CHARSET[Number((checksum >> BigInt(5 * (7 - i))) & 31n)] ?? ''
  }
  return `${descriptor}#${text}`
}

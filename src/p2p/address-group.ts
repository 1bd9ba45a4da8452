/**
 * Which addresses are likely one owner's: an IPv4 /24, an IPv6 /64. Peer ids cost nothing, addresses
 * do; so what strangers are owed is counted by these. Loopback and private ranges (RFC 1918, 4193,
 * 3927, 4291, 6598) hold a whole network on one machine, in one cluster or behind one proxy, and are
 * told apart: limits by address do not fit them.
 */

import { CODE_IP4, CODE_IP6, type Multiaddr } from '@multiformats/multiaddr'

export interface AddressGroup {
  /** For example `203.0.113.0/24`. */
  readonly name: string
  /** Loopback or private. */
  readonly isLocal: boolean
}

/** The group of a peer's address. One that is no IP address, such as a DNS name, is its own group. */
export function addressGroupOf(
  address: Pick<Multiaddr, 'getComponents' | 'toString'>,
): AddressGroup {
  for (const { code, value } of address.getComponents()) {
    if (value === undefined) continue
    if (code === CODE_IP4) return groupOfIpv4(value)
    if (code === CODE_IP6) return groupOfIpv6(value)
  }
  return { name: address.toString(), isLocal: false }
}

function groupOfIpv4(text: string): AddressGroup {
  const [a = 0, b = 0, c = 0] = text.split('.').map(Number)
  const isLocal =
    a === 10 ||
    a === 127 ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254) ||
    (a === 100 && b >= 64 && b < 128)
  return { name: `${a}.${b}.${c}.0/24`, isLocal }
}

function groupOfIpv6(text: string): AddressGroup {
  const words = ipv6Words(text)
  const [first = 0, , , , , , high = 0, low = 0] = words
  // ::ffff:a.b.c.d is an IPv4 address seen through a dual-stack socket.
  if (words.slice(0, 6).every((word, i) => word === (i === 5 ? 0xffff : 0))) {
    return groupOfIpv4([high >> 8, high & 0xff, low >> 8, low & 0xff].join('.'))
  }
  const isLoopback = words.every((word, i) => word === (i === 7 ? 1 : 0))
  const isLocal = isLoopback || (first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfe80
  const network = words.slice(0, 4).map((word) => word.toString(16))
  return { name: `${network.join(':')}::/64`, isLocal }
}

/** The eight words of an IPv6 address in the text form of multiaddrs: RFC 4291 §2.2, all in hex. */
function ipv6Words(text: string): readonly number[] {
  const [head = '', tail] = text.split('::')
  const left = wordsOf(head)
  const right = tail === undefined ? [] : wordsOf(tail)
  const gap = Math.max(0, 8 - left.length - right.length)
  return [...left, ...Array.from({ length: gap }, () => 0), ...right].slice(0, 8)
}

function wordsOf(text: string): readonly number[] {
  return text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16))
}

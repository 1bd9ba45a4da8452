import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { addressGroupOf } from '../../src/p2p/address-group.ts'

describe('the group of an address', () => {
  it.each([
    ['/ip4/203.0.113.7/tcp/1', '203.0.113.0/24', false],
    ['/ip4/127.0.0.1/tcp/1', '127.0.0.0/24', true],
    ['/ip4/10.1.2.3/tcp/1', '10.1.2.0/24', true],
    ['/ip4/172.16.0.1/tcp/1', '172.16.0.0/24', true],
    ['/ip4/172.32.0.1/tcp/1', '172.32.0.0/24', false],
    ['/ip4/192.168.9.1/tcp/1', '192.168.9.0/24', true],
    ['/ip4/100.64.0.1/tcp/1', '100.64.0.0/24', true],
    ['/ip4/100.128.0.1/tcp/1', '100.128.0.0/24', false],
    ['/ip6/2001:db8:1:2:3:4:5:6/tcp/1', '2001:db8:1:2::/64', false],
    ['/ip6/2001:db8::1/tcp/1', '2001:db8:0:0::/64', false],
    ['/ip6/::1/tcp/1', '0:0:0:0::/64', true],
    ['/ip6/fd00::1/tcp/1', 'fd00:0:0:0::/64', true],
    ['/ip6/fe80::1/tcp/1', 'fe80:0:0:0::/64', true],
    ['/ip6/::ffff:203.0.113.7/tcp/1', '203.0.113.0/24', false],
    ['/dns4/node.example.org/tcp/1', '/dns4/node.example.org/tcp/1', false],
  ])('of %s is %s', (address, name, isLocal) => {
    expect(addressGroupOf(multiaddr(address))).toEqual({ name, isLocal })
  })
})

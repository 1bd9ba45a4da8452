/** Vectors of BIP173 and BIP350, Bitcoin Core's base58 keys, and withdraw addresses. */

import * as bitcoinjs from 'bitcoinjs-lib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type AddressNetwork,
  decodeAddress,
  encodeAddress,
  L1_ADDRESS_NETWORKS,
} from '../../src/bitcoin/address.ts'
import {
  P2A_SCRIPT,
  p2pkhScript,
  p2shScript,
  p2trScript,
  p2wpkhScript,
  p2wshScript,
  withdrawScript,
  witnessScript,
} from '../../src/bitcoin/script.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { loadVectors } from './vectors.ts'

const { mainnet, testnet4 } = L1_ADDRESS_NETWORKS
const SIDECHAIN: AddressNetwork = { bech32: 'cw' }

function networkOf(address: string): AddressNetwork {
  return address.toLowerCase().startsWith('bc1') ? mainnet : testnet4
}

function code(text: string, network: AddressNetwork): string {
  const result = decodeAddress(text, network)
  return result.ok ? bytesToHex(result.value) : result.error.code
}

describe('BIP350 addresses', () => {
  it.each([
    ['BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4', '0014751e76e8199196d454941c45d1b3a323f1433bd6'],
    [
      'tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7',
      '00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262',
    ],
    [
      'bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y',
      '5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6',
    ],
    ['BC1SW50QGDZ25J', '6002751e'],
    ['bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs', '5210751e76e8199196d454941c45d1b3a323'],
    [
      'tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy',
      '0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433',
    ],
    [
      'tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c',
      '5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433',
    ],
    [
      'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0',
      '512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
    ],
  ])('%s is read and written', (address, script) => {
    const network = networkOf(address)
    expect(code(address, network)).toBe(script)
    expect(encodeAddress(hexToBytes(script), network)).toBe(address.toLowerCase())
  })

  it.each([
    ['tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut', 'address-network'],
    ['bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd', 'address-checksum'],
    ['tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf', 'address-checksum'],
    ['BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL', 'address-checksum'],
    ['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh', 'address-checksum'],
    ['tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47', 'address-checksum'],
    ['bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4', 'address-checksum'],
    ['BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R', 'address-program'],
    ['bc1pw5dgrnzv', 'address-program'],
    [
      'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav',
      'address-program',
    ],
    ['BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P', 'address-program'],
    ['tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq', 'address-format'],
    ['bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf', 'address-program'],
    ['tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j', 'address-program'],
    ['bc1gmk9yu', 'address-program'],
  ])('%s is refused', (address, expected) => {
    expect(code(address, networkOf(address))).toBe(expected)
  })
})

describe('base58 addresses', () => {
  type Row = readonly [string, string, { isPrivkey: boolean; isTestnet: boolean; addrType: string }]

  it("are Bitcoin Core's", () => {
    const rows = loadVectors('bitcoind/base58_keys_valid.json') as readonly Row[]
    let addresses = 0
    for (const [address, hash, { isPrivkey, isTestnet, addrType }] of rows) {
      const network = isTestnet ? testnet4 : mainnet
      if (isPrivkey) {
        expect(decodeAddress(address, network).ok).toBe(false)
        continue
      }
      addresses += 1
      const toScript = addrType === 'pubkey' ? p2pkhScript : p2shScript
      const script = toScript(hexToBytes(hash))
      expect(code(address, network)).toBe(bytesToHex(script))
      expect(encodeAddress(script, network)).toBe(address)
      expect(code(address, isTestnet ? mainnet : testnet4)).toBe('address-network')
      expect(code(address, SIDECHAIN)).toBe('address-network')
    }
    expect(addresses).toBe(26)
  })

  it('that Bitcoin Core refuses are refused', () => {
    const rows = loadVectors('bitcoind/base58_keys_invalid.json') as readonly (readonly string[])[]
    for (const [text = ''] of rows) {
      expect(decodeAddress(text, mainnet).ok).toBe(false)
      expect(decodeAddress(text, testnet4).ok).toBe(false)
    }
  })
})

describe('this chain', () => {
  const hash20 = new Uint8Array(20).fill(3)
  const hash32 = new Uint8Array(32).fill(4)
  const l1Scripts = [
    p2pkhScript(hash20),
    p2shScript(hash20),
    p2wpkhScript(hash20),
    p2wshScript(hash32),
    p2trScript(hash32),
  ]

  it('has withdraw addresses for all five L1 scripts', () => {
    for (const l1Script of l1Scripts) {
      const script = withdrawScript(l1Script)
      const address = encodeAddress(script, SIDECHAIN)
      expect(address).toMatch(/^cw1s[02-9ac-hj-np-z]{40,64}$/)
      expect(code(address ?? '', SIDECHAIN)).toBe(bytesToHex(script))
    }
  })

  it('has no base58 addresses', () => {
    expect(encodeAddress(p2pkhScript(hash20), SIDECHAIN)).toBeUndefined()
    expect(encodeAddress(hexToBytes('6a'), SIDECHAIN)).toBeUndefined()
  })

  it('tells a typing mistake from an address of another network', () => {
    const address = encodeAddress(p2wpkhScript(hash20), SIDECHAIN) ?? ''
    expect(code(`${address.slice(0, -1)}${address.endsWith('q') ? 'p' : 'q'}`, SIDECHAIN)).toBe(
      'address-checksum',
    )
    expect(code(address, mainnet)).toBe('address-network')
    expect(code('hello world', SIDECHAIN)).toBe('address-format')
    expect(code('', SIDECHAIN)).toBe('address-format')
    expect(code('a'.repeat(91), SIDECHAIN)).toBe('address-format')
  })

  it('writes the anchor as Bitcoin does', () => {
    expect(encodeAddress(P2A_SCRIPT, mainnet)).toBe('bc1pfeessrawgf')
  })
})

describe('every witness program', () => {
  const programs = fc.uint8Array({ minLength: 2, maxLength: 40 })

  it('survives its address', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 }), programs, (version, program) => {
        const script = witnessScript({ version, program })
        expect(code(encodeAddress(script, SIDECHAIN) ?? '', SIDECHAIN)).toBe(bytesToHex(script))
      }),
    )
  })

  it('has the address that bitcoinjs-lib gives it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (hash) => {
        const script = p2wpkhScript(hash)
        const network = bitcoinjs.networks.bitcoin
        expect(encodeAddress(script, mainnet)).toBe(
          bitcoinjs.address.fromOutputScript(script, network),
        )
        const legacy = bitcoinjs.address.fromOutputScript(p2pkhScript(hash), network)
        expect(code(legacy, mainnet)).toBe(bytesToHex(p2pkhScript(hash)))
      }),
    )
  })

  it('is never read from arbitrary text without a reason', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 100 }), (text) => {
        const result = decodeAddress(text, mainnet)
        if (!result.ok) expect(result.error.code).toMatch(/^address-/)
      }),
    )
  })
})

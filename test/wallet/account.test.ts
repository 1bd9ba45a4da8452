import { describe, expect, test } from 'vitest'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import {
  AccountScripts,
  accountDescriptor,
  accountFromSeed,
  type Branch,
  keyPathText,
  type ScriptKind,
} from '../../src/wallet/account.ts'
import { withDescriptorChecksum } from '../../src/wallet/descriptor-checksum.ts'
import { mnemonicSeed } from '../../src/wallet/mnemonic.ts'
import { testWallet, WORDS } from './test-wallet.ts'

function mainnetAddress(kind: ScriptKind, branch: Branch, index: number): string | undefined {
  const scripts = new AccountScripts(accountFromSeed(mnemonicSeed(WORDS), kind, 0))
  return encodeAddress(scripts.derive(branch, index).script, L1_ADDRESS_NETWORKS.mainnet)
}

describe('BIP84', () => {
  test.each([
    [0, 0, 'bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu'],
    [0, 1, 'bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g'],
    [1, 0, 'bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el'],
  ] as const)('test vector m/84h/0h/0h/%i/%i', (branch, index, address) => {
    expect(mainnetAddress('p2wpkh', branch, index)).toBe(address)
  })
})

describe('BIP86', () => {
  test.each([
    [0, 0, 'bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr'],
    [0, 1, 'bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh'],
    [1, 0, 'bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7'],
  ] as const)('test vector m/86h/0h/0h/%i/%i', (branch, index, address) => {
    expect(mainnetAddress('p2tr', branch, index)).toBe(address)
  })

  test('the account public key is the published one', () => {
    expect(accountFromSeed(mnemonicSeed(WORDS), 'p2tr', 0).xpub).toBe(
      'xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7D3UKDP9QyrLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ',
    )
  })
})

describe('descriptors', () => {
  test('BIP380 checksum vector', () => {
    expect(withDescriptorChecksum('raw(deadbeef)')).toBe('raw(deadbeef)#89f8spxm')
  })

  test('name the origin, both branches, and a test network key for coin type 1', () => {
    expect(accountDescriptor(testWallet('p2tr').account)).toMatch(
      /^tr\(\[73c5da0a\/86h\/1h\/0h\]tpub\w{107}\/<0;1>\/\*\)#\w{8}$/,
    )
    expect(accountDescriptor(testWallet('p2wpkh').account)).toMatch(/^wpkh\(\[73c5da0a\/84h\/1h/)
  })
})

test('key paths are written as PSBTs write them', () => {
  const { account } = testWallet('p2tr')
  expect(keyPathText(account, { branch: 1, index: 7 })).toBe("m/86'/1'/0'/1/7")
})

test('an extended key of another coin type is refused', () => {
  const { account } = testWallet('p2tr')
  expect(() => new AccountScripts({ ...account, coinType: 0 })).toThrow()
})

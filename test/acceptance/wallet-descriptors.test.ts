/** A wallet's words and descriptors, restored in other people's wallets: the same addresses there. */

import { Wallet } from '@metamask/bitcoindevkit'
import { HDKey } from '@scure/bip32'
import { mnemonicToSeedSync } from '@scure/bip39'
import { p2tr, p2wpkh } from '@scure/btc-signer'
import { describe, expect, it } from 'vitest'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { present } from '../../src/primitives/assert.ts'
import {
  type Account,
  AccountScripts,
  accountDescriptor,
  accountFromSeed,
  type Branch,
  type ScriptKind,
} from '../../src/wallet/account.ts'
import { withDescriptorChecksum } from '../../src/wallet/descriptor-checksum.ts'
import { createMnemonic, mnemonicSeed } from '../../src/wallet/mnemonic.ts'
import { SCURE_REGTEST } from './scure-client.ts'

const KINDS: readonly ScriptKind[] = ['p2wpkh', 'p2tr']
const BRANCHES: readonly Branch[] = [0, 1]
const INDICES = Array.from({ length: 20 }, (_, index) => index)
const TEST_VERSIONS = { public: 0x043587cf, private: 0x04358394 }

const WORDS = createMnemonic({ bytes: (length) => new Uint8Array(length).fill(0x3c) }, 12)

function ownAddresses(account: Account, branch: Branch): string[] {
  const scripts = new AccountScripts(account)
  return INDICES.map((index) =>
    present(
      encodeAddress(scripts.derive(branch, index).script, L1_ADDRESS_NETWORKS.regtest),
      'address',
    ),
  )
}

function scureAddress(kind: ScriptKind, publicKey: Uint8Array): string {
  const payment =
    kind === 'p2tr'
      ? p2tr(publicKey.subarray(1), undefined, SCURE_REGTEST)
      : p2wpkh(publicKey, SCURE_REGTEST)
  return present(payment.address, 'address')
}

describe.each(KINDS)('a %s account', (kind) => {
  const account = accountFromSeed(mnemonicSeed(WORDS), kind, 1)

  it('comes back from its words in @scure/bip32 and @scure/btc-signer', () => {
    const purpose = kind === 'p2tr' ? 86 : 84
    const master = HDKey.fromMasterSeed(mnemonicToSeedSync(WORDS), TEST_VERSIONS)
    for (const branch of BRANCHES) {
      const restored = INDICES.map((index) => {
        const key = master.derive(`m/${purpose}'/1'/0'/${branch}/${index}`)
        return scureAddress(kind, present(key.publicKey, 'public key'))
      })
      expect(restored).toEqual(ownAddresses(account, branch))
    }
  })

  it('comes back from its descriptor in @scure/bip32 and @scure/btc-signer', () => {
    const xpub = /\[[0-9a-f]{8}\/8[46]h\/1h\/0h\](tpub\w+)\/<0;1>\/\*\)/.exec(
      accountDescriptor(account),
    )?.[1]
    const key = HDKey.fromExtendedKey(present(xpub, 'extended key'), TEST_VERSIONS)
    for (const branch of BRANCHES) {
      const restored = INDICES.map((index) => {
        const child = key.deriveChild(branch).deriveChild(index)
        return scureAddress(kind, present(child.publicKey, 'public key'))
      })
      expect(restored).toEqual(ownAddresses(account, branch))
    }
  })

  it('comes back from its descriptor in BDK, which checks the checksum', () => {
    const [external, internal] = BRANCHES.map((branch) => branchDescriptor(account, branch))
    const wallet = Wallet.create(
      'regtest',
      present(external, 'descriptor'),
      present(internal, 'descriptor'),
    )
    expect(
      INDICES.map((index) => wallet.peek_address('external', index).address.toString()),
    ).toEqual(ownAddresses(account, 0))
    expect(
      INDICES.map((index) => wallet.peek_address('internal', index).address.toString()),
    ).toEqual(ownAddresses(account, 1))
    const damaged = present(external, 'descriptor').replace(/.$/, (last) =>
      last === 'q' ? 'p' : 'q',
    )
    expect(() => Wallet.create('regtest', damaged, present(internal, 'descriptor'))).toThrow()
  })
})

/** One branch of the two, as software without BIP389 takes it. */
function branchDescriptor(account: Account, branch: Branch): string {
  const [both] = accountDescriptor(account).split('#')
  return withDescriptorChecksum(present(both, 'descriptor').replace('<0;1>', String(branch)))
}

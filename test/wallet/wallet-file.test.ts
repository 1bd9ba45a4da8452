import { mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { accountDescriptor, type ScriptKind } from '../../src/wallet/account.ts'
import { createWalletFile, unlockWallet, walletAddress } from '../../src/wallet/wallet.ts'
import { WalletError } from '../../src/wallet/wallet-error.ts'
import {
  decodeWalletFile,
  listWallets,
  readWalletFile,
  type WalletFile,
  walletPath,
  writeWalletFile,
} from '../../src/wallet/wallet-file.ts'
import { countingRandom, TEST_SCRYPT_COST, testWallet, WORDS } from './test-wallet.ts'

function create(passphrase = 'secret', kind: ScriptKind = 'p2tr'): Promise<WalletFile> {
  return createWalletFile({
    mnemonic: WORDS,
    passphrase,
    network: { name: 'devnet', addressPrefix: 'bcrt' },
    coinType: 1,
    kind,
    createdMs: 1_700_000_000_000,
    random: countingRandom(),
    cost: TEST_SCRYPT_COST,
  })
}

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'causeway-wallet-'))
})

describe('encryption', () => {
  test('the passphrase opens the words', async () => {
    const opened = await unlockWallet(await create(), 'secret')
    expect(opened.mnemonic).toBe(WORDS)
    expect(opened.key.account.publicExtendedKey).toBe(testWallet('p2tr').account.xpub)
  })

  test('the words are not in the file', async () => {
    expect(JSON.stringify(await create())).not.toContain('abandon')
  })

  test.each(['', 'Secret', 'secret '])('the wrong passphrase %j is refused', async (wrong) => {
    const file = await create()
    await expect(unlockWallet(file, wrong)).rejects.toMatchObject({ code: 'wrong-passphrase' })
  })

  test('equal passphrases in other Unicode forms are equal', async () => {
    const file = await create('caf\u00e9')
    expect((await unlockWallet(file, 'cafe\u0301')).mnemonic).toBe(WORDS)
  })

  test('an empty passphrase is recorded as such', async () => {
    const file = await create('')
    expect(file.withoutPassphrase).toBe(true)
    expect((await unlockWallet(file, '')).mnemonic).toBe(WORDS)
  })

  test('a swapped public key, network or ciphertext does not unlock', async () => {
    const file = await create()
    const foreign = testWallet('p2wpkh').account
    const altered: WalletFile[] = [
      { ...file, account: { ...file.account, xpub: foreign.xpub } },
      { ...file, network: { name: 'devnet', addressPrefix: 'zz' } },
      { ...file, secret: { ...file.secret, sealed: `00${file.secret.sealed.slice(2)}` } },
    ]
    for (const each of altered) {
      await expect(unlockWallet(each, 'secret')).rejects.toBeInstanceOf(WalletError)
    }
  })

  test('changing the counters needs no passphrase and breaks nothing', async () => {
    const file = await create()
    const moved = { ...file, next: { receive: 5, change: 2 } }
    expect((await unlockWallet(moved, 'secret')).mnemonic).toBe(WORDS)
  })
})

test.each(['p2tr', 'p2wpkh'] as const)('restored %s words give equal addresses', async (kind) => {
  const first = await create('one', kind)
  const second = await create('two', kind)
  expect(accountDescriptor(second.account)).toBe(accountDescriptor(first.account))
  expect(walletAddress(second, 3)).toBe(walletAddress(first, 3))
  expect(walletAddress(first, 0)).toMatch(kind === 'p2tr' ? /^bcrt1p/ : /^bcrt1q/)
})

describe('on disk', () => {
  test('written, read again, mode 0600, and no temporary file is left', async () => {
    const path = walletPath(join(directory, 'wallets'), 'savings')
    const file = await create()
    await writeWalletFile(path, file, { replace: false, random: countingRandom() })
    expect(await readWalletFile(path)).toEqual(file)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    const moved = { ...file, next: { receive: 1, change: 0 } }
    await writeWalletFile(path, moved, { replace: true, random: countingRandom(9) })
    expect((await readWalletFile(path)).next.receive).toBe(1)
    expect(await readdir(join(directory, 'wallets'))).toEqual(['savings.json'])
    expect(await listWallets(join(directory, 'wallets'))).toEqual(['savings'])
  })

  test('an existing wallet is never overwritten by a new one', async () => {
    const path = walletPath(directory, 'savings')
    const options = { replace: false, random: countingRandom() }
    await writeWalletFile(path, await create('a'), options)
    const before = await readFile(path, 'utf8')
    await expect(writeWalletFile(path, await create('b'), options)).rejects.toMatchObject({
      code: 'file-exists',
    })
    expect(await readFile(path, 'utf8')).toBe(before)
  })

  test('a missing, oversized or broken file is named', async () => {
    await expect(readWalletFile(join(directory, 'none.json'))).rejects.toMatchObject({
      code: 'no-file',
    })
    await writeFile(join(directory, 'big.json'), 'x'.repeat(70_000))
    await expect(readWalletFile(join(directory, 'big.json'))).rejects.toMatchObject({
      code: 'corrupt-file',
    })
    await writeFile(join(directory, 'bad.json'), '{"format":"other"}')
    await expect(readWalletFile(join(directory, 'bad.json'))).rejects.toThrow('bad.json')
  })

  test.each(['../evil', '', 'a/b', '.hidden', 'x'.repeat(65)])('name %j is refused', (name) => {
    expect(() => walletPath(directory, name)).toThrow(expect.objectContaining({ code: 'bad-name' }))
  })
})

test('the decoder throws only WalletError, whatever the JSON', async () => {
  const file = await create()
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(file)), fc.jsonValue(), (key, value) => {
      try {
        decodeWalletFile(JSON.stringify({ ...file, [key]: value }))
      } catch (error) {
        expect(error).toBeInstanceOf(WalletError)
      }
    }),
  )
})

test('a file cannot ask for an hour of scrypt', async () => {
  const file = await create()
  const kdf = { ...file.secret.kdf, N: 2 ** 20, r: 32 }
  const greedy = { ...file, secret: { ...file.secret, kdf } }
  expect(() => decodeWalletFile(JSON.stringify(greedy))).toThrow('too much memory')
})

import { spawn } from 'node:child_process'
import {
  chmod,
  cp,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FolderLockedError } from '../../../federation/signing/folder-lock.ts'
import { KeyShare } from '../../../federation/signing/frost.ts'
import {
  DamagedKeyStoreError,
  type KeyStore,
  KeyStoreError,
  type KeyStoreSecret,
  openKeyStore,
  WrongPassphraseError,
} from '../../../federation/signing/key-store.ts'
import { bytesToHex } from '../../../src/primitives/bytes.ts'
import { dealShares, seededRandom } from './test-federation.ts'

const SECRET: KeyStoreSecret = { kind: 'passphrase', passphrase: 'correct horse' }
const SHARE = dealShares(4, 3, 'store')[2]!

let folder: string
let opened: KeyStore[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-keys-'))
})

afterEach(async () => {
  for (const store of opened) await store.close()
  opened = []
  await rm(folder, { recursive: true })
})

async function openStore(secret: KeyStoreSecret = SECRET): Promise<KeyStore> {
  const random = seededRandom(`${folder} ${opened.length}`)
  const store = await openKeyStore({ folder, secret, random, scryptLogN: 8 })
  opened.push(store)
  return store
}

async function closeAll(): Promise<void> {
  for (const store of opened) await store.close()
  opened = []
}

function shareRecord(share: KeyShare) {
  return { kind: 'share', attempt: share.attempt, share } as const
}

async function storeShare(): Promise<void> {
  const store = await openStore()
  await store.save(0, { kind: 'attempt', attempt: 1 })
  await store.save(0, shareRecord(SHARE))
  await closeAll()
}

describe('the key store', () => {
  it('gives back what was saved, after it was closed', async () => {
    expect(await (await openStore()).findEpoch(0)).toBeUndefined()
    await closeAll()
    await storeShare()
    const found = await (await openStore()).findEpoch(0)
    expect(found?.attempt).toBe(1)
    expect(found?.shares).toHaveLength(1)
    const [share] = found!.shares
    expect(share!.exposeSecret()).toEqual(SHARE.exposeSecret())
    expect(share!.member).toBe(2)
    expect(share!.group).toEqual(SHARE.group)
  })

  it('writes no secret in the clear, and no file that others can read', async () => {
    await storeShare()
    const secret = bytesToHex(SHARE.exposeSecret())
    const names = await readdir(folder)
    expect(names.toSorted()).toEqual(['attempt-0', 'share-0-1', 'store'])
    for (const name of names) {
      expect(bytesToHex(await readFile(join(folder, name)))).not.toContain(secret)
      expect((await stat(join(folder, name))).mode & 0o077).toBe(0)
    }
  })

  it('remembers the last attempt, also one without a share', async () => {
    const store = await openStore()
    await store.save(3, { kind: 'attempt', attempt: 1 })
    await store.save(3, { kind: 'attempt', attempt: 7 })
    expect(await store.findEpoch(3)).toEqual({ attempt: 7, shares: [] })
    expect(await store.findEpoch(33)).toBeUndefined()
  })

  it('keeps the shares of all attempts until one is settled', async () => {
    const store = await openStore()
    const [, , other] = dealShares(4, 3, 'other attempt')
    const { group, epoch, member } = other!
    const second = new KeyShare({
      epoch,
      attempt: 2,
      member,
      group,
      secret: other!.exposeSecret(),
    })
    await store.save(0, shareRecord(SHARE))
    await store.save(0, shareRecord(second))
    expect((await store.findEpoch(0))!.shares.map(({ attempt }) => attempt)).toEqual([1, 2])
    await expect(store.settle(0, 3)).rejects.toThrow(KeyStoreError)
    await store.settle(0, 1)
    const shares = (await store.findEpoch(0))!.shares
    expect(shares.map((share) => share.exposeSecret())).toEqual([SHARE.exposeSecret()])
  })

  it('refuses a wrong passphrase by name, and releases its lock', async () => {
    await storeShare()
    await expect(openStore({ kind: 'passphrase', passphrase: 'wrong' })).rejects.toThrow(
      WrongPassphraseError,
    )
    const path = join(folder, 'elsewhere')
    await expect(openStore({ kind: 'key-file', path })).rejects.toThrow('other kind of secret')
    await openStore()
  })

  it('works with a key file that only its owner may read', async () => {
    const path = join(folder, 'key')
    const store = await openStore({ kind: 'key-file', path })
    await store.save(0, shareRecord(SHARE))
    await closeAll()
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await (await openStore({ kind: 'key-file', path })).findEpoch(0))!.shares).toHaveLength(
      1,
    )
    await closeAll()
    await chmod(path, 0o640)
    await expect(openStore({ kind: 'key-file', path })).rejects.toThrow('can be read by others')
    await chmod(path, 0o600)
    await writeFile(path, new Uint8Array(32))
    await expect(openStore({ kind: 'key-file', path })).rejects.toThrow(WrongPassphraseError)
  })

  it('notices every changed byte of a share', async () => {
    await storeShare()
    const path = join(folder, 'share-0-1')
    const original = await readFile(path)
    const store = await openStore()
    for (let at = 0; at < original.length; at += 7) {
      const changed = Uint8Array.from(original)
      changed[at]! ^= 1
      await writeFile(path, changed)
      await expect(store.findEpoch(0)).rejects.toThrow(DamagedKeyStoreError)
    }
    for (const length of [0, 10, original.length - 1]) {
      await writeFile(path, original.subarray(0, length))
      await expect(store.findEpoch(0)).rejects.toThrow(DamagedKeyStoreError)
    }
  })

  it('notices a share under another name', async () => {
    await storeShare()
    await rename(join(folder, 'share-0-1'), join(folder, 'share-0-2'))
    await expect((await openStore()).findEpoch(0)).rejects.toThrow(DamagedKeyStoreError)
  })

  it('refuses a damaged or missing store file', async () => {
    await storeShare()
    const path = join(folder, 'store')
    const original = await readFile(path)
    await writeFile(path, original.subarray(0, 20))
    await expect(openStore()).rejects.toThrow(DamagedKeyStoreError)
    const greedy = Uint8Array.from(original)
    greedy[8] = 40
    await writeFile(path, greedy)
    await expect(openStore()).rejects.toThrow('too much memory')
    await rm(path)
    await expect(openStore()).rejects.toThrow('shares without their store file')
    await writeFile(path, original)
    expect((await (await openStore()).findEpoch(0))!.shares).toHaveLength(1)
  })

  it('destroys the shares of one epoch only, and can do so twice', async () => {
    const store = await openStore()
    const { attempt, member, group } = SHARE
    for (const epoch of [1, 11]) {
      const share = new KeyShare({ epoch, attempt, member, group, secret: SHARE.exposeSecret() })
      await store.save(epoch, shareRecord(share))
    }
    await store.destroy(1)
    await store.destroy(1)
    expect(await store.findEpoch(1)).toBeUndefined()
    expect((await store.findEpoch(11))!.shares).toHaveLength(1)
    expect((await readdir(folder)).filter((name) => name.includes('share-1-'))).toEqual([])
  })

  it('does not mind what a crash in the middle of a write left', async () => {
    await storeShare()
    await writeFile(join(folder, 'share-0-2.new'), Uint8Array.of(1, 2, 3))
    await writeFile(join(folder, 'attempt-0.new'), Uint8Array.of(1))
    const store = await openStore()
    expect((await store.findEpoch(0))!.shares).toHaveLength(1)
    await store.save(0, { kind: 'attempt', attempt: 2 })
    expect((await store.findEpoch(0))!.attempt).toBe(2)
  })
})

describe('a backup of the key store', () => {
  it('opens elsewhere, with its key file, and is refused without', async () => {
    const path = join(folder, 'share.key')
    const shares = join(folder, 'shares')
    const random = seededRandom('backup')
    const first = await openKeyStore({ folder: shares, secret: { kind: 'key-file', path }, random })
    await first.save(0, { kind: 'attempt', attempt: 1 })
    await first.save(0, shareRecord(SHARE))
    // Copied while the member runs: its lock comes along.
    await cp(shares, join(folder, 'restored'), { recursive: true })
    await cp(path, join(folder, 'restored.key'))
    await first.close()
    const restored = join(folder, 'restored')
    const secret = { kind: 'key-file', path: join(folder, 'restored.key') } as const
    const again = await openKeyStore({ folder: restored, secret, random })
    expect((await again.findEpoch(0))!.shares[0]!.exposeSecret()).toEqual(SHARE.exposeSecret())
    await again.close()
    const missing = { kind: 'key-file', path: join(folder, 'missing.key') } as const
    await expect(openKeyStore({ folder: restored, secret: missing, random })).rejects.toThrow(
      /missing\.key.*restore/,
    )
    await writeFile(missing.path, new Uint8Array(31), { mode: 0o600 })
    await expect(openKeyStore({ folder: restored, secret: missing, random })).rejects.toThrow(
      'is not a key file of 32 bytes',
    )
  })
})

describe('files of a key store', () => {
  it('are refused by name whatever is in them', async () => {
    await storeShare()
    const store = await openStore()
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
        for (const name of ['share-0-1', 'attempt-0']) {
          await writeFile(join(folder, name), bytes)
          const found = await store.findEpoch(0).catch((error: unknown) => error)
          const isRead = name === 'attempt-0' && bytes.length === 4
          if (!isRead) expect(found).toBeInstanceOf(DamagedKeyStoreError)
          await rm(join(folder, name))
        }
      }),
      { numRuns: 60 },
    )
    await closeAll()
    const original = await readFile(join(folder, 'store'))
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(255), async (at, value) => {
        const changed = Uint8Array.from(original)
        changed[at % changed.length] = value
        // A larger cost than that of tests only takes longer.
        if (at % changed.length === 8) return
        await writeFile(join(folder, 'store'), changed)
        const opening = await openStore().catch((error: unknown) => error)
        const isSame = original[at % original.length] === value
        if (!isSame) expect(opening).toBeInstanceOf(KeyStoreError)
        await closeAll()
      }),
      { numRuns: 60 },
    )
  })
})

describe('the lock of the key store', () => {
  it('is refused to a second opening in this process', async () => {
    await openStore()
    await expect(openStore()).rejects.toThrow(FolderLockedError)
    await closeAll()
    await openStore()
  })

  it('is refused while another process lives, and taken over when it died', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    await new Promise((resolve) => child.once('spawn', resolve))
    await writeFile(join(folder, 'lock'), `${child.pid} \n`)
    await expect(openStore()).rejects.toThrow(`in use by process ${child.pid}`)
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    await openStore()
  })

  it('is taken over from a process id that now belongs to another process', async () => {
    await writeFile(join(folder, 'lock'), `${process.ppid} 1\n`)
    await openStore()
  })

  it('is taken over when it is unreadable or names this process of an earlier life', async () => {
    await writeFile(join(folder, 'lock'), 'nonsense')
    await openStore()
    await closeAll()
    await writeFile(join(folder, 'lock'), `${process.pid} 17\n`)
    await openStore()
    expect(await readdir(folder)).not.toContain(`lock.${process.pid}`)
  })
})

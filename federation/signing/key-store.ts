/**
 * A member's shares on disk. A folder that one process at a time may hold:
 *
 *     lock                    who holds it: process id and start time
 *     store                   magic ‖ version ‖ kdf ‖ log2 N ‖ salt (16) ‖ check
 *     attempt-E               the last key generation attempt of epoch E, u32, in the clear
 *     share-E-A               the share made by attempt A for epoch E
 *
 * `check` and the shares are AES-256-GCM: nonce (12) ‖ ciphertext ‖ tag (16), with the file's name as
 * associated data, so that files cannot be exchanged. The key comes from a passphrase by scrypt
 * (N 2^17, r 8, p 1) or from a key file of 32 bytes that only its owner may read. Files are written to
 * a temporary name, synced, renamed, and the folder synced. Nonces of signatures are never here.
 */

import { createCipheriv, createDecipheriv, scrypt } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MAX_MEMBERS } from '../../src/chain/peg/key-epoch-announcement.ts'
import { concatBytes, equalBytes, utf8 } from '../../src/primitives/bytes.ts'
import { type ByteReader, DecodeError, decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import { taggedHash } from '../../src/primitives/sha256.ts'
import type { DkgRecord } from './dkg.ts'
import { acquireFolderLock, type FolderLock } from './folder-lock.ts'
import { deriveGroupKey, KeyShare, KeyShareError } from './frost.ts'

const MAGIC = utf8('CWKEYS')
const FORMAT_VERSION = 1
const KDF_SCRYPT = 1
const KDF_KEY_FILE = 2
const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** scrypt's cost: 128 MiB and about half a second. */
const SCRYPT_LOG_N = 17
/** Above it a damaged header would ask for gigabytes. */
const MAX_SCRYPT_LOG_N = 20
/** Longer than the share of the largest federation. */
const MAX_FILE_BYTES = 8192

export class KeyStoreError extends Error {
  override readonly name: string = 'KeyStoreError'
}

/** The passphrase or key file does not open this store. */
export class WrongPassphraseError extends KeyStoreError {
  override readonly name = 'WrongPassphraseError'
}

/** A file is damaged, or was put there by somebody else. */
export class DamagedKeyStoreError extends KeyStoreError {
  override readonly name = 'DamagedKeyStoreError'
}

export type KeyStoreSecret =
  | { readonly kind: 'passphrase'; readonly passphrase: string }
  /** Made if it and the store are both missing. */
  | { readonly kind: 'key-file'; readonly path: string }

export interface KeyStoreOptions {
  readonly folder: string
  readonly secret: KeyStoreSecret
  readonly random: (length: number) => Uint8Array
  /** Of a new store; tests use a small one. */
  readonly scryptLogN?: number
}

/** What `createDkg` resumes from. */
interface StoredEpoch {
  readonly attempt: number
  readonly shares: readonly KeyShare[]
}

export interface KeyStore {
  /** Undefined when nothing of that epoch was ever stored. @throws DamagedKeyStoreError */
  findEpoch(epoch: number): Promise<StoredEpoch | undefined>
  /** Resolves when the record is durable. */
  save(epoch: number, record: DkgRecord): Promise<void>
  /** The chain settled on this attempt's key: erases the epoch's other shares. */
  settle(epoch: number, attempt: number): Promise<void>
  /** Erases every share of the epoch, for ever. Nothing happens when there is none. */
  destroy(epoch: number): Promise<void>
  close(): Promise<void>
}

/**
 * @throws FolderLockedError while another live process holds it, WrongPassphraseError,
 * DamagedKeyStoreError, KeyStoreError for a key file that others can read.
 */
export async function openKeyStore(options: KeyStoreOptions): Promise<KeyStore> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 })
  const lock = await acquireFolderLock(options.folder)
  try {
    const key = await openKey(options)
    return new FileKeyStore(options, key, lock)
  } catch (cause) {
    await lock.release()
    throw cause
  }
}

class FileKeyStore implements KeyStore {
  readonly #folder: string
  readonly #random: (length: number) => Uint8Array
  readonly #key: Uint8Array
  readonly #lock: FolderLock

  constructor({ folder, random }: KeyStoreOptions, key: Uint8Array, lock: FolderLock) {
    this.#folder = folder
    this.#random = random
    this.#key = key
    this.#lock = lock
  }

  async findEpoch(epoch: number): Promise<StoredEpoch | undefined> {
    const shares: KeyShare[] = []
    for (const attempt of await this.#attemptsOf(epoch)) {
      shares.push(await this.#readShare(epoch, attempt))
    }
    const started = await readIfPresent(join(this.#folder, `attempt-${epoch}`))
    if (started === undefined && shares.length === 0) return undefined
    let attempt = Math.max(0, ...shares.map((share) => share.attempt))
    if (started !== undefined) {
      attempt = Math.max(
        attempt,
        decodeFile(`attempt-${epoch}`, started, (r) => r.u32()),
      )
    }
    return { attempt, shares }
  }

  async save(epoch: number, record: DkgRecord): Promise<void> {
    if (record.kind === 'attempt') {
      const bytes = encodeWith((writer) => writer.u32(record.attempt))
      await writeDurably(this.#folder, `attempt-${epoch}`, bytes)
      return
    }
    const name = shareName(epoch, record.attempt)
    const sealed = seal(this.#key, name, encodeShare(record.share), this.#random)
    await writeDurably(this.#folder, name, sealed)
  }

  async settle(epoch: number, attempt: number): Promise<void> {
    const attempts = await this.#attemptsOf(epoch)
    // Erasing everything for a share that is not here could only be a mistake.
    if (!attempts.includes(attempt)) {
      throw new KeyStoreError(`no share of attempt ${attempt} for key epoch ${epoch}`)
    }
    for (const other of attempts) {
      if (other !== attempt) await eraseFile(this.#folder, shareName(epoch, other))
    }
    await syncFolder(this.#folder)
  }

  async destroy(epoch: number): Promise<void> {
    for (const attempt of await this.#attemptsOf(epoch)) {
      await eraseFile(this.#folder, shareName(epoch, attempt))
    }
    await syncFolder(this.#folder)
  }

  async close(): Promise<void> {
    this.#key.fill(0)
    await this.#lock.release()
  }

  async #attemptsOf(epoch: number): Promise<number[]> {
    const names = await readdir(this.#folder)
    return names
      .map((name) => /^share-(\d{1,10})-(\d{1,10})$/.exec(name))
      .filter((match) => Number(match?.[1]) === epoch)
      .map((match) => Number(match?.[2]))
      .toSorted((a, b) => a - b)
  }

  async #readShare(epoch: number, attempt: number): Promise<KeyShare> {
    const name = shareName(epoch, attempt)
    const plain = unseal(this.#key, name, await readFile(join(this.#folder, name)))
    if (plain === undefined) throw new DamagedKeyStoreError(`${name} does not decrypt`)
    try {
      const share = decodeFile(name, plain, readShare)
      if (share.epoch === epoch && share.attempt === attempt) return share
    } catch (cause) {
      if (!(cause instanceof KeyShareError)) throw cause
      throw new DamagedKeyStoreError(`${name} holds no share of its key`, { cause })
    }
    throw new DamagedKeyStoreError(`${name} holds another share`)
  }
}

function shareName(epoch: number, attempt: number): string {
  return `share-${epoch}-${attempt}`
}

// --- format ---------------------------------------------------------------------------------

function encodeShare(share: KeyShare): Uint8Array {
  return encodeWith((writer) => {
    writer.u8(FORMAT_VERSION).u32(share.epoch).u32(share.attempt)
    writer.u8(share.member).u8(share.group.memberCount)
    writer.list(share.group.commitments, (w, point) => w.bytes(point))
    writer.bytes(share.exposeSecret())
  })
}

function readShare(reader: ByteReader): KeyShare {
  if (reader.u8() !== FORMAT_VERSION) throw new DecodeError('unknown share format')
  const epoch = reader.u32()
  const attempt = reader.u32()
  const member = reader.u8()
  const memberCount = reader.u8()
  const commitments = reader.list(MAX_MEMBERS, (r) => r.bytes(33).slice())
  if (commitments.length < 2 || commitments.length > memberCount || member >= memberCount) {
    throw new DecodeError('impossible share')
  }
  const group = deriveGroupKey(commitments, memberCount)
  return new KeyShare({ epoch, attempt, member, group, secret: reader.bytes(32) })
}

function decodeFile<T>(name: string, bytes: Uint8Array, read: (reader: ByteReader) => T): T {
  try {
    return decodeAll(bytes, read)
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    throw new DamagedKeyStoreError(`${name} is damaged`, { cause })
  }
}

// --- encryption -----------------------------------------------------------------------------

function seal(
  key: Uint8Array,
  name: string,
  plain: Uint8Array,
  random: (length: number) => Uint8Array,
): Uint8Array {
  const nonce = random(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(utf8(name))
  return concatBytes(nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag())
}

/** Undefined when the key, the name or the bytes are not those that were sealed. */
function unseal(key: Uint8Array, name: string, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES || sealed.length > MAX_FILE_BYTES) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  })
  decipher.setAAD(utf8(name))
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  try {
    const body = sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES)
    return concatBytes(decipher.update(body), decipher.final())
  } catch {
    return undefined
  }
}

/** The store's key, of a new store or of the one in the folder. */
async function openKey(options: KeyStoreOptions): Promise<Uint8Array> {
  const header = await readIfPresent(join(options.folder, 'store'))
  if (header === undefined) return createStore(options)
  const { kdf, logN, salt, check } = decodeFile('store', header, (reader) => {
    if (!equalBytes(reader.bytes(MAGIC.length), MAGIC)) throw new DecodeError('no key store')
    if (reader.u8() !== FORMAT_VERSION) throw new DecodeError('unknown key store format')
    return {
      kdf: reader.u8(),
      logN: reader.u8(),
      salt: reader.bytes(SALT_BYTES),
      check: reader.bytes(NONCE_BYTES + TAG_BYTES),
    }
  })
  if (kdf !== kdfOf(options.secret)) {
    throw new KeyStoreError('the key store was made with the other kind of secret')
  }
  if (logN > MAX_SCRYPT_LOG_N) throw new DamagedKeyStoreError('store asks for too much memory')
  const key = await deriveKey(options.secret, salt, logN)
  if (unseal(key, 'store', check) === undefined) {
    throw new WrongPassphraseError('the passphrase or key file does not open this key store')
  }
  return key
}

async function createStore(options: KeyStoreOptions): Promise<Uint8Array> {
  const { folder, secret, random } = options
  const strays = (await readdir(folder)).filter((name) => name.startsWith('share-'))
  if (strays.length > 0) throw new DamagedKeyStoreError('shares without their store file')
  if (secret.kind === 'key-file') await createKeyFile(secret.path, random)
  const salt = random(SALT_BYTES)
  const logN = options.scryptLogN ?? SCRYPT_LOG_N
  const key = await deriveKey(secret, salt, logN)
  const check = seal(key, 'store', new Uint8Array(), random)
  const header = encodeWith((writer) =>
    writer.bytes(MAGIC).u8(FORMAT_VERSION).u8(kdfOf(secret)).u8(logN).bytes(salt).bytes(check),
  )
  await writeDurably(folder, 'store', header)
  return key
}

function kdfOf(secret: KeyStoreSecret): number {
  return secret.kind === 'passphrase' ? KDF_SCRYPT : KDF_KEY_FILE
}

async function deriveKey(
  secret: KeyStoreSecret,
  salt: Uint8Array,
  logN: number,
): Promise<Uint8Array> {
  if (secret.kind === 'key-file') {
    return taggedHash('causeway/key-store', salt, await readKeyFile(secret.path))
  }
  const N = 2 ** logN
  const passphrase = secret.passphrase.normalize('NFKC')
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, 32, { N, r: 8, p: 1, maxmem: 129 * N * 8 + 65_536 }, (error, key) => {
      if (error === null) resolve(new Uint8Array(key))
      else reject(new KeyStoreError('scrypt failed', { cause: error }))
    })
  })
}

async function createKeyFile(path: string, random: (length: number) => Uint8Array): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(random(32))
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (!hasCode(cause, 'EEXIST')) throw cause
  }
}

async function readKeyFile(path: string): Promise<Uint8Array> {
  const { mode } = await stat(path).catch((cause: unknown) => {
    throw new KeyStoreError(`${path} cannot be read; restore it from a backup`, { cause })
  })
  if ((mode & 0o077) !== 0) throw new KeyStoreError(`${path} can be read by others: chmod 600 it`)
  const bytes = await readFile(path)
  if (bytes.length !== 32) throw new KeyStoreError(`${path} is not a key file of 32 bytes`)
  return bytes
}

// --- files ----------------------------------------------------------------------------------

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

async function readIfPresent(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined
    throw cause
  }
}

async function writeDurably(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(folder, `${name}.new`)
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, join(folder, name))
  await syncFolder(folder)
}

/**
 * Best effort: a disk may keep old copies of what is overwritten. Under its new name nobody reads it, so a
 * crash on the way leaves no damaged share.
 */
async function eraseFile(folder: string, name: string): Promise<void> {
  const path = join(folder, `${name}.new`)
  await rename(join(folder, name), path)
  const file = await open(path, 'r+')
  try {
    const { size } = await file.stat()
    await file.write(new Uint8Array(size), 0, size, 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await rm(path)
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

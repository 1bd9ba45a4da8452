/**
 * Encryption of a secret under a passphrase: scrypt (RFC 7914) makes the key, AES-256-GCM seals.
 * `context` is authenticated but not hidden, so a box cannot be moved into another wallet file.
 * What it does not protect from: a weak passphrase, and whoever reads this process's memory.
 */

import { createCipheriv, createDecipheriv, scrypt } from 'node:crypto'
import { z } from 'zod'
import { bytesToHex, concatBytes, hexToBytes, isHex } from '../primitives/bytes.ts'
import type { Random } from '../runtime/runtime.ts'
import { WalletError } from './wallet-error.ts'

/** scrypt's N, r, p. Memory is 128 · N · r bytes. */
export interface ScryptCost {
  readonly N: number
  readonly r: number
  readonly p: number
}

/** 128 MiB and about half a second: OWASP's advice for scrypt. */
export const DEFAULT_SCRYPT_COST: ScryptCost = { N: 2 ** 17, r: 8, p: 1 }

/** A file may not ask for more than 1 GiB, or for minutes. */
const MAX_SCRYPT_MEMORY_BYTES = 2 ** 30
const KEY_BYTES = 32
const SALT_BYTES = 16
/** GCM's standard nonce length. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
const MAX_CIPHERTEXT_BYTES = 4_096

function hex(minBytes: number, maxBytes: number): z.ZodString {
  return z
    .string()
    .max(maxBytes * 2)
    .refine((text) => isHex(text) && text.length >= minBytes * 2, 'not lower-case hex')
}

export const secretBoxSchema = z.strictObject({
  kdf: z
    .strictObject({
      name: z.literal('scrypt'),
      N: z
        .int()
        .min(2)
        .max(2 ** 20),
      r: z.int().min(1).max(32),
      p: z.int().min(1).max(16),
      salt: hex(SALT_BYTES, SALT_BYTES),
    })
    .refine(({ N }) => Number.isInteger(Math.log2(N)), 'N is not a power of two')
    .refine(({ N, r }) => 128 * N * r <= MAX_SCRYPT_MEMORY_BYTES, 'too much memory'),
  cipher: z.literal('aes-256-gcm'),
  nonce: hex(NONCE_BYTES, NONCE_BYTES),
  /** Ciphertext and the 16-byte tag. */
  sealed: hex(TAG_BYTES, MAX_CIPHERTEXT_BYTES),
})

export type SecretBox = z.infer<typeof secretBoxSchema>

function deriveKey(passphrase: string, salt: Uint8Array, cost: ScryptCost): Promise<Uint8Array> {
  const { N, r, p } = cost
  // OpenSSL wants room beyond the 128·N·r bytes of the algorithm itself.
  const maxmem = 128 * N * r + 128 * r * p + 1_048_576
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFKC'), salt, KEY_BYTES, { N, r, p, maxmem }, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

export async function sealSecret(
  secret: Uint8Array,
  options: {
    readonly passphrase: string
    readonly context: Uint8Array
    readonly random: Random
    readonly cost: ScryptCost
  },
): Promise<SecretBox> {
  const { N, r, p } = options.cost
  const salt = options.random.bytes(SALT_BYTES)
  const nonce = options.random.bytes(NONCE_BYTES)
  const key = await deriveKey(options.passphrase, salt, options.cost)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(options.context)
  const sealed = concatBytes(cipher.update(secret), cipher.final(), cipher.getAuthTag())
  return {
    kdf: { name: 'scrypt', N, r, p, salt: bytesToHex(salt) },
    cipher: 'aes-256-gcm',
    nonce: bytesToHex(nonce),
    sealed: bytesToHex(sealed),
  }
}

/** @throws WalletError `wrong-passphrase`, also when the box or the context was altered. */
export async function openSecret(
  box: SecretBox,
  passphrase: string,
  context: Uint8Array,
): Promise<Uint8Array> {
  const key = await deriveKey(passphrase, hexToBytes(box.kdf.salt), box.kdf)
  const sealed = hexToBytes(box.sealed)
  const decipher = createDecipheriv('aes-256-gcm', key, hexToBytes(box.nonce))
    .setAAD(context)
    .setAuthTag(sealed.subarray(-TAG_BYTES))
  try {
    return concatBytes(decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final())
  } catch (cause) {
    throw new WalletError(
      'wrong-passphrase',
      'the passphrase is wrong, or the wallet file was altered',
      { cause },
    )
  }
}

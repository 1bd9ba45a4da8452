/**
 * SHA-256 and its relatives. In Node the platform's implementation hashes (SHA-NI); in a browser
 * the code is bundled with @noble/hashes, which gives the same bytes.
 */

import { ripemd160 as nobleRipemd160, sha1 as nobleSha1 } from '@noble/hashes/legacy.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8 } from './bytes.ts'

type Hash = (data: Uint8Array) => Uint8Array

function platformHash(algorithm: 'sha256' | 'ripemd160' | 'sha1', fallback: Hash): Hash {
  if (!('process' in globalThis)) return fallback
  const loaded = globalThis.process.getBuiltinModule('node:crypto')
  return (data) => new Uint8Array(loaded.hash(algorithm, data, 'buffer'))
}

export const sha256: Hash = platformHash('sha256', nobleSha256)
export const ripemd160: Hash = platformHash('ripemd160', nobleRipemd160)
/** Broken as a hash; here only because Script has an opcode for it. */
export const sha1: Hash = platformHash('sha1', nobleSha1)

/** SHA256(SHA256(data)). */
export function sha256d(data: Uint8Array): Uint8Array {
  return sha256(sha256(data))
}

/** RIPEMD160(SHA256(data)). */
export function hash160(data: Uint8Array): Uint8Array {
  return ripemd160(sha256(data))
}

const tagPrefixes = new Map<string, Uint8Array>()

/** BIP340's tagged hash: SHA256(SHA256(tag) ‖ SHA256(tag) ‖ data). */
export function taggedHash(tag: string, ...data: readonly Uint8Array[]): Uint8Array {
  let prefix = tagPrefixes.get(tag)
  if (prefix === undefined) {
    const tagHash = sha256(utf8(tag))
    prefix = concatBytes(tagHash, tagHash)
    tagPrefixes.set(tag, prefix)
  }
  return sha256(concatBytes(prefix, ...data))
}

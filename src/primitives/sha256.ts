/**
 * SHA-256 and its relatives. In Node the platform's implementation hashes (SHA-NI), more directly
 * still through a backend that the program installs; in a browser the code is bundled with
 * @noble/hashes. All give the same bytes.
 */

import { ripemd160 as nobleRipemd160, sha1 as nobleSha1 } from '@noble/hashes/legacy.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { assert } from './assert.ts'
import { concatBytes, utf8 } from './bytes.ts'
import { nodeProcess } from './platform.ts'

type Hash = (data: Uint8Array) => Uint8Array

export interface Sha256Backend {
  readonly name: string
  /** Writes the 32 bytes of the hash to `out`, which may be part of `data`. */
  hash(data: Uint8Array, out: Uint8Array): void
}

function platformHash(algorithm: 'sha256' | 'ripemd160' | 'sha1', fallback: Hash): Hash {
  if (nodeProcess === undefined) return fallback
  const loaded = nodeProcess.getBuiltinModule('node:crypto')
  return (data) => new Uint8Array(loaded.hash(algorithm, data, 'buffer'))
}

const platformSha256 = platformHash('sha256', nobleSha256)

/** What hashes until another is installed. */
export const platformSha256Backend: Sha256Backend = {
  name: nodeProcess === undefined ? 'noble' : 'node crypto',
  hash: (data, out) => out.set(platformSha256(data)),
}

let backend: Sha256Backend = platformSha256Backend

/** Chosen once at start-up by the assembly. */
export function installSha256Backend(chosen: Sha256Backend): void {
  backend = chosen
}

export function sha256Backend(): Sha256Backend {
  return backend
}

export function sha256(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(32)
  backend.hash(data, out)
  return out
}

/** Writes the hash of `data` to `out`: exactly 32 bytes, which may be part of `data`. */
export function sha256Into(data: Uint8Array, out: Uint8Array): void {
  assert(out.length === 32, 'a SHA-256 hash has 32 bytes')
  backend.hash(data, out)
}

export const ripemd160: Hash = platformHash('ripemd160', nobleRipemd160)
/** Broken as a hash; here only because Script has an opcode for it. */
export const sha1: Hash = platformHash('sha1', nobleSha1)

/** SHA256(SHA256(data)). */
export function sha256d(data: Uint8Array): Uint8Array {
  const out = sha256(data)
  backend.hash(out, out)
  return out
}

/** RIPEMD160(SHA256(data)). */
export function hash160(data: Uint8Array): Uint8Array {
  return ripemd160(sha256(data))
}

const tagPrefixes = new Map<string, Uint8Array>()

/** Where short inputs are put together: memory that is made for one hash costs more than the hash. */
const workspace = new Uint8Array(new ArrayBuffer(1024))
/** The first n bytes of the workspace, by n. */
const workspaceViews: Uint8Array[] = []

/** BIP340's tagged hash: SHA256(SHA256(tag) ‖ SHA256(tag) ‖ data). */
export function taggedHash(tag: string, ...data: readonly Uint8Array[]): Uint8Array {
  const prefix = tagPrefix(tag)
  let length = prefix.length
  for (const part of data) length += part.length
  if (length > workspace.length) return sha256(concatBytes(prefix, ...data))
  workspace.set(prefix)
  let offset = prefix.length
  for (const part of data) {
    workspace.set(part, offset)
    offset += part.length
  }
  return sha256((workspaceViews[length] ??= workspace.subarray(0, length)))
}

function tagPrefix(tag: string): Uint8Array {
  let prefix = tagPrefixes.get(tag)
  if (prefix === undefined) {
    const tagHash = sha256(utf8(tag))
    prefix = concatBytes(tagHash, tagHash)
    tagPrefixes.set(tag, prefix)
  }
  return prefix
}

/**
 * SHA-256 straight out of OpenSSL's libcrypto, through koffi: the same code that `node:crypto` runs,
 * at less than half the cost for the short inputs of which a chain has many. Node brings a libcrypto
 * and exports its symbols; a Node built without falls back to the system's.
 *
 * A call through koffi costs more than hashing a block, so a hash is a single one: SHA256_Update over
 * the message with its padding (FIPS 180-4, 5.1.1), which leaves the hash in the context, a public
 * plain struct of `openssl/sha.h` that begins with the eight words h; a fresh context is a copy of one
 * that SHA256_Init made.
 */

import koffi from 'koffi'
import { assert } from '../primitives/assert.ts'
import { bytesToHex, utf8 } from '../primitives/bytes.ts'
import { platformSha256Backend, type Sha256Backend } from '../primitives/sha256.ts'

/** `null` is the running program itself. */
const LIBRARIES = [null, 'libcrypto.so.3', 'libcrypto.so.1.1'] as const
/** SHA256_CTX has 112 bytes in every release; the rest is room for one that is not known yet. */
const CONTEXT_BYTES = 256
/** Above this the call is no cost, and `node:crypto` hashes without another copy. */
const DIRECT_BYTES_MAX = 16_384
/** What the padding takes at least: the bit that ends the message, and its length. */
const PADDING_BYTES_MIN = 9
const BLOCK_BYTES = 64

/** The fastest that can be had; `node:crypto` where libcrypto cannot be reached. */
export function chooseSha256Backend(): Sha256Backend {
  for (const library of LIBRARIES) {
    const native = loadNative(library)
    if (native !== undefined) return native
  }
  return platformSha256Backend
}

function loadNative(library: string | null): Sha256Backend | undefined {
  try {
    const backend = nativeBackend(library)
    return passesSelfTest(backend) ? backend : undefined
  } catch {
    return undefined
  }
}

/** @throws what koffi throws when the library or a function is missing. */
function nativeBackend(library: string | null): Sha256Backend {
  const lib = koffi.load(library)
  const init = lib.func('SHA256_Init', 'int', ['uintptr_t'])
  const update = lib.func('SHA256_Update', 'int', ['uintptr_t', 'uintptr_t', 'size_t'])
  // One thread, one set. Nothing below can be interrupted by another hash.
  const context = new Uint8Array(new ArrayBuffer(CONTEXT_BYTES))
  const message = new Uint8Array(new ArrayBuffer(DIRECT_BYTES_MAX + 2 * BLOCK_BYTES))
  const [contextAddress, messageAddress] = [addressOf(context), addressOf(message)]
  const messageView = new DataView(message.buffer)
  const state = new Uint32Array(context.buffer, 0, 8)
  const digest = new Uint8Array(32)
  const digestView = new DataView(digest.buffer)
  init(contextAddress)
  const fresh = context.slice()
  return {
    name: `native ${library ?? `OpenSSL ${process.versions.openssl}`}`,
    hash(data, out) {
      const { length } = data
      if (length > DIRECT_BYTES_MAX) {
        platformSha256Backend.hash(data, out)
        return
      }
      const end = Math.ceil((length + PADDING_BYTES_MIN) / BLOCK_BYTES) * BLOCK_BYTES
      message.set(data)
      message[length] = 0x80
      message.fill(0, length + 1, end - 4)
      messageView.setUint32(end - 4, length * 8)
      context.set(fresh)
      update(contextAddress, messageAddress, end)
      for (let i = 0; i < 8; i++) digestView.setUint32(i * 4, state[i] ?? 0)
      out.set(digest)
    },
  }
}

/**
 * Where memory outside V8's heap begins, which does not move while the array lives. As a number it costs
 * a call less than an array does.
 */
function addressOf(memory: Uint8Array): number {
  const address = Number(koffi.address(memory))
  assert(Number.isSafeInteger(address) && address > 0, 'memory has an address')
  return address
}

/** Inputs of each path, and of one, two and more blocks; a view; in place. */
function passesSelfTest(backend: Sha256Backend): boolean {
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * 7) & 0xff)
  const inputs = [
    new Uint8Array(),
    utf8('abc'),
    ...[55, 56, 63, 64, 65, 119, 120, 128, 257].map((n) => bytes.subarray(3, 3 + n)),
  ]
  const agrees = inputs.every((input) => {
    const [ours, expected] = [new Uint8Array(32), new Uint8Array(32)]
    backend.hash(input, ours)
    platformSha256Backend.hash(input, expected)
    return bytesToHex(ours) === bytesToHex(expected)
  })
  const inPlace = utf8('abc'.padEnd(32))
  const expected = new Uint8Array(32)
  platformSha256Backend.hash(inPlace, expected)
  backend.hash(inPlace, inPlace)
  return agrees && bytesToHex(inPlace) === bytesToHex(expected)
}

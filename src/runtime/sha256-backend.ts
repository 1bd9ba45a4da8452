/**
 * SHA-256 straight out of OpenSSL's libcrypto, through koffi: the same code that `node:crypto` runs,
 * at less than half the cost for the short inputs of which a chain has many. Node brings a libcrypto
 * and exports its symbols; a Node built without falls back to the system's.
 *
 * Uses SHA256_Init, _Update and _Final of `openssl/sha.h`, whose context is a plain struct without
 * pointers; so a fresh context is a copy of one that was made at the start.
 */

import koffi from 'koffi'
import { bytesToHex, utf8 } from '../primitives/bytes.ts'
import { platformSha256Backend, type Sha256Backend } from '../primitives/sha256.ts'

/** `null` is the running program itself. */
const LIBRARIES = [null, 'libcrypto.so.3', 'libcrypto.so.1.1'] as const
/** SHA256_CTX has 112 bytes in every release; the rest is room for one that is not known yet. */
const CONTEXT_BYTES = 256
/** V8 keeps arrays up to this length in its own heap and must move one before C can see it. */
const ON_HEAP_BYTES = 64
/** Above this the call is no cost, and `node:crypto` may hash by whatever way is best. */
const DIRECT_BYTES_MAX = 65_536

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
  const init = lib.func('SHA256_Init', 'int', ['void*'])
  const update = lib.func('SHA256_Update', 'int', ['void*', 'void*', 'size_t'])
  const final = lib.func('SHA256_Final', 'int', ['void*', 'void*'])
  // One thread, one set. Nothing below can be interrupted by another hash.
  const fresh = new Uint8Array(CONTEXT_BYTES)
  const context = new Uint8Array(CONTEXT_BYTES)
  const short = new Uint8Array(new ArrayBuffer(ON_HEAP_BYTES))
  const digest = new Uint8Array(new ArrayBuffer(32))
  init(fresh)
  return {
    name: `native ${library ?? `OpenSSL ${process.versions.openssl}`}`,
    hash(data, out) {
      const { length } = data
      if (length > DIRECT_BYTES_MAX) {
        platformSha256Backend.hash(data, out)
        return
      }
      let input = data
      if (length <= ON_HEAP_BYTES) {
        short.set(data)
        input = short
      }
      context.set(fresh)
      update(context, input, length)
      final(digest, context)
      out.set(digest)
    },
  }
}

/** Inputs of each path, and of one, two and more blocks; a view; in place. */
function passesSelfTest(backend: Sha256Backend): boolean {
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * 7) & 0xff)
  const inputs = [
    new Uint8Array(),
    utf8('abc'),
    ...[55, 56, 64, 65, 128, 257].map((n) => bytes.subarray(3, 3 + n)),
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

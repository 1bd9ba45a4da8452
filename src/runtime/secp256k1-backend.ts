/**
 * Chooses the fastest trustworthy secp256k1: the system's libsecp256k1 through koffi, else
 * tiny-secp256k1 (the same library as WASM). libsecp256k1 reads 32 or 64 bytes from bare pointers;
 * `primitives/secp256k1.ts` checks every length before a call gets here.
 */

import koffi from 'koffi'
import * as tiny from 'tiny-secp256k1'
import type { Secp256k1Backend } from '../primitives/secp256k1.ts'

/** Newest ABI first; .so.1 is 0.2 (Debian 12), .so.2 is 0.5 (Debian 13). */
const SONAMES = ['libsecp256k1.so.6', 'libsecp256k1.so.5', 'libsecp256k1.so.2', 'libsecp256k1.so.1']
/** SECP256K1_CONTEXT_VERIFY: accepted by every release. */
const CONTEXT_VERIFY = 0x101

export function chooseSecp256k1Backend(): Secp256k1Backend {
  for (const soname of SONAMES) {
    const native = loadNative(soname)
    if (native !== undefined) return native
  }
  return wasmBackend
}

function loadNative(soname: string): Secp256k1Backend | undefined {
  try {
    return nativeBackend(soname)
  } catch {
    return undefined
  }
}

/** C parameter list of `count` bare pointers. */
function pointers(count: number): string[] {
  return Array.from({ length: count }, () => 'void*')
}

function nativeBackend(soname: string): Secp256k1Backend {
  const lib = koffi.load(soname)
  const context: unknown = lib.func('void* secp256k1_context_create(uint flags)')(CONTEXT_VERIFY)
  const parseXOnly = lib.func('secp256k1_xonly_pubkey_parse', 'int', pointers(3))
  const verifySchnorr = lib.func('secp256k1_schnorrsig_verify', 'int', [
    'void*',
    'void*',
    'void*',
    'size_t',
    'void*',
  ])
  const checkTweak = lib.func('secp256k1_xonly_pubkey_tweak_add_check', 'int', [
    'void*',
    'void*',
    'int',
    'void*',
    'void*',
  ])
  const parseKey = lib.func('secp256k1_ec_pubkey_parse', 'int', [
    'void*',
    'void*',
    'void*',
    'size_t',
  ])
  const parseCompact = lib.func('secp256k1_ecdsa_signature_parse_compact', 'int', pointers(3))
  const normalize = lib.func('secp256k1_ecdsa_signature_normalize', 'int', pointers(3))
  const verifyEcdsa = lib.func('secp256k1_ecdsa_verify', 'int', pointers(4))
  // Opaque structs of the library: 64 bytes each. One thread, one set.
  const key = new Uint8Array(64)
  const parsedSignature = new Uint8Array(64)
  return {
    name: `native ${soname}`,
    verifySchnorr: (signature, message, publicKey) =>
      parseXOnly(context, key, publicKey) === 1 &&
      verifySchnorr(context, signature, message, message.length, key) === 1,
    verifyEcdsa(signature, message, publicKey) {
      if (parseKey(context, key, publicKey, publicKey.length) !== 1) return false
      if (parseCompact(context, parsedSignature, signature) !== 1) return false
      // The library refuses high s; whether that is an error is the script flags' business.
      normalize(context, parsedSignature, parsedSignature)
      return verifyEcdsa(context, parsedSignature, message, key) === 1
    },
    checkTweak: (internal, tweak, output, parity) =>
      parseXOnly(context, key, internal) === 1 &&
      checkTweak(context, output, parity, key, tweak) === 1,
  }
}

/** tiny-secp256k1 throws on keys that are not points; that is "false" here. */
function falseIfThrown(check: () => boolean): boolean {
  try {
    return check()
  } catch {
    return false
  }
}

export const wasmBackend: Secp256k1Backend = {
  name: 'wasm tiny-secp256k1',
  verifySchnorr: (signature, message, publicKey) =>
    falseIfThrown(() => tiny.verifySchnorr(message, publicKey, signature)),
  verifyEcdsa: (signature, message, publicKey) =>
    falseIfThrown(() => tiny.verify(message, publicKey, signature)),
  checkTweak: (internal, tweak, output, parity) =>
    falseIfThrown(() => tiny.xOnlyPointAddTweakCheck(internal, tweak, output, parity)),
}

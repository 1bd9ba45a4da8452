/**
 * Native libsecp256k1 through koffi. It reads 32, 33 or 64 bytes from bare pointers, and ends the
 * process when it is given a key that was not parsed: `primitives/secp256k1.ts` checks every length
 * before a call gets here, and no key is used unless its parsing succeeded.
 */

import { realpathSync } from 'node:fs'
import { basename } from 'node:path'
import koffi from 'koffi'
import { hexToBytes } from '../primitives/bytes.ts'
import type { Secp256k1Backend } from '../primitives/secp256k1.ts'

/** SECP256K1_CONTEXT_VERIFY: in newer releases the same as a context without flags. */
const CONTEXT_VERIFY = 0x101

/** A library that loads and gives wrong answers. */
export class WrongAnswerError extends Error {
  override readonly name = 'WrongAnswerError'
}

/**
 * `file` is a path or a soname, of version 0.2 or later: the arguments differ before. The backend
 * belongs to the calling thread.
 * @throws WrongAnswerError when it fails the self-test; what koffi throws when it does not load or has
 * not all modules.
 */
export function loadSecp256k1Library(file: string): Secp256k1Backend {
  const backend = nativeBackend(file)
  if (!passesSelfTest(backend)) throw new WrongAnswerError(`${file} fails the self-test`)
  return backend
}

/** C parameter list of `count` bare pointers. */
function pointers(count: number): string[] {
  return Array.from({ length: count }, () => 'void*')
}

function nativeBackend(file: string): Secp256k1Backend {
  const lib = koffi.load(file)
  // Each thread its own. Randomisation protects secrets, of which verification has none.
  const context: unknown = lib.func('void* secp256k1_context_create(uint flags)')(CONTEXT_VERIFY)
  const parseXOnly = lib.func('secp256k1_xonly_pubkey_parse', 'int', pointers(3))
  const verifySchnorr = lib.func('secp256k1_schnorrsig_verify', 'int', [
    ...pointers(3),
    'size_t',
    'void*',
  ])
  const checkTweak = lib.func('secp256k1_xonly_pubkey_tweak_add_check', 'int', [
    ...pointers(2),
    'int',
    ...pointers(2),
  ])
  const parseKey = lib.func('secp256k1_ec_pubkey_parse', 'int', [...pointers(3), 'size_t'])
  const parseCompact = lib.func('secp256k1_ecdsa_signature_parse_compact', 'int', pointers(3))
  const normalize = lib.func('secp256k1_ecdsa_signature_normalize', 'int', pointers(3))
  const verifyEcdsa = lib.func('secp256k1_ecdsa_verify', 'int', pointers(4))
  // Opaque structs of the library, 64 bytes each; and places outside V8's heap for what is checked,
  // because moving each short array there on its own costs more than copying it.
  const [parsedKey, parsedSignature] = [place(64), place(64)]
  const [signaturePlace, messagePlace, outputPlace] = [place(64), place(32), place(32)]
  const [xOnlyPlace, compressedPlace] = [place(32), place(33)]
  return {
    name: `native ${libraryName(file)}`,
    verifySchnorr(signature, message, publicKey) {
      xOnlyPlace.set(publicKey)
      if (parseXOnly(context, parsedKey, xOnlyPlace) !== 1) return false
      signaturePlace.set(signature)
      messagePlace.set(message)
      return verifySchnorr(context, signaturePlace, messagePlace, 32, parsedKey) === 1
    },
    verifyEcdsa(signature, message, publicKey) {
      compressedPlace.set(publicKey)
      if (parseKey(context, parsedKey, compressedPlace, 33) !== 1) return false
      signaturePlace.set(signature)
      if (parseCompact(context, parsedSignature, signaturePlace) !== 1) return false
      // The library refuses high s; whether that is an error is the script flags' business.
      normalize(context, parsedSignature, parsedSignature)
      messagePlace.set(message)
      return verifyEcdsa(context, parsedSignature, messagePlace, parsedKey) === 1
    },
    checkTweak(internal, tweak, output, parity) {
      xOnlyPlace.set(internal)
      if (parseXOnly(context, parsedKey, xOnlyPlace) !== 1) return false
      outputPlace.set(output)
      messagePlace.set(tweak)
      return checkTweak(context, outputPlace, parity, parsedKey, messagePlace) === 1
    },
  }
}

/** With the number of its ABI, also where a path without it has led there. */
function libraryName(file: string): string {
  const name = basename(file.includes('/') ? realpathSync(file) : file)
  return /^libsecp256k1\.so\.\d+/.exec(name)?.[0] ?? name
}

function place(bytes: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(bytes))
}

const hex = (text: string): Uint8Array => hexToBytes(text.replaceAll(/\s/g, ''))

/** BIP340's test vector 1, and under the same secret an ECDSA signature of the same message. */
const MESSAGE = hex('243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89')
const KEY = hex('dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659')
const SCHNORR = hex(`
  6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de3341
  8906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a`)
const ECDSA_R = 'b205a970e2fed06001bcd3864ce7a2c63291b531525d693dc2deeb92c91627de'
const ECDSA_LOW = hex(`${ECDSA_R}5c0cccd156282e5a477cd3541e210f4eb65eb3549b9f63725f92432f084dfed0`)
const ECDSA_HIGH = hex(`${ECDSA_R}a3f3332ea9d7d1a5b8832cabe1def0b00450299213a93cc960401b5dc7e84271`)
/** The first tweak of BIP341's wallet vectors; the tweaked point is odd. */
const INTERNAL = hex('d6889cb081036e0faefa3a35157ad71086b123b2b144b649798b494c300a961d')
const TWEAK = hex('b86e7be8f39bab32a6f2c0443abbc210f0edac0e2c53d501b36b64437d9c6c70')
const OUTPUT = hex('53a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343')
/** Not the x of a point. */
const NO_KEY = new Uint8Array(32).fill(0xff)

function passesSelfTest(backend: Secp256k1Backend): boolean {
  const compressed = Uint8Array.of(2, ...KEY)
  const right = [
    backend.verifySchnorr(SCHNORR, MESSAGE, KEY),
    backend.verifyEcdsa(ECDSA_LOW, MESSAGE, compressed),
    backend.verifyEcdsa(ECDSA_HIGH, MESSAGE, compressed),
    backend.checkTweak(INTERNAL, TWEAK, OUTPUT, 1),
  ]
  const wrong = [
    backend.verifySchnorr(SCHNORR, TWEAK, KEY),
    backend.verifySchnorr(SCHNORR, MESSAGE, INTERNAL),
    backend.verifySchnorr(SCHNORR, MESSAGE, NO_KEY),
    backend.verifyEcdsa(ECDSA_LOW, TWEAK, compressed),
    backend.verifyEcdsa(ECDSA_LOW, MESSAGE, Uint8Array.of(2, ...NO_KEY)),
    backend.verifyEcdsa(new Uint8Array(64), MESSAGE, compressed),
    backend.checkTweak(INTERNAL, TWEAK, OUTPUT, 0),
    backend.checkTweak(INTERNAL, MESSAGE, OUTPUT, 1),
    backend.checkTweak(NO_KEY, TWEAK, OUTPUT, 1),
  ]
  return right.every((answer) => answer) && wrong.every((answer) => !answer)
}

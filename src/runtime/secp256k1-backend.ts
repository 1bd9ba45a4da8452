/**
 * Chooses the fastest trustworthy secp256k1: native libsecp256k1 (the system's, or what
 * `scripts/libsecp256k1` has put into the project's cache), else tiny-secp256k1, which is the same
 * library as WASM and about five times as slow. All give the same answers.
 *
 *   CAUSEWAY_LIBSECP256K1=FILE           look nowhere else for the native library
 *   CAUSEWAY_SECP256K1=native|wasm|noble use this kind, or fail
 */

import { fileURLToPath } from 'node:url'
import * as tiny from 'tiny-secp256k1'
import { nobleBackend, type Secp256k1Backend } from '../primitives/secp256k1.ts'
import { loadSecp256k1Library } from './secp256k1-library.ts'

/**
 * Newest ABI first: 0.8, 0.7, 0.6, 0.3 to 0.5, 0.2. Older ones take other arguments, newer ones may:
 * neither is tried.
 */
const SONAMES = [7, 6, 5, 2, 1].map((abi) => `libsecp256k1.so.${abi}`)
const CACHED = fileURLToPath(new URL('../../.cache/libsecp256k1/libsecp256k1.so', import.meta.url))
const KINDS = ['native', 'wasm', 'noble'] as const
type Kind = (typeof KINDS)[number]

/** A secp256k1 was demanded that cannot be had. */
export class Secp256k1ChoiceError extends Error {
  override readonly name = 'Secp256k1ChoiceError'
}

export interface Secp256k1Choice {
  readonly backend: Secp256k1Backend
  /** Libraries that are there and were not taken, each with the reason. */
  readonly refused: readonly string[]
}

/** The process's, or one made up. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The backend belongs to the calling thread. @throws Secp256k1ChoiceError as `findSecp256k1`. */
export function chooseSecp256k1Backend(environment: Environment = process.env): Secp256k1Backend {
  return findSecp256k1(environment).backend
}

/** @throws Secp256k1ChoiceError when the environment demands a kind that cannot be had. */
export function findSecp256k1(environment: Environment = process.env): Secp256k1Choice {
  const demanded = demandedKind(environment['CAUSEWAY_SECP256K1'])
  if (demanded === 'noble') return { backend: nobleBackend, refused: [] }
  if (demanded === 'wasm') return { backend: wasmBackend, refused: [] }
  const named = environment['CAUSEWAY_LIBSECP256K1']
  const { backend, refused } = findNative(named)
  if (backend !== undefined) return { backend, refused }
  if (demanded === undefined) return { backend: wasmBackend, refused }
  const reason = refused.length > 0 ? refused.join('; ') : 'none is installed'
  throw new Secp256k1ChoiceError(`no native libsecp256k1: ${reason}`)
}

function demandedKind(text: string | undefined): Kind | undefined {
  if (text === undefined || text === '') return undefined
  const kind = KINDS.find((known) => known === text)
  if (kind === undefined) {
    throw new Secp256k1ChoiceError(`CAUSEWAY_SECP256K1 is ${text}, not one of ${KINDS.join(', ')}`)
  }
  return kind
}

function findNative(named: string | undefined): {
  readonly backend: Secp256k1Backend | undefined
  readonly refused: readonly string[]
} {
  const isNamed = named !== undefined && named !== ''
  const refused: string[] = []
  for (const file of isNamed ? [named] : [...SONAMES, CACHED]) {
    try {
      return { backend: loadSecp256k1Library(file), refused }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      // Most sonames are on no machine: no news, unless the user has named the file.
      if (isNamed || !/no such file/i.test(reason)) refused.push(`${file}: ${reason}`)
    }
  }
  return { backend: undefined, refused }
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

/**
 * Puts the fastest cryptography of this machine under the pure code: called once by every program that
 * checks signatures, before it does anything else.
 */

import { installSecp256k1Backend } from '../primitives/secp256k1.ts'
import { installSha256Backend } from '../primitives/sha256.ts'
import { type Environment, findSecp256k1 } from './secp256k1-backend.ts'
import { chooseSha256Backend } from './sha256-backend.ts'

export interface InstalledBackends {
  readonly secp256k1: string
  readonly sha256: string
  /** What a person may want to change; undefined when nothing. */
  readonly hint: string | undefined
}

/**
 * For the calling thread; may be called again. What the environment may say: secp256k1-backend.ts.
 * @throws Secp256k1ChoiceError when the environment demands what cannot be had.
 */
export function installNativeBackends(environment: Environment = process.env): InstalledBackends {
  const { backend, refused } = findSecp256k1(environment)
  const sha256 = chooseSha256Backend()
  installSecp256k1Backend(backend)
  installSha256Backend(sha256)
  return { secp256k1: backend.name, sha256: sha256.name, hint: hintFor(backend.name, refused) }
}

function hintFor(name: string, refused: readonly string[]): string | undefined {
  if (refused.length > 0) return `not used: ${refused.join('; ')}`
  if (name.startsWith('native')) return undefined
  return "signatures are checked about five times as fast with a native libsecp256k1: install your system's package, or run scripts/libsecp256k1 --print"
}

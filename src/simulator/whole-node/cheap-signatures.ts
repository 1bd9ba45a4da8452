/**
 * Signatures for runs of whole nodes: validators and users sign with the stand-ins of
 * `fake-signatures.ts`, which cost one hash, behind the port that production verifies through. Whatever
 * is no stand-in is verified for real: the group's signatures are made by real shares. Answers are
 * remembered, since every node of a run asks the same.
 */

import { bytesToHex, equalBytes } from '../../primitives/bytes.ts'
import { xOnlyKeyFromBytes } from '../../primitives/hashes.ts'
import {
  installSecp256k1Backend,
  type Secp256k1Backend,
  secp256k1Backend,
} from '../../primitives/secp256k1.ts'
import { fakeSignature } from '../fake-signatures.ts'

const REMEMBERED_MAX = 20_000

/** Runs `work` with the stand-ins accepted, and restores what was there before. */
export async function withCheapSignatures<T>(work: () => Promise<T>): Promise<T> {
  const real = secp256k1Backend()
  installSecp256k1Backend(cheapBackend(real))
  try {
    return await work()
  } finally {
    installSecp256k1Backend(real)
  }
}

function cheapBackend(real: Secp256k1Backend): Secp256k1Backend {
  const remembered = new Map<string, boolean>()
  const remember = (check: () => boolean, ...parts: readonly Uint8Array[]): boolean => {
    const key = parts.map(bytesToHex).join(':')
    const known = remembered.get(key)
    if (known !== undefined) return known
    const answer = check()
    if (remembered.size >= REMEMBERED_MAX) remembered.clear()
    remembered.set(key, answer)
    return answer
  }
  return {
    name: `${real.name}, and stand-ins`,
    verifySchnorr: (signature, message, key) =>
      (key.length === 32 &&
        equalBytes(signature, fakeSignature(xOnlyKeyFromBytes(key), message))) ||
      remember(() => real.verifySchnorr(signature, message, key), signature, message, key),
    verifyEcdsa: (signature, message, key) => real.verifyEcdsa(signature, message, key),
    checkTweak: (internal, tweak, output, parity) =>
      remember(
        () => real.checkTweak(internal, tweak, output, parity),
        internal,
        tweak,
        output,
        Uint8Array.of(parity),
      ),
  }
}

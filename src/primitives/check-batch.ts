/**
 * Elliptic-curve checks that are answered together. The rules add a block's checks as they meet them
 * and take each as passed; `finish` says which was the first that does not hold. So the checks can
 * run on other cores while the rules go on.
 */

import { checkTweak, verifyEcdsa, verifySchnorr } from './secp256k1.ts'

export type CheckKind = 'schnorr' | 'ecdsa' | 'tweak'

/** The first check of a batch that does not hold. */
export interface FailedCheck {
  /** In order of adding, from 0. */
  readonly index: number
  readonly kind: CheckKind
}

/** What is added is copied. Data of a wrong length is a check that fails, as everywhere. */
export interface CheckBatch {
  /** Checks added so far. */
  readonly size: number
  /** BIP340; 64-byte signature, 32-byte message, 32-byte x-only key. */
  addSchnorr(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): void
  /** 64-byte compact (r ‖ s) signature, any s; 32-byte message; 33-byte compressed key. */
  addEcdsa(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): void
  /** BIP341: `output` (x-only) = lift_x(internal) + tweak·G, with that parity. 32 bytes each. */
  addTweak(internal: Uint8Array, tweak: Uint8Array, output: Uint8Array, parity: 0 | 1): void
  /** Ends the batch: undefined when all checks hold. Nothing may be added afterwards. */
  finish(): FailedCheck | undefined
}

/** Makes batches; one at a time. */
export interface CheckBatches {
  begin(): CheckBatch
}

/** Checks on the calling thread, each when it is added; once one has failed no more are made. */
export const INLINE_CHECKS: CheckBatches = {
  begin() {
    let size = 0
    let failed: FailedCheck | undefined
    const add = (kind: CheckKind, check: () => boolean): void => {
      if (failed === undefined && !check()) failed = { index: size, kind }
      size += 1
    }
    return {
      get size() {
        return size
      },
      addSchnorr: (signature, message, key) =>
        add('schnorr', () => verifySchnorr(signature, message, key)),
      addEcdsa: (signature, message, key) =>
        add('ecdsa', () => verifyEcdsa(signature, message, key)),
      addTweak: (internal, tweak, output, parity) =>
        add('tweak', () => checkTweak(internal, tweak, output, parity)),
      finish: () => failed,
    }
  },
}

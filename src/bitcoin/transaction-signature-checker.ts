/** Answers a script's questions about one input: signatures (BIP143, BIP341) and lock times. */

import { present } from '../primitives/assert.ts'
import type { CheckBatch } from '../primitives/check-batch.ts'
import { verifyEcdsa, verifySchnorr } from '../primitives/secp256k1.ts'
import type { ScriptFailure } from './script-error.ts'
import type { SignatureChecker } from './script-machine.ts'
import {
  SighashType,
  type TapscriptExtension,
  taprootSighash,
  witnessV0Sighash,
} from './sighash.ts'
import { compactSignature, compressKey } from './signature-encoding.ts'
import type { Transaction, TxInput, TxOutput } from './transaction.ts'

/** BIP65: lock times below are heights, from here on times. */
const LOCKTIME_THRESHOLD = 500_000_000
const SEQUENCE_FINAL = 0xffff_ffff
/** BIP68: bit 31 of a sequence number switches its lock off. */
const SEQUENCE_DISABLE = 0x8000_0000
/** BIP68: bit 22 set means time, else height. */
const SEQUENCE_TYPE = 0x0040_0000
/** BIP112: the bits that are compared. */
const SEQUENCE_MASK = 0x0040_ffff

export interface CheckedInput {
  readonly transaction: Transaction
  readonly index: number
  /** One per input. */
  readonly spentOutputs: readonly TxOutput[]
  readonly annexHash?: Uint8Array | undefined
  /** Where curve checks go that may wait; without it every check is made at once. */
  readonly checks?: CheckBatch | undefined
}

/** What a v0 signature comes down to. */
interface EcdsaCheck {
  /** r ‖ s */
  readonly signature: Uint8Array
  readonly message: Uint8Array
  readonly key: Uint8Array
}

export class TransactionSignatureChecker implements SignatureChecker {
  readonly #checked: CheckedInput
  readonly #input: TxInput
  /** The last v0 hash: the keys of a multisignature mostly ask for the same one. */
  #lastV0:
    | { readonly code: Uint8Array; readonly type: number; readonly hash: Uint8Array }
    | undefined

  constructor(checked: CheckedInput) {
    this.#checked = checked
    this.#input = present(checked.transaction.inputs[checked.index], 'checked input')
  }

  checkEcdsa(signature: Uint8Array, publicKey: Uint8Array, scriptCode: Uint8Array): boolean {
    const check = this.#ecdsaCheck(signature, publicKey, scriptCode)
    return check !== undefined && verifyEcdsa(check.signature, check.message, check.key)
  }

  requireEcdsa(signature: Uint8Array, publicKey: Uint8Array, scriptCode: Uint8Array): boolean {
    const check = this.#ecdsaCheck(signature, publicKey, scriptCode)
    if (check === undefined) return false
    const { checks } = this.#checked
    if (checks === undefined) return verifyEcdsa(check.signature, check.message, check.key)
    checks.addEcdsa(check.signature, check.message, check.key)
    return true
  }

  /** Undefined for encodings that no key can satisfy. */
  #ecdsaCheck(
    der: Uint8Array,
    publicKey: Uint8Array,
    scriptCode: Uint8Array,
  ): EcdsaCheck | undefined {
    const hashType = der.at(-1)
    const signature = compactSignature(der)
    const key = compressKey(publicKey)
    if (hashType === undefined || signature === undefined || key === undefined) return undefined
    return { signature, message: this.#v0Hash(scriptCode, hashType), key }
  }

  #v0Hash(code: Uint8Array, type: number): Uint8Array {
    const last = this.#lastV0
    if (last !== undefined && last.code === code && last.type === type) return last.hash
    const { transaction, index, spentOutputs } = this.#checked
    const { value } = present(spentOutputs[index], 'spent output')
    const hash = witnessV0Sighash(transaction, index, code, value, type)
    this.#lastV0 = { code, type, hash }
    return hash
  }

  checkSchnorr(
    signature: Uint8Array,
    publicKey: Uint8Array,
    tapscript?: TapscriptExtension,
  ): ScriptFailure {
    // BIP341: 64 bytes mean SIGHASH_DEFAULT; 65 carry a hash type, which is not 0.
    if (signature.length !== 64 && signature.length !== 65) return 'SCHNORR_SIG_SIZE'
    const hashType = signature[64] ?? SighashType.DEFAULT
    if (signature.length === 65 && hashType === SighashType.DEFAULT) return 'SCHNORR_SIG_HASHTYPE'
    const { transaction, index, spentOutputs, annexHash, checks } = this.#checked
    const options = { tapscript, annexHash }
    const hash = taprootSighash(transaction, index, spentOutputs, hashType, options)
    if (hash === undefined) return 'SCHNORR_SIG_HASHTYPE'
    const bare = signature.length === 64 ? signature : signature.subarray(0, 64)
    if (checks === undefined)
      return verifySchnorr(bare, hash, publicKey) ? undefined : 'SCHNORR_SIG'
    checks.addSchnorr(bare, hash, publicKey)
    return undefined
  }

  checkLockTime(lockTime: number): boolean {
    const { transaction } = this.#checked
    // BIP65: heights compare with heights and times with times.
    const isHeight = lockTime < LOCKTIME_THRESHOLD
    if (isHeight !== transaction.lockTime < LOCKTIME_THRESHOLD) return false
    if (lockTime > transaction.lockTime) return false
    // A final input would switch nLockTime off.
    return this.#input.sequence !== SEQUENCE_FINAL
  }

  checkSequence(sequence: number): boolean {
    // BIP112: the version is unsigned, and old versions have no relative lock times.
    if (this.#checked.transaction.version < 2) return false
    if (this.#input.sequence >= SEQUENCE_DISABLE) return false
    const wanted = sequence & SEQUENCE_MASK
    const actual = this.#input.sequence & SEQUENCE_MASK
    if (wanted < SEQUENCE_TYPE !== actual < SEQUENCE_TYPE) return false
    return wanted <= actual
  }
}

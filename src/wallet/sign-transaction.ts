/**
 * Signs a wallet's inputs: BIP143 with ECDSA (RFC 6979, low s) for P2WPKH, BIP341 key path with
 * BIP340 for P2TR under BIP86. Always SIGHASH_ALL (SIGHASH_DEFAULT for taproot). The digests come
 * from `src/bitcoin`; the secrets only ever meet @noble/curves.
 */

import { secp256k1 } from '@noble/curves/secp256k1.js'
import type { HDKey } from '@scure/bip32'
import { taprootSighash, witnessV0Sighash } from '../bitcoin/sighash.ts'
import type { Transaction, TxOutput } from '../bitcoin/transaction.ts'
import { assert, present } from '../primitives/assert.ts'
import { concatBytes, equalBytes } from '../primitives/bytes.ts'
import { signSchnorr } from '../primitives/secp256k1.ts'
import { hash160, taggedHash } from '../primitives/sha256.ts'
import type { Random } from '../runtime/runtime.ts'
import { accountScript, type KeyPath, type ScriptKind } from './account.ts'
import { WalletError } from './wallet-error.ts'

/** The account's private side. */
export interface SigningKey {
  readonly kind: ScriptKind
  /** m/purpose'/coin'/0' */
  readonly account: HDKey
}

const SIGHASH_DEFAULT = 0x00
const SIGHASH_ALL = 0x01
const { Fn } = secp256k1.Point

/**
 * Returns the transaction with the given inputs' witnesses filled in; other inputs stay as they
 * are. `spent` are all the outputs spent, in input order: taproot signatures commit to every one.
 * @throws WalletError `not-ours` when a path's key does not give the output's script.
 */
export function signTransaction(
  transaction: Transaction,
  spent: readonly TxOutput[],
  paths: readonly (KeyPath | undefined)[],
  options: { readonly key: SigningKey; readonly random: Random },
): Transaction {
  assert(spent.length === transaction.inputs.length, 'one spent output per input')
  assert(paths.length === transaction.inputs.length, 'one path, or none, per input')
  const inputs = transaction.inputs.map((input, index) => {
    const path = paths[index]
    if (path === undefined) return input
    const witness = signInput(transaction, index, spent, {
      kind: options.key.kind,
      node: options.key.account.deriveChild(path.branch).deriveChild(path.index),
      random: options.random,
    })
    return { ...input, witness }
  })
  return { ...transaction, inputs }
}

function signInput(
  transaction: Transaction,
  index: number,
  spent: readonly TxOutput[],
  signer: { readonly kind: ScriptKind; readonly node: HDKey; readonly random: Random },
): readonly Uint8Array[] {
  const secret = present(signer.node.privateKey, 'private key of the account')
  const publicKey = present(signer.node.publicKey, 'public key of the account')
  const output = present(spent[index], 'spent output')
  if (!equalBytes(accountScript(signer.kind, publicKey), output.script)) {
    throw new WalletError('not-ours', `input ${index} does not belong to this wallet's key`)
  }
  if (signer.kind === 'p2tr') {
    const digest = present(
      taprootSighash(transaction, index, spent, SIGHASH_DEFAULT),
      'taproot digest',
    )
    const tweaked = tweakSecret(secret, publicKey)
    return [signSchnorr(digest, tweaked, signer.random.bytes(32))]
  }
  // BIP143: the script code of P2WPKH is the P2PKH script of its key hash.
  const scriptCode = concatBytes(
    Uint8Array.of(0x76, 0xa9, 0x14),
    hash160(publicKey),
    Uint8Array.of(0x88, 0xac),
  )
  const digest = witnessV0Sighash(transaction, index, scriptCode, output.value, SIGHASH_ALL)
  const signature = secp256k1.sign(digest, secret, { prehash: false, lowS: true, format: 'der' })
  return [concatBytes(signature, Uint8Array.of(SIGHASH_ALL)), publicKey]
}

/** BIP341 taproot_tweak_seckey with an empty script tree (BIP86). `publicKey` is compressed. */
function tweakSecret(secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const scalar = Fn.fromBytes(secret)
  // seckey = seckey0 if has_even_y(P) else SECP256K1_ORDER - seckey0
  const even = publicKey[0] === 0x02 ? scalar : Fn.neg(scalar)
  // t = hashTapTweak(bytes_from_int(x(P)))
  const tweak = Fn.fromBytes(taggedHash('TapTweak', publicKey.subarray(1)))
  return Fn.toBytes(Fn.add(even, tweak))
}

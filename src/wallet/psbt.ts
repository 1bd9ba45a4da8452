/**
 * PSBT (BIP174, taproot fields of BIP371) out and in, for hardware wallets and air gaps. The codec
 * is bitcoinjs-lib's; digests and signatures are this project's own, so bitcoinjs-lib never sees a
 * key. Only this wallet's kinds of input are signed: P2WPKH, and P2TR by key path.
 */

import { Psbt } from 'bitcoinjs-lib'
import { decodeTransaction, type Transaction, type TxOutput } from '../bitcoin/transaction.ts'
import { present } from '../primitives/assert.ts'
import { equalBytes, hexToBytes } from '../primitives/bytes.ts'
import { encodeWith } from '../primitives/codec.ts'
import { sats } from '../primitives/units.ts'
import type { Random } from '../runtime/runtime.ts'
import {
  type Account,
  type AccountScripts,
  type Branch,
  type KeyPath,
  keyPathText,
  MAX_KEY_INDEX,
} from './account.ts'
import type { PaymentPlan, WalletCoin } from './payment.ts'
import { type SigningKey, signTransaction } from './sign-transaction.ts'
import { WalletError } from './wallet-error.ts'

/** As base64; a standard transaction's PSBT stays well below. */
const MAX_PSBT_LENGTH = 2_000_000

/** An unsigned PSBT, base64, with the key paths that a signer needs. */
export function exportPsbt(plan: PaymentPlan, scripts: AccountScripts): string {
  const psbt = new Psbt()
  psbt.setVersion(plan.transaction.version)
  psbt.setLocktime(plan.transaction.lockTime)
  for (const [i, input] of plan.transaction.inputs.entries()) {
    const coin = present(plan.coins[i], 'coin of an input')
    psbt.addInput({
      hash: input.prevout.txid,
      index: input.prevout.vout,
      sequence: input.sequence,
      witnessUtxo: { script: coin.script, value: coin.value },
      ...derivation(coin, scripts),
    })
  }
  for (const { script, value } of plan.transaction.outputs) psbt.addOutput({ script, value })
  return psbt.toBase64()
}

interface Derivation {
  tapInternalKey?: Uint8Array
  tapBip32Derivation?: {
    masterFingerprint: Uint8Array
    pubkey: Uint8Array
    path: string
    leafHashes: Uint8Array[]
  }[]
  bip32Derivation?: { masterFingerprint: Uint8Array; pubkey: Uint8Array; path: string }[]
}

function derivation(coin: WalletCoin, scripts: AccountScripts): Derivation {
  const { account } = scripts
  const { publicKey } = scripts.derive(coin.branch, coin.index)
  const masterFingerprint = hexToBytes(account.fingerprint)
  const path = keyPathText(account, coin)
  if (account.kind === 'p2wpkh') {
    return { bip32Derivation: [{ masterFingerprint, pubkey: publicKey, path }] }
  }
  const pubkey = publicKey.subarray(1)
  return {
    tapInternalKey: pubkey,
    tapBip32Derivation: [{ masterFingerprint, pubkey, path, leafHashes: [] }],
  }
}

export interface PsbtSummary {
  readonly transaction: Transaction
  readonly spent: readonly TxOutput[]
  /** The wallet's own inputs; undefined for somebody else's. */
  readonly paths: readonly (KeyPath | undefined)[]
  readonly feeSats: bigint
}

/**
 * What a PSBT would do, checked against this wallet's own scripts.
 * @throws WalletError `bad-psbt`.
 */
export function readPsbt(base64: string, scripts: AccountScripts): PsbtSummary {
  const psbt = parsePsbt(base64)
  const transaction = unsignedTransaction(psbt)
  const spent = psbt.data.inputs.map(({ witnessUtxo }, i): TxOutput => {
    if (witnessUtxo === undefined) {
      throw new WalletError('bad-psbt', `input ${i} does not say which output it spends`)
    }
    return { script: witnessUtxo.script, value: readValue(witnessUtxo.value) }
  })
  const paths = psbt.data.inputs.map((input, i) => {
    const text = (input.tapBip32Derivation ?? input.bip32Derivation)?.[0]?.path
    const path = text === undefined ? undefined : ownPath(scripts.account, text)
    if (path === undefined) return undefined
    const { script } = scripts.derive(path.branch, path.index)
    return equalBytes(script, present(spent[i], 'spent output').script) ? path : undefined
  })
  const paidIn = spent.reduce((sum, { value }) => sum + value, 0n)
  const paidOut = transaction.outputs.reduce((sum, { value }) => sum + value, 0n)
  if (paidOut > paidIn) throw new WalletError('bad-psbt', 'it pays out more than it spends')
  return { transaction, spent, paths, feeSats: paidIn - paidOut }
}

export interface SignedPsbt {
  /** The PSBT with final witnesses on the inputs that this wallet signed, base64. */
  readonly base64: string
  /** Present when every input is signed now. */
  readonly transaction: Transaction | undefined
  readonly signedInputs: number
}

/** @throws WalletError `bad-psbt`; `not-ours` when the wallet has no key for any input. */
export function signPsbt(
  base64: string,
  scripts: AccountScripts,
  options: { readonly key: SigningKey; readonly random: Random },
): SignedPsbt {
  const psbt = parsePsbt(base64)
  const { transaction, spent, paths } = readPsbt(base64, scripts)
  const signedInputs = paths.filter((path) => path !== undefined).length
  if (signedInputs === 0) throw new WalletError('not-ours', 'no input belongs to this wallet')
  const signed = signTransaction(transaction, spent, paths, options)
  for (const [i, input] of psbt.data.inputs.entries()) {
    if (paths[i] === undefined || input.finalScriptWitness !== undefined) continue
    const { witness } = present(signed.inputs[i], 'signed input')
    psbt.updateInput(i, { finalScriptWitness: encodeWitness(witness) })
  }
  const complete = psbt.data.inputs.every((input) => input.finalScriptWitness !== undefined)
  return {
    base64: psbt.toBase64(),
    transaction: complete ? extractTransaction(psbt) : undefined,
    signedInputs,
  }
}

/** The network transaction of a PSBT that other software signed and finalised. */
export function finalTransaction(base64: string): Transaction {
  const psbt = parsePsbt(base64)
  if (psbt.data.inputs.some((input) => input.finalScriptWitness === undefined)) {
    throw new WalletError('bad-psbt', 'not every input is signed')
  }
  return extractTransaction(psbt)
}

function parsePsbt(base64: string): Psbt {
  if (base64.length > MAX_PSBT_LENGTH) throw new WalletError('bad-psbt', 'too long')
  try {
    return Psbt.fromBase64(base64.trim())
  } catch (cause) {
    throw new WalletError('bad-psbt', 'not a PSBT in base64', { cause })
  }
}

/** From the bytes: bitcoinjs-lib's own getters warn on the console of withdraw outputs. */
function unsignedTransaction(psbt: Psbt): Transaction {
  try {
    return decodeTransaction(psbt.data.globalMap.unsignedTx.toBuffer())
  } catch (cause) {
    throw new WalletError('bad-psbt', 'its transaction is malformed', { cause })
  }
}

/** "m/86'/1'/0'/0/5" of this account to its path; undefined for any other. */
function ownPath(account: Account, text: string): KeyPath | undefined {
  const match = /\/([01])\/(\d{1,10})$/.exec(text)
  const index = Number(match?.[2] ?? Number.NaN)
  if (!(index <= MAX_KEY_INDEX)) return undefined
  const branch: Branch = match?.[1] === '0' ? 0 : 1
  const path: KeyPath = { branch, index }
  return keyPathText(account, path) === text.replaceAll('h', "'") ? path : undefined
}

function readValue(value: bigint): TxOutput['value'] {
  try {
    return sats(value)
  } catch (cause) {
    throw new WalletError('bad-psbt', 'an amount is out of range', { cause })
  }
}

/** A witness as in a transaction: count, then each item behind its length. */
function encodeWitness(witness: readonly Uint8Array[]): Uint8Array {
  return encodeWith((writer) => {
    writer.list(witness, (each, item) => each.varBytes(item))
  })
}

function extractTransaction(psbt: Psbt): Transaction {
  try {
    return decodeTransaction(psbt.extractTransaction(true).toBuffer())
  } catch (cause) {
    throw new WalletError('bad-psbt', 'the signed transaction cannot be put together', { cause })
  }
}

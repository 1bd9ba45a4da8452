/**
 * A wallet over its file: made from recovery words, good for addresses while locked, for signing
 * when unlocked. Nothing here needs a network.
 */

import { encodeAddress } from '../bitcoin/address.ts'
import type { Transaction } from '../bitcoin/transaction.ts'
import { present } from '../primitives/assert.ts'
import { utf8 } from '../primitives/bytes.ts'
import type { Random } from '../runtime/runtime.ts'
import {
  AccountScripts,
  accountFromSeed,
  accountKey,
  type CoinType,
  type ScriptKind,
} from './account.ts'
import { mnemonicSeed, parseMnemonic } from './mnemonic.ts'
import type { PaymentPlan } from './payment.ts'
import { DEFAULT_SCRYPT_COST, openSecret, type ScryptCost, sealSecret } from './secret-box.ts'
import { type SigningKey, signTransaction } from './sign-transaction.ts'
import { WalletError } from './wallet-error.ts'
import { type WalletFile, walletContext } from './wallet-file.ts'

export interface NewWallet {
  readonly mnemonic: string
  /** Empty only when the owner asked for no passphrase. */
  readonly passphrase: string
  readonly network: { readonly name: string; readonly addressPrefix: string }
  readonly coinType: CoinType
  readonly kind: ScriptKind
  readonly createdMs: number
  readonly random: Random
  readonly cost?: ScryptCost
}

/** @throws WalletError `bad-mnemonic`. */
export async function createWalletFile(options: NewWallet): Promise<WalletFile> {
  const mnemonic = parseMnemonic(options.mnemonic)
  const account = accountFromSeed(mnemonicSeed(mnemonic), options.kind, options.coinType)
  const network = { ...options.network }
  const secret = await sealSecret(utf8(mnemonic), {
    passphrase: options.passphrase,
    context: walletContext({ network, account }),
    random: options.random,
    cost: options.cost ?? DEFAULT_SCRYPT_COST,
  })
  return {
    format: 'causeway-wallet',
    version: 1,
    network,
    account,
    createdMs: options.createdMs,
    withoutPassphrase: options.passphrase === '',
    secret,
    next: { receive: 0, change: 0 },
  }
}

export interface UnlockedWallet {
  readonly mnemonic: string
  readonly key: SigningKey
}

/**
 * @throws WalletError `wrong-passphrase`; `corrupt-file` when the words do not give the public key
 * that the file shows addresses of.
 */
export async function unlockWallet(file: WalletFile, passphrase: string): Promise<UnlockedWallet> {
  const opened = await openSecret(file.secret, passphrase, walletContext(file))
  const mnemonic = parseMnemonic(new TextDecoder().decode(opened))
  const { kind, coinType, xpub } = file.account
  const account = accountKey(mnemonicSeed(mnemonic), kind, coinType)
  if (account.publicExtendedKey !== xpub) {
    throw new WalletError('corrupt-file', "the file's public key is not that of its words")
  }
  return { mnemonic, key: { kind, account } }
}

/** The wallet's address at a position of the receive branch. */
export function walletAddress(file: WalletFile, index: number): string {
  const { script } = new AccountScripts(file.account).derive(0, index)
  // The sidechain has bech32 addresses only.
  const network = { bech32: file.network.addressPrefix }
  return present(encodeAddress(script, network), 'address of an account script')
}

/** Signs every input of a plan made from this wallet's coins. */
export function signPlan(plan: PaymentPlan, key: SigningKey, random: Random): Transaction {
  return signTransaction(plan.transaction, plan.coins, plan.coins, { key, random })
}

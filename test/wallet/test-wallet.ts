/** A deterministic wallet for tests: BIP39's best known words, and randomness from a counter. */

import { toTxid } from '../../src/primitives/hashes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import type { Random } from '../../src/runtime/runtime.ts'
import {
  type Account,
  AccountScripts,
  accountFromSeed,
  accountKey,
  type ScriptKind,
} from '../../src/wallet/account.ts'
import { mnemonicSeed } from '../../src/wallet/mnemonic.ts'
import type { WalletCoin } from '../../src/wallet/payment.ts'
import type { SigningKey } from '../../src/wallet/sign-transaction.ts'

export const WORDS = `${'abandon '.repeat(11)}about`
/** Cheap enough for tests; the format is the same. */
export const TEST_SCRYPT_COST = { N: 2 ** 4, r: 8, p: 1 }

export function countingRandom(seed = 0): Random {
  let counter = seed
  return {
    bytes(length) {
      const out = new Uint8Array(length)
      for (let at = 0; at < length; at += 32) {
        counter += 1
        out.set(sha256(Uint8Array.of(counter & 0xff, counter >> 8)).subarray(0, length - at), at)
      }
      return out
    },
  }
}

export interface TestWallet {
  readonly account: Account
  readonly scripts: AccountScripts
  readonly key: SigningKey
}

export function testWallet(kind: ScriptKind): TestWallet {
  const seed = mnemonicSeed(WORDS)
  const account = accountFromSeed(seed, kind, 1)
  return {
    account,
    scripts: new AccountScripts(account),
    key: { kind, account: accountKey(seed, kind, 1) },
  }
}

/** Coins of the given values, one per receive address. */
export function coinsOf(wallet: TestWallet, values: readonly number[]): WalletCoin[] {
  return values.map((value, index) => ({
    outPoint: { txid: toTxid((index + 1).toString(16).padStart(64, '0')), vout: index },
    value: sats(value),
    script: wallet.scripts.derive(0, index).script,
    branch: 0,
    index,
    height: 1,
  }))
}

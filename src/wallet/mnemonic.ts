/**
 * BIP39: the words a wallet is backed up with. English word list only. The words' own optional
 * passphrase ("25th word") is supported when the seed is made; it has nothing to do with the
 * passphrase that encrypts the wallet file.
 */

import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import type { Random } from '../runtime/runtime.ts'
import { WalletError } from './wallet-error.ts'

export type WordCount = 12 | 24

/** Entropy bits per word count: 12 words carry 128 bits, 24 carry 256. */
const ENTROPY_BYTES: Readonly<Record<WordCount, number>> = { 12: 16, 24: 32 }

/** Longest accepted text: 24 words of 8 letters and generous white space. */
const MAX_TEXT_LENGTH = 1_000

export function createMnemonic(random: Random, words: WordCount): string {
  return entropyToMnemonic(random.bytes(ENTROPY_BYTES[words]), wordlist)
}

/**
 * Lower case, single spaces, checksum checked.
 * @throws WalletError `bad-mnemonic`; the message never repeats the words.
 */
export function parseMnemonic(text: string): string {
  if (text.length > MAX_TEXT_LENGTH) throw new WalletError('bad-mnemonic', 'too many words')
  const words = text.normalize('NFKD').trim().toLowerCase().split(/\s+/u)
  const unknown = words.findIndex((word) => !wordlist.includes(word))
  if (unknown !== -1) {
    throw new WalletError('bad-mnemonic', `word ${unknown + 1} is not in the English BIP39 list`)
  }
  const mnemonic = words.join(' ')
  if (!validateMnemonic(mnemonic, wordlist)) {
    throw new WalletError(
      'bad-mnemonic',
      words.length % 3 === 0 && words.length >= 12 && words.length <= 24
        ? 'the words do not match their checksum: one is wrong or out of place'
        : `${words.length} words; recovery phrases have 12, 15, 18, 21 or 24`,
    )
  }
  return mnemonic
}

/** BIP39 seed, 64 bytes, of a parsed mnemonic. */
export function mnemonicSeed(mnemonic: string, bip39Passphrase = ''): Uint8Array {
  return mnemonicToSeedSync(mnemonic, bip39Passphrase)
}

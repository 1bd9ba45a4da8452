import { expect, test } from 'vitest'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { createMnemonic, mnemonicSeed, parseMnemonic } from '../../src/wallet/mnemonic.ts'
import { countingRandom, WORDS } from './test-wallet.ts'

test('BIP39 vector: words and passphrase TREZOR make the published seed', () => {
  expect(bytesToHex(mnemonicSeed(WORDS, 'TREZOR'))).toBe(
    'c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04',
  )
})

test.each([12, 24] as const)('new words of length %i pass their own check', (count) => {
  const words = createMnemonic(countingRandom(), count)
  expect(words.split(' ')).toHaveLength(count)
  expect(parseMnemonic(words)).toBe(words)
})

test('capitals and odd white space are forgiven', () => {
  expect(parseMnemonic(`  ${WORDS.toUpperCase().replaceAll(' ', '\n ')}\n`)).toBe(WORDS)
})

test.each([
  ['a wrong checksum', 'abandon '.repeat(12), 'checksum'],
  ['a word outside of the list', `${'abandon '.repeat(11)}zzz`, 'word 12'],
  ['too few words', 'abandon about', '2 words'],
  ['nothing', '', 'word 1'],
  ['a flood', 'a '.repeat(10_000), 'too many'],
])('%s is refused with the reason', (_name, text, reason) => {
  expect(() => parseMnemonic(text)).toThrow(reason)
})

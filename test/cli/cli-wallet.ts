/** Puts the test words' wallet into a home, with cheap encryption. */

import { join } from 'node:path'
import { createWalletFile } from '../../src/wallet/wallet.ts'
import { writeWalletFile } from '../../src/wallet/wallet-file.ts'
import { countingRandom, TEST_SCRYPT_COST, WORDS } from '../wallet/test-wallet.ts'
import { newHome } from './test-io.ts'

export const PASSPHRASE = 'correct horse'

/** Returns the home: `--home` of the commands that shall find the wallet. */
export async function homeWithWallet(
  options: { readonly name?: string; readonly passphrase?: string } = {},
): Promise<string> {
  const home = newHome()
  const file = await createWalletFile({
    mnemonic: WORDS,
    passphrase: options.passphrase ?? PASSPHRASE,
    network: { name: 'devnet', addressPrefix: 'bcrt' },
    coinType: 1,
    kind: 'p2tr',
    createdMs: 0,
    random: countingRandom(),
    cost: TEST_SCRYPT_COST,
  })
  const path = join(home, 'wallets', `${options.name ?? 'default'}.json`)
  await writeWalletFile(path, file, { replace: false, random: countingRandom() })
  return home
}

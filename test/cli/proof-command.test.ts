import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { devnetGenesis } from '../../genesis/devnet.ts'
import { chainParams, type Genesis, parseGenesis } from '../../genesis/network.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { buildCoinProof, buildSupplyProof } from '../../src/chain/build-proof.ts'
import { decodeCertificate } from '../../src/consensus/certificate.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { temporaryDirectory } from '../storage/temporary-directory.ts'
import { chainOf, finalBlocks } from '../support/certified-chain.ts'
import { secretOf } from '../support/chain-world.ts'
import { cli, json } from './test-io.ts'

const keys = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => xOnlyPublicKey(secretOf(`${prefix} ${i}`)))

function genesisWith(salt: string): Genesis {
  return parseGenesis(
    devnetGenesis({
      validators: keys('validator', 4),
      recoveryKeys: keys('recovery', 3),
      salt: salt.repeat(32),
    }),
  )
}

const genesis = genesisWith('00')
const params = chainParams(genesis)
let folder: string
beforeEach(async () => {
  folder = await temporaryDirectory()
})

async function save(path: string, proof: Uint8Array): Promise<void> {
  await writeFile(path, JSON.stringify({ height: 4, proof: bytesToHex(proof) }))
}

describe('verify-proof', () => {
  it('says what a proof shows, offline, and refuses what shows nothing', async () => {
    const blocks = finalBlocks(params, 4)
    const chain = await chainOf(params, blocks)
    const { block, certificate } = blocks.at(-1)!
    const coin = { txid: transactionId(block.transactions[1]!), vout: 0 }
    const proven = { block, certificate: decodeCertificate(certificate), handovers: [] }
    const files = { genesis: join(folder, 'genesis.json'), coin: join(folder, 'coin.json') }
    await writeFile(files.genesis, JSON.stringify(genesis))
    await save(files.coin, buildCoinProof(proven, chain.state(), coin))
    const supply = join(folder, 'supply.json')
    await save(supply, buildSupplyProof(proven))

    const verify = (file: string, ...more: string[]) =>
      cli(['chain', 'verify-proof', file, '--genesis', files.genesis, ...more])
    const subject = `${coin.txid}:0`
    const run = await verify(files.coin, '--coin', subject, '--json')
    expect(json(run)).toMatchObject({
      verified: true,
      height: 4,
      totals: { supply: 10_000_000 },
      coin: { outPoint: subject, state: 'unspent', valueSats: 9_958_000 },
    })
    expect((await verify(supply)).stdout).toMatch(/supply +0.10000000 BTC/)
    expect(json(await verify(supply, '--json'))).toMatchObject({ verified: true, coin: null })

    const about = await verify(files.coin, '--coin', `${coin.txid}:1`, '--json')
    expect(json(about)).toMatchObject({ error: { code: 'proof-subject' } })
    await writeFile(supply, JSON.stringify({ proof: '01' }))
    expect((await verify(supply)).exitCode).toBe(9)
    await writeFile(supply, JSON.stringify({}))
    expect((await verify(supply)).exitCode).toBe(9)
    await writeFile(files.genesis, JSON.stringify(genesisWith('01')))
    const foreign = await verify(files.coin, '--json')
    expect(json(foreign)).toMatchObject({ error: { code: 'certificate-signatures' } })
  })
})

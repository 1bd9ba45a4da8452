import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { KeyShare } from '../../federation/signing/frost.ts'
import { openKeyStore } from '../../federation/signing/key-store.ts'
import { chainParams } from '../../genesis/network.ts'
import { PLAIN_VERIFICATION } from '../../src/chain/block-scripts.ts'
import { createNodeHome, homePaths } from '../../src/cli/node/node-home.ts'
import { openChainService } from '../../src/node/chain-service.ts'
import { openChainDatabase } from '../../src/storage/chain-database.ts'
import { openDataDirectory } from '../../src/storage/data-directory.ts'
import { openLevelStore } from '../../src/storage/level-store.ts'
import { dealShares } from '../federation/signing/test-federation.ts'
import { GENESIS, VALIDATOR_SECRETS } from './recorded-node.ts'
import { cli, json, newHome } from './test-io.ts'

const [dealt] = dealShares(4, 3, 'destroy-share')
let home: string
let paths: ReturnType<typeof homePaths>

beforeEach(async () => {
  home = newHome()
  paths = homePaths(join(home, 'node'))
  await createNodeHome(join(home, 'node'), {
    genesis: GENESIS,
    nodeSecret: new Uint8Array(32).fill(77),
    validatorSecret: VALIDATOR_SECRETS[0],
    config: { listen: [], peers: [], apiPort: 0, logLevel: 'silent', l1: undefined },
  })
  const keyStore = await openKeyStore({
    folder: paths.shares,
    secret: { kind: 'key-file', path: paths.shareKey },
    random: (length) => new Uint8Array(length).fill(3),
  })
  for (const epoch of [0, 5]) {
    const { member, group } = dealt!
    const secret = dealt!.exposeSecret()
    const share = new KeyShare({ epoch, attempt: 1, member, group, secret })
    await keyStore.save(epoch, { kind: 'share', attempt: 1, share })
  }
  await keyStore.close()
})

/** The chain of block 0, as a node that has just run leaves it. */
async function makeChain(): Promise<void> {
  const store = await openLevelStore(paths.chain)
  const params = chainParams(GENESIS)
  const database = await openChainDatabase(store, { chainId: params.chainId })
  await openChainService(params, database, PLAIN_VERIFICATION)
  await store.close()
}

const destroy = (...args: readonly string[]) =>
  cli(['federation', 'destroy-share', '--home', home, '--json', ...args])
const files = () => readdirSync(paths.shares).filter((name) => name.startsWith('share-'))

describe('federation destroy-share', () => {
  test('erases the share of a key of which nothing is left, after asking', async () => {
    await makeChain()
    expect((await destroy('--epoch', '5')).exitCode).toBe(2)
    expect(files()).toEqual(['share-0-1', 'share-5-1'])
    expect(json(await destroy('--epoch', '5', '--yes'))).toEqual({ destroyed: true, epoch: 5 })
    expect(files()).toEqual(['share-0-1'])
    expect(json(await destroy('--epoch', '5', '--yes'))).toMatchObject({
      error: { code: 'no-share' },
    })
  })

  test('refuses for a key in use, without a chain, and while the node runs', async () => {
    expect(json(await destroy('--epoch', '5', '--yes'))).toMatchObject({
      error: { code: 'no-chain' },
    })
    await makeChain()
    const inUse = await destroy('--epoch', '0', '--yes')
    expect(inUse.exitCode).toBe(6)
    expect(json(inUse)).toMatchObject({ error: { code: 'share-needed' } })
    const held = await openDataDirectory(join(home, 'node'))
    expect(json(await destroy('--epoch', '5', '--yes'))).toMatchObject({
      error: { code: 'node-running' },
    })
    await held.release()
    expect(files()).toEqual(['share-0-1', 'share-5-1'])
  })
})

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { devnetGenesis } from '../../genesis/devnet.ts'
import { chainParams, type Genesis, parseGenesis } from '../../genesis/network.ts'
import { createNodeHome, homePaths } from '../../src/cli/node/node-home.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { openDataDirectory } from '../../src/storage/data-directory.ts'
import { openLevelStore } from '../../src/storage/level-store.ts'
import { temporaryDirectory } from '../storage/temporary-directory.ts'
import { chainOf, finalBlocks, openChain } from '../support/certified-chain.ts'
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
const HEIGHT = 13
let folder: string
beforeEach(async () => {
  folder = await temporaryDirectory()
})

/** A home of this name; `--home` is the folder above the node's. */
async function makeHome(name: string, of: Genesis = genesis, validator = false): Promise<string> {
  await createNodeHome(join(folder, name, 'node'), {
    genesis: of,
    nodeSecret: secretOf(name),
    validatorSecret: validator ? secretOf('validator 0') : undefined,
    config: { listen: [], peers: [], apiPort: 0, logLevel: 'silent', l1: undefined },
  })
  return join(folder, name)
}

const chainIn = (home: string): string => homePaths(join(home, 'node')).chain

/** A home whose node has run up to a height. */
async function usedHome(name: string): Promise<string> {
  const home = await makeHome(name)
  const store = await openLevelStore(chainIn(home))
  await chainOf(params, finalBlocks(params, HEIGHT), store)
  await store.close()
  return home
}

async function exported(): Promise<{ home: string; file: string }> {
  const home = await usedHome('old')
  const file = join(folder, 'snapshot')
  const run = await cli(['chain', 'snapshot', 'export', '--out', file, '--home', home])
  expect(run).toMatchObject({ exitCode: 0 })
  return { home, file }
}

describe('a snapshot from one home to another', () => {
  it('carries the whole state', async () => {
    const { file } = await exported()
    const home = await makeHome('new')
    const run = await cli(['chain', 'snapshot', 'import', file, '--home', home, '--json'])
    expect(run.exitCode).toBe(0)
    const bytes = (await readFile(file)).length
    expect(json(run)).toMatchObject({ file, height: HEIGHT, bytes, seconds: expect.any(Number) })
    const store = await openLevelStore(chainIn(home))
    const chain = await openChain(params, store)
    expect(chain.state().tip.height).toBe(HEIGHT)
    expect(json(run)).toMatchObject({ stateRoot: chain.state().trie.root })
    await store.close()
    const again = join(folder, 'again')
    const next = await cli(['chain', 'snapshot', 'export', '--out', again, '--home', home])
    expect(next.exitCode).toBe(0)
    expect(await readFile(again)).toEqual(await readFile(file))
  })

  it('can be verified without importing it', async () => {
    const { home, file } = await exported()
    const here = await cli(['chain', 'snapshot', 'verify', file, '--home', home, '--json'])
    expect(json(here)).toMatchObject({ height: HEIGHT })
    const other = join(folder, 'other.json')
    await writeFile(other, JSON.stringify(genesisWith('01')))
    const args = ['chain', 'snapshot', 'verify', file, '--genesis', other, '--json']
    const there = await cli(args)
    expect(there.exitCode).toBe(9)
    expect(json(there)).toMatchObject({ error: { code: 'snapshot-chain' } })
  })

  it('is refused when it is damaged or of another network, and nothing is left', async () => {
    const { file } = await exported()
    const bytes = await readFile(file)
    bytes[bytes.length >> 1]! ^= 1
    const damaged = join(folder, 'damaged')
    await writeFile(damaged, bytes)
    for (const [path, home, code] of [
      [damaged, await makeHome('new'), 'snapshot-checksum'],
      [file, await makeHome('elsewhere', genesisWith('01')), 'snapshot-chain'],
    ] as const) {
      const before = await readdir(join(home, 'node'))
      const run = await cli(['chain', 'snapshot', 'import', path, '--home', home, '--json'])
      expect(run.exitCode).toBe(9)
      expect(json(run)).toMatchObject({ error: { code } })
      expect(await readdir(join(home, 'node'))).toEqual(before)
    }
    const run = await cli(['chain', 'snapshot', 'import', join(folder, 'none'), '--home', folder])
    expect(run.exitCode).toBe(1)
  })

  it('needs a stopped node, and one that has no chain', async () => {
    const { home, file } = await exported()
    const used = await cli(['chain', 'snapshot', 'import', file, '--home', home, '--json'])
    expect(json(used)).toMatchObject({ error: { code: 'chain-exists' } })
    const lock = await openDataDirectory(join(home, 'node'))
    const out = join(folder, 'second')
    const busy = await cli(['chain', 'snapshot', 'export', '--out', out, '--home', home, '--json'])
    expect(json(busy)).toMatchObject({ error: { code: 'node-running' } })
    await lock.release()
    const fresh = await makeHome('fresh')
    const none = await cli(['chain', 'snapshot', 'export', '--out', out, '--home', fresh, '--json'])
    expect(none.exitCode).toBe(3)
    expect(json(none)).toMatchObject({ error: { code: 'no-chain' } })
    const onto = await cli(['chain', 'snapshot', 'export', '--out', file, '--home', home])
    expect(onto).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('a file already') })
  })

  it('is not for a validator whose journal is gone', async () => {
    const { file } = await exported()
    const home = await makeHome('validator', genesis, true)
    const refused = await cli(['chain', 'snapshot', 'import', file, '--home', home, '--json'])
    expect(json(refused)).toMatchObject({ error: { code: 'no-journal' } })
    const { journal } = homePaths(join(home, 'node'))
    await mkdir(journal, { recursive: true })
    await writeFile(join(journal, 'consensus.log'), '')
    const run = await cli(['chain', 'snapshot', 'import', file, '--home', home])
    expect(run.exitCode).toBe(0)
  })
})

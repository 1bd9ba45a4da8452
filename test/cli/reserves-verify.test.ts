import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { devnetGenesis } from '../../genesis/devnet.ts'
import { chainParams, type Genesis, parseGenesis } from '../../genesis/network.ts'
import type { NodeFacade } from '../../src/api/ports.ts'
import { createApiServer } from '../../src/api/server.ts'
import { createChainProofs } from '../../src/cli/node/chain-proofs.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { temporaryDirectory } from '../storage/temporary-directory.ts'
import { chainOf, finalBlocks } from '../support/certified-chain.ts'
import { ChainFixture } from '../support/chain-fixture.ts'
import { secretOf } from '../support/chain-world.ts'
import { nodeFacade } from '../support/node-facade-fixture.ts'
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
let proofs: ReturnType<typeof createChainProofs>
let file: string
let genesisFile: string

beforeAll(async () => {
  proofs = createChainProofs(await chainOf(params, finalBlocks(params, 5)))
})
beforeEach(async () => {
  const folder = await temporaryDirectory()
  genesisFile = join(folder, 'genesis.json')
  await writeFile(genesisFile, JSON.stringify(genesis))
  file = join(folder, 'reserves.proof')
})

/** A node over HTTP with this chain's proofs. */
async function node(change: Partial<NodeFacade> = {}): Promise<string> {
  const fixture = new ChainFixture()
  const facade = nodeFacade(fixture)
  const status = () => ({
    ...facade.status(),
    chainId: params.chainId,
    addressPrefix: params.addressPrefix,
  })
  const served: NodeFacade = { ...facade, ...proofs, status, genesis: () => genesis, ...change }
  const server = createApiServer(
    { host: '127.0.0.1', port: 0 },
    { queries: fixture.queries(), node: served, log: fixture.log(), clock: fixture.clock() },
  )
  onTestFinished(() => server.stop())
  return `http://127.0.0.1:${(await server.start()).port}`
}

describe('chain verify', () => {
  it('proves a node’s reserves, keeps the proof, and proves them again offline', async () => {
    const url = await node()
    const online = await cli(['chain', 'verify', '--node', url, '--out', file, '--json'])
    expect(json(online)).toMatchObject({
      verified: true,
      height: 5,
      signers: [0, 1, 3],
      totals: { supply: 10_000_000, reserves: 10_000_000 },
      coins: [{ valueSats: 10_000_000, l1Height: 1, opensAtL1Height: 4_321, inBatch: null }],
      onL1: null,
    })
    const offline = await cli(['chain', 'verify', file, '--genesis', genesisFile, '--json'])
    expect(json(offline)).toEqual(json(online))
    const text = await cli(['chain', 'verify', file, '--genesis', genesisFile])
    expect(text.stdout).toMatch(/signed by +3 of 4 validators/)
    expect(text.stdout).toMatch(/= reserves +0.10000000 BTC/)
    expect(text.stdout).toMatch(/proved on L1 +1 coins/)
  })

  it('names what does not hold, and keeps no file of it', async () => {
    const proof = await proofs.reservesProof()
    if (!proof.ok) throw new TypeError(proof.error.code)
    const [start, piece] = [...proof.value.pieces]
    const pieces = [start!, piece!.map((byte, at) => (at === piece!.length - 3 ? byte ^ 1 : byte))]
    const url = await node({
      reservesProof: async () => ({ ok: true, value: { ...proof.value, pieces } }),
    })
    const lie = await cli(['chain', 'verify', '--api', url, '--out', file, '--json'])
    expect(lie.exitCode).toBe(9)
    expect(json(lie)).toMatchObject({ error: { code: 'reserves-proof-coin' } })
    await expect(readFile(file)).rejects.toThrow('ENOENT')
    await writeFile(file, concatBytes(start!))
    const short = await cli(['chain', 'verify', file, '--genesis', genesisFile, '--json'])
    expect(json(short)).toMatchObject({ error: { code: 'reserves-proof-sum' } })
  })

  it('checks a file against the network that the user names, and no other', async () => {
    await cli(['chain', 'verify', '--node', await node(), '--out', file])
    expect((await cli(['chain', 'verify', file])).exitCode).toBe(2)
    await writeFile(genesisFile, JSON.stringify(genesisWith('01')))
    const other = await cli(['chain', 'verify', file, '--genesis', genesisFile, '--json'])
    expect(json(other)).toMatchObject({ error: { code: 'certificate-signatures' } })
    const absent = await cli(['chain', 'verify', `${file}.x`, '--genesis', genesisFile])
    expect(absent.exitCode).toBe(2)
  })
})

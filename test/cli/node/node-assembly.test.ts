import { mkdtempSync } from 'node:fs'
import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { devnetGenesis } from '../../../genesis/devnet.ts'
import { type Genesis, GenesisError, parseGenesis } from '../../../genesis/network.ts'
import { type RunningNodeProcess, startNode } from '../../../src/cli/node/node-assembly.ts'
import {
  createNodeHome,
  HomeError,
  homePaths,
  openNodeHome,
} from '../../../src/cli/node/node-home.ts'
import { createOpenResources } from '../../../src/cli/node/open-resources.ts'
import { ConfigError } from '../../../src/node/config.ts'
import { xOnlyPublicKey } from '../../../src/primitives/secp256k1.ts'
import {
  StorageError,
  StorageLockedError,
  StorageMismatchError,
} from '../../../src/storage/storage-error.ts'
import { secretOf } from '../../support/chain-world.ts'

let folder: string
let home: string
const started: RunningNodeProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'causeway-home-'))
  home = join(folder, 'node')
})

afterEach(async () => {
  for (const node of started.splice(0)) await node.stop()
  await rm(folder, { recursive: true })
})

const keys = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => xOnlyPublicKey(secretOf(`${prefix} ${i}`)))

function genesis(salt = '00'): Genesis {
  return parseGenesis(
    devnetGenesis({
      validators: keys('validator', 4),
      recoveryKeys: keys('recovery', 3),
      salt: salt.repeat(32),
    }),
  )
}

interface Options {
  readonly validator?: string
  readonly l1?: boolean
}

async function makeHome({ validator, l1 }: Options = {}): Promise<void> {
  await createNodeHome(home, {
    genesis: genesis(),
    nodeSecret: secretOf('node'),
    validatorSecret: validator === undefined ? undefined : secretOf(validator),
    config: {
      listen: ['/ip4/127.0.0.1/tcp/0'],
      peers: [],
      apiPort: 0,
      logLevel: 'silent',
      l1:
        l1 === true
          ? { url: 'http://127.0.0.1:1', cookie_file: undefined, user: 'u', password: 'p' }
          : undefined,
    },
  })
}

async function start(): Promise<RunningNodeProcess> {
  const node = await startNode(await openNodeHome(home))
  started.push(node)
  return node
}

async function get(
  node: RunningNodeProcess,
  path: string,
): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://127.0.0.1:${node.apiPort}${path}`)
  return { status: response.status, body: await response.text() }
}

describe('a home directory', () => {
  it('is made once, and opens as it was made', async () => {
    await makeHome({ validator: 'validator 0' })
    await expect(makeHome()).rejects.toThrow(/holds a node already/)
    const opened = await openNodeHome(home)
    expect(opened.genesis).toEqual(genesis())
    expect(opened.validatorSecret).toEqual(secretOf('validator 0'))
  })

  it('says what is wrong with it, and what to do', async () => {
    await expect(openNodeHome(home)).rejects.toThrow(/no node in .*causeway node init/)
    await makeHome()
    const paths = homePaths(home)
    const broken: [string, string, new (...rest: never[]) => Error][] = [
      [paths.genesis, '{', HomeError],
      [paths.genesis, '{}', GenesisError],
      [paths.config, 'colour = 1', ConfigError],
      [paths.nodeKey, 'beef', HomeError],
    ]
    for (const [path, text, error] of broken) {
      const whole = await readFile(path)
      await writeFile(path, text)
      await expect(openNodeHome(home)).rejects.toThrow(error)
      await writeFile(path, whole)
    }
    await chmod(paths.nodeKey, 0o644)
    await expect(openNodeHome(home)).rejects.toThrow(StorageError)
    await chmod(paths.nodeKey, 0o600)
    await rm(paths.genesis)
    await expect(openNodeHome(home)).rejects.toThrow(/cannot read .*genesis.json/)
  })
})

describe('a node out of a home directory', () => {
  it('starts, answers, stops, and starts again', { timeout: 60_000 }, async () => {
    await makeHome()
    const first = await start()
    expect(JSON.parse((await get(first, '/v1/status')).body)).toMatchObject({
      height: 0,
      l1: { state: 'none', message: null },
      peg: { state: 'closed' },
    })
    await first.stop()
    await first.stop()
    expect((await get(await start(), '/v1/status')).status).toBe(200)
  })

  it('refuses a second process on the same home, and leaves the first alone', {
    timeout: 60_000,
  }, async () => {
    await makeHome()
    const first = await start()
    await expect(start()).rejects.toThrow(StorageLockedError)
    await expect(start()).rejects.toThrow(/is using the data directory/)
    expect((await get(first, '/v1/status')).status).toBe(200)
  })

  it('refuses another genesis than its chain\u2019s, and lets go of everything', {
    timeout: 60_000,
  }, async () => {
    await makeHome()
    await (await start()).stop()
    const paths = homePaths(home)
    await writeFile(paths.genesis, JSON.stringify(genesis('11')))
    await expect(start()).rejects.toThrow(StorageMismatchError)
    await writeFile(paths.genesis, JSON.stringify(genesis()))
    await start()
  })

  it('refuses to vote without its journal, at the second try as well', {
    timeout: 60_000,
  }, async () => {
    await makeHome({ validator: 'validator 0', l1: true })
    await (await start()).stop()
    const journal = join(homePaths(home).journal, 'consensus.log')
    const whole = await readFile(journal)
    await rm(journal)
    await expect(start()).rejects.toThrow(/could vote twice/)
    await expect(start()).rejects.toThrow(/could vote twice/)
    await writeFile(journal, whole, { mode: 0o600 })
    await start()
  })

  it('runs with a validator key that no set names, and watches', async () => {
    await makeHome({ validator: 'somebody' })
    const running = await start()
    try {
      const base = `http://127.0.0.1:${running.apiPort}`
      const status: unknown = await (await fetch(`${base}/v1/status`)).json()
      expect(status).toMatchObject({ validator: { index: null } })
      const federation: unknown = await (await fetch(`${base}/v1/federation`)).json()
      expect(federation).toMatchObject({ epoch: 0, nextEpoch: 1, pending: null })
    } finally {
      await running.stop()
    }
  })

  it('lets go of everything when its API cannot listen', { timeout: 60_000 }, async () => {
    await makeHome({ validator: 'validator 0', l1: true })
    const first = await start()
    const taken = first.apiPort!
    await first.stop()
    const { createServer } = await import('node:http')
    const blocker = createServer()
    await new Promise<void>((resolve) => blocker.listen(taken, '127.0.0.1', resolve))
    const opened = await openNodeHome(home)
    await expect(startNode(opened, { apiPort: taken })).rejects.toThrow(/listen|port/i)
    await new Promise((resolve) => blocker.close(resolve))
    await start()
  })

  it('runs a validator without L1, which waits and says so', { timeout: 60_000 }, async () => {
    await makeHome({ validator: 'validator 0' })
    const node = await start()
    const health = await get(node, '/healthz')
    expect(health.status).toBe(503)
    expect(health.body).toMatch(/no \[l1\] in config.toml/)
    expect(JSON.parse((await get(node, '/v1/status')).body).l1.message).toMatch(/no \[l1\]/)
  })

  it('runs a validator whose L1 is down, and answers meanwhile', { timeout: 60_000 }, async () => {
    await makeHome({ validator: 'validator 0', l1: true })
    const node = await start()
    expect((await get(node, '/healthz')).body).toMatch(/L1:/)
    expect(JSON.parse((await get(node, '/v1/status')).body).l1).toMatchObject({ state: 'down' })
  })
})

describe('open resources', () => {
  it('close in reverse, once, and one that fails does not keep the others', async () => {
    const open = createOpenResources()
    const closed: number[] = []
    for (const n of [1, 2, 3]) {
      open.add(async () => {
        closed.push(n)
        if (n === 2) throw new TypeError('stuck')
      })
    }
    await expect(open.close()).rejects.toThrow(AggregateError)
    await open.close()
    expect(closed).toEqual([3, 2, 1])
  })
})

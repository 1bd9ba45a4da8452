import { beforeAll, describe, expect, it } from 'vitest'
import { medianTime } from '../../src/bitcoin/header.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { blockHash } from '../../src/chain/block.ts'
import { SECTION } from '../../src/chain/snapshot.ts'
import type { ChainService } from '../../src/node/chain-service.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import type { KeyValueStore } from '../../src/runtime/runtime.ts'
import { openChainDatabase } from '../../src/storage/chain-database.ts'
import { scriptHash } from '../../src/storage/index-rows.ts'
import { MemoryDisk, openMemoryStore } from '../../src/storage/memory-store.ts'
import { importSnapshot } from '../../src/storage/snapshot-import.ts'
import { chainOf, finalBlocks, openChain } from '../support/certified-chain.ts'
import { aUser, testParams } from '../support/chain-world.ts'
import { sectionsOf, snapshotFrom, snapshotOf, sourceOf } from '../support/snapshot-bytes.ts'

const params = testParams()
const HEIGHT = 20
const MORE = 14
let blocks: ReturnType<typeof finalBlocks>
let snapshot: Uint8Array
/** One that has all blocks up to the snapshot's. */
let whole: ChainService

beforeAll(async () => {
  blocks = finalBlocks(params, HEIGHT + MORE)
  whole = await chainOf(params, blocks.slice(0, HEIGHT))
  snapshot = await snapshotOf(whole)
})

async function imported(store: KeyValueStore = openMemoryStore()): Promise<ChainService> {
  const read = await importSnapshot(params, sourceOf(snapshot), store)
  expect(read.ok).toBe(true)
  return openChain(params, store)
}

async function stateOf(chain: ChainService): Promise<readonly string[]> {
  const records: string[] = []
  for await (const [key, value] of chain.database.stateRange('')) {
    records.push(`${key} ${bytesToHex(value)}`)
  }
  return records
}

describe('a chain from a snapshot', () => {
  it('has the tip, the state and the trie of the one that made it', async () => {
    const chain = await imported()
    expect(chain.state().tip).toEqual(whole.state().tip)
    expect(chain.state().trie.root).toBe(whole.state().trie.root)
    expect(await stateOf(chain)).toEqual(await stateOf(whole))
    expect(await snapshotOf(chain)).toEqual(snapshot)
  })

  it('goes on like any other, also after a restart on every block', async () => {
    const full = await chainOf(params, blocks)
    const disk = new MemoryDisk()
    let store = openMemoryStore(disk)
    let chain = await imported(store)
    for (const { block, certificate } of blocks.slice(HEIGHT)) {
      await chain.apply(block, certificate)
      const { tip, trie } = chain.state()
      await store.close()
      store = openMemoryStore(disk)
      chain = await openChain(params, store)
      expect(chain.state().tip).toEqual(tip)
      expect(chain.state().trie.root).toBe(trie.root)
      // Headers of blocks that are not here are needed again.
      const again = await importSnapshot(
        params,
        sourceOf(await snapshotOf(chain)),
        openMemoryStore(),
      )
      expect(again.ok).toBe(true)
    }
    expect(chain.state().tip).toEqual(full.state().tip)
    expect(await stateOf(chain)).toEqual(await stateOf(full))
    for (let height = HEIGHT; height <= HEIGHT + MORE; height++) {
      const hash = full.database.blockHashAt(height)
      expect(chain.database.findBlockInfo(height)).toEqual(full.database.findBlockInfo(height))
      expect(chain.database.findBlock(hash!)).toEqual(full.database.findBlock(hash!))
    }
  })

  it('has block 0 and those from the snapshot on, and says so of the others', async () => {
    const { database } = await imported()
    expect(database.firstHeight()).toBe(HEIGHT)
    expect(database.blockHashAt(0)).toBe(whole.database.blockHashAt(0))
    expect(database.findBlock(database.blockHashAt(0)!)?.height).toBe(0)
    for (const height of [1, 8, 9, HEIGHT - 1, HEIGHT + 1]) {
      expect(database.blockHashAt(height)).toBeUndefined()
      expect(database.findBlockBytes(height)).toBeUndefined()
      expect(database.findUndo(height)).toBeUndefined()
    }
    const { block, certificate } = blocks[HEIGHT - 1]!
    expect(database.findBlock(blockHash(block))).toMatchObject({ height: HEIGHT, certificate })
    expect(database.findUndo(HEIGHT)).toBeUndefined()
    const old = blocks[HEIGHT - 2]!.block
    expect(database.findBlock(blockHash(old))).toBeUndefined()
    expect(database.findTransaction(transactionId(old.transactions[1]!))).toBeUndefined()
    const times = blocks.slice(HEIGHT - 11, HEIGHT).map(({ block: { header } }) => header.time)
    expect(database.findBlockInfo(HEIGHT)?.medianTime).toBe(medianTime(times))
    expect(database.findHeader(HEIGHT - 11)).toEqual(blocks[HEIGHT - 12]!.block.header)
    expect(database.findHeader(HEIGHT - 12)).toBeUndefined()
  })
})

describe('the indexes after an import', () => {
  it('have every unspent output, the tip’s coinbase too', async () => {
    const { database } = await imported()
    for (const name of ['alice', 'bob', 'proposer']) {
      const hash = scriptHash(aUser(name).script)
      const outputs = await database.unspent(hash, 100)
      const known = await whole.database.unspent(hash, 100)
      expect(outputs.length).toBeGreaterThan(0)
      expect(outputs).toEqual(known.map((output) => ({ ...output, position: 0 })))
      const sum = outputs.reduce((total, { value }) => total + value, 0n)
      const stats = database.stats(hash)
      expect(stats).toMatchObject({ spentCount: 0, spentSum: 0n, fundedSum: sum })
      expect(stats).toMatchObject({ fundedCount: outputs.length, txCount: outputs.length })
    }
  })

  it('follow the blocks after it', async () => {
    const chain = await imported()
    for (const { block, certificate } of blocks.slice(HEIGHT)) await chain.apply(block, certificate)
    const full = await chainOf(params, blocks)
    for (const name of ['alice', 'bob', 'proposer']) {
      const hash = scriptHash(aUser(name).script)
      const balance = ({ database }: ChainService): bigint =>
        database.stats(hash).fundedSum - database.stats(hash).spentSum
      expect(balance(chain)).toBe(balance(full))
      const outputs = await chain.database.unspent(hash, 100)
      expect(outputs.map(({ outPoint, value, height }) => ({ outPoint, value, height }))).toEqual(
        (await full.database.unspent(hash, 100)).map(({ outPoint, value, height }) => ({
          outPoint,
          value,
          height,
        })),
      )
    }
    const history = await chain.database.history(scriptHash(aUser('alice').script), { limit: 100 })
    expect(history.map(({ height }) => height).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: MORE }, (_, i) => HEIGHT + 1 + i),
    )
  })

  it('know the outputs that were coins, after they are spent as well', async () => {
    const chain = await imported()
    const spender = blocks[HEIGHT]!.block.transactions[1]!
    const { prevout } = spender.inputs[0]!
    const output = whole.database.findOutput(prevout)
    expect(output).toBeDefined()
    expect(chain.database.findOutput(prevout)).toEqual(output)
    const { block, certificate } = blocks[HEIGHT]!
    await chain.apply(block, certificate)
    expect(chain.database.findOutput(prevout)).toEqual(output)
    const older = blocks[HEIGHT - 2]!.block.transactions[1]!.inputs[0]!.prevout
    expect(chain.database.findOutput(older)).toBeUndefined()
  })
})

describe('an import that fails', () => {
  it('leaves nothing that could be taken for a chain', async () => {
    const sections = sectionsOf(snapshot)
    const store = openMemoryStore()
    const read = await importSnapshot(params, sourceOf(snapshotFrom(sections.slice(0, -1))), store)
    expect(read).toMatchObject({ ok: false, error: { code: 'snapshot-truncated' } })
    const database = await openChainDatabase(store, { chainId: params.chainId })
    expect(database.tip()).toBeUndefined()
  })

  it('refuses a coin that is none', async () => {
    const [head] = sectionsOf(snapshot)
    const payload = hexToBytes(`2563${'11'.repeat(36)}0109`)
    const bytes = snapshotFrom([head!, { kind: SECTION.records, payload }])
    const read = await importSnapshot(params, sourceOf(bytes), openMemoryStore())
    expect(read).toMatchObject({ ok: false, error: { code: 'snapshot-format' } })
  })
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { medianTime, REGTEST_GENESIS_TRANSACTION } from '../../src/bitcoin/header.ts'
import { withdrawScript } from '../../src/bitcoin/script.ts'
import { type OutPoint, transactionId } from '../../src/bitcoin/transaction.ts'
import { encodeBitcoinBlock } from '../../src/chain/block.ts'
import { AssertionError } from '../../src/primitives/assert.ts'
import { bytesToHex, utf8 } from '../../src/primitives/bytes.ts'
import { type Txid, toBlockHash, toHash32, toTxid } from '../../src/primitives/hashes.ts'
import { sats } from '../../src/primitives/units.ts'
import type { KeyValueStore } from '../../src/runtime/runtime.ts'
import { type ChainDatabase, openChainDatabase } from '../../src/storage/chain-database.ts'
import { type CommittedBlock, scriptHash } from '../../src/storage/index-rows.ts'
import { heightKey, metaKey } from '../../src/storage/keys.ts'
import { openLevelStore } from '../../src/storage/level-store.ts'
import { MemoryDisk, openMemoryStore } from '../../src/storage/memory-store.ts'
import { NO_STATS } from '../../src/storage/records.ts'
import {
  StorageCorruptError,
  StorageError,
  StorageMismatchError,
} from '../../src/storage/storage-error.ts'
import { ChainOfBlocks, pay, scriptOf, spendTo } from './chain-of-blocks.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const CHAIN = { chainId: toHash32('c5'.repeat(32)) }

async function memoryDatabase(): Promise<ChainDatabase> {
  return openChainDatabase(openMemoryStore(), CHAIN)
}

/** A database that holds the genesis block, and the chain to go on with. */
async function startedChain(): Promise<{ database: ChainDatabase; chain: ChainOfBlocks }> {
  const database = await memoryDatabase()
  const chain = new ChainOfBlocks()
  await database.commit(chain.genesis())
  return { database, chain }
}

function outputOf(committed: CommittedBlock, position: number, vout = 0): OutPoint {
  return { txid: transactionId(committed.block.transactions[position]!), vout }
}

describe('opening a chain database', () => {
  it('begins without a tip', async () => {
    const database = await memoryDatabase()
    expect(database.tip()).toBeUndefined()
    expect(database.blockHashAt(0)).toBeUndefined()
    expect(database.findBlockBytes(0)).toBeUndefined()
  })

  it('refuses the database of another chain', async () => {
    const disk = new MemoryDisk()
    const first = openMemoryStore(disk)
    await openChainDatabase(first, CHAIN)
    await first.close()
    const other = { chainId: toHash32('aa'.repeat(32)) }
    await expect(openChainDatabase(openMemoryStore(disk), other)).rejects.toThrow(
      StorageMismatchError,
    )
  })

  it('refuses a database of another format', async () => {
    const store = openMemoryStore()
    const value = Uint8Array.of(99, 0, 0, 0)
    await store.write([{ kind: 'put', key: metaKey('format'), value }], { sync: true })
    await expect(openChainDatabase(store, CHAIN)).rejects.toThrow(/format 99/)
  })

  it('finds everything again after a restart on a real disk', async () => {
    const path = await temporaryDirectory()
    const chain = new ChainOfBlocks()
    const blocks = [chain.genesis()]
    for (let i = 0; i < 20; i++) blocks.push(chain.next({ coinbaseOutputs: [pay(1, 1_000)] }))
    const first = await openLevelStore(path)
    const before = await openChainDatabase(first, CHAIN)
    for (const block of blocks) await before.commit(block)
    const stored = blocks.map(({ hash }) => before.findBlock(hash))
    await first.close()

    const second = await openLevelStore(path)
    const database = await openChainDatabase(second, CHAIN)
    expect(database.tip()).toEqual({ height: 20, hash: blocks[20]!.hash })
    for (const [height, block] of blocks.entries()) {
      const found = database.findBlock(block.hash)
      expect(found).toStrictEqual(stored[height])
      expect(found?.block).toStrictEqual(block.block)
      expect(database.findUndo(block.height)).toStrictEqual(block.undo)
    }
    const next = chain.next()
    await database.commit(next)
    const times = [...blocks.slice(-10), next].map(({ block }) => block.header.time)
    expect(database.findBlock(next.hash)?.medianTime).toBe(medianTime(times))
    await second.close()
  })
})

describe('committing a block', () => {
  it('stands at the block before when the write did not reach the disk', async () => {
    const disk = new MemoryDisk()
    const store = openMemoryStore(disk)
    const failing: KeyValueStore = { ...portOf(store), write: () => Promise.reject(FULL) }
    const chain = new ChainOfBlocks()
    const genesis = chain.genesis()
    const database = await openChainDatabase(store, CHAIN)
    await database.commit(genesis)

    const broken = await openChainDatabase(failing, CHAIN)
    const next = chain.next({ coinbaseOutputs: [pay(1, 5)] })
    await expect(broken.commit(next)).rejects.toThrow(StorageError)
    expect(broken.tip()).toEqual({ height: 0, hash: genesis.hash })
    expect(broken.stats(scriptHash(scriptOf(1)))).toEqual(NO_STATS)
    expect(broken.findBlock(next.hash)).toBeUndefined()
    expect(broken.findTransaction(outputOf(next, 0).txid)).toBeUndefined()
  })

  it('survives a power failure right after it resolved', async () => {
    const disk = new MemoryDisk()
    const database = await openChainDatabase(openMemoryStore(disk), CHAIN)
    const chain = new ChainOfBlocks()
    await database.commit(chain.genesis())
    const next = chain.next()
    await database.commit(next)
    disk.crash()
    const again = await openChainDatabase(openMemoryStore(disk), CHAIN)
    expect(again.tip()).toEqual({ height: 1, hash: next.hash })
  })

  it('takes blocks in order only, one at a time', async () => {
    const { database, chain } = await startedChain()
    const [first, second] = [chain.next(), chain.next()]
    await expect(database.commit(second)).rejects.toThrow(AssertionError)
    const running = database.commit(first)
    await expect(database.commit(first)).rejects.toThrow(AssertionError)
    await running
    await database.commit(second)
    expect(database.tip()?.height).toBe(2)
    const stranger = { ...chain.next(), block: first.block }
    await expect(database.commit(stranger)).rejects.toThrow(/follows the tip/)
  })

  it('applies the state delta, also over what was read before', async () => {
    const { database, chain } = await startedChain()
    const change = (puts: Record<string, string>, deletes: string[]): CommittedBlock =>
      chain.next({
        delta: {
          puts: new Map(Object.entries(puts).map(([key, value]) => [key, utf8(value)])),
          deletes: new Set(deletes),
        },
      })
    await database.commit(change({ '6301': 'one', '6302': 'two', '6401': 'other' }, []))
    expect(database.getState('6301')).toStrictEqual(utf8('one'))
    expect(database.getState('63')).toBeUndefined()
    await database.commit(change({ '6302': 'x'.repeat(2_000), '6303': '' }, ['6301']))
    expect(database.getState('6301')).toBeUndefined()
    expect(database.getState('6302')).toStrictEqual(utf8('x'.repeat(2_000)))
    expect(database.getState('6303')).toStrictEqual(new Uint8Array())
    const keys: string[] = []
    for await (const [key] of database.stateRange('63')) keys.push(key)
    expect(keys).toEqual(['6302', '6303'])
    const all: string[] = []
    for await (const [key, value] of database.stateRange('')) all.push(key + bytesToHex(value))
    expect(all).toHaveLength(3)
  })
})

describe('queries of blocks and transactions', () => {
  it('gives Bitcoin’s genesis block as peers see it and as the chain means it', async () => {
    const database = await memoryDatabase()
    const genesis = new ChainOfBlocks().genesis()
    await database.commit(genesis)
    expect(database.findBlockBytes(0)?.bytes).toStrictEqual(encodeBitcoinBlock(genesis.block))
    expect(database.findBlock(genesis.hash)?.block).toStrictEqual(genesis.block)
    const { sizeBytes, weight } = database.findBlock(genesis.hash)!
    expect([sizeBytes, weight]).toEqual([285, 1_140])
    const txid = transactionId(REGTEST_GENESIS_TRANSACTION)
    expect(database.findTransaction(txid)).toMatchObject({ height: 0, position: 0 })
  })

  it('finds transactions, spends and deposits of a block', async () => {
    const { database, chain } = await startedChain()
    const l1OutPoint = { txid: toTxid('11'.repeat(32)), vout: 3 }
    const output = { value: sats(50_000), script: Uint8Array.of(0x51) }
    const mint = spendTo([l1OutPoint], [pay(1, 50_000)])
    const first = chain.next({ mint, deposits: [{ outPoint: l1OutPoint, output }] })
    await database.commit(first)
    const minted = { txid: transactionId(mint), vout: 0 }
    const spending = spendTo([minted], [pay(2, 30_000), pay(1, 19_000)])
    const second = chain.next({ transactions: [spending] })
    await database.commit(second)

    expect(database.findTransaction(transactionId(spending))).toEqual({
      transaction: spending,
      blockHash: second.hash,
      height: 2,
      position: 1,
      time: second.block.header.time,
    })
    expect(database.findTransaction(toTxid('22'.repeat(32)))).toBeUndefined()
    expect(database.findSpend(minted)).toEqual({
      txid: transactionId(spending),
      vin: 0,
      height: 2,
    })
    expect(database.findSpend(l1OutPoint)).toEqual({ txid: minted.txid, vin: 0, height: 1 })
    expect(database.findSpend(outputOf(second, 1))).toBeUndefined()
    expect(database.depositPrevout(l1OutPoint)).toStrictEqual(output)
    expect(database.depositPrevout(minted)).toBeUndefined()
    expect(database.findBlockBytes(2)?.certificate).toStrictEqual(utf8('certificate 2'))
    expect(database.blockHashAt(1)).toBe(first.hash)
    expect(database.blockHashAt(3)).toBeUndefined()
    expect(database.blockHashAt(-1)).toBeUndefined()
    expect(database.blockHashAt(0.5)).toBeUndefined()
    expect(database.findBlock(toBlockHash('33'.repeat(32)))).toBeUndefined()
  })

  it('calls a damaged block what it is', async () => {
    const disk = new MemoryDisk()
    const store = openMemoryStore(disk)
    const database = await openChainDatabase(store, CHAIN)
    const chain = new ChainOfBlocks()
    const blocks = [chain.genesis(), chain.next()]
    for (const block of blocks) await database.commit(block)
    const value = utf8('damage')
    await store.write([{ kind: 'put', key: heightKey('block', 1), value }], { sync: true })
    await store.close()
    const again = await openChainDatabase(openMemoryStore(disk), CHAIN)
    expect(() => again.findBlock(blocks[1]!.hash)).toThrow(StorageCorruptError)
  })
})

describe('queries by script', () => {
  it('indexes no outputs that nobody can spend', async () => {
    const { database, chain } = await startedChain()
    const burn = withdrawScript(scriptOf(7))
    await database.commit(
      chain.next({ coinbaseOutputs: [{ value: sats(9), script: burn }, pay(1, 5)] }),
    )
    expect(await database.history(scriptHash(burn), { limit: 10 })).toEqual([])
    expect(database.stats(scriptHash(burn))).toEqual(NO_STATS)
    expect(await database.unspent(scriptHash(Uint8Array.of(0x6a)), 10)).toEqual([])
    expect(await database.unspent(scriptHash(scriptOf(1)), 10)).toHaveLength(1)
  })

  it('pages through a history, newest first, each transaction once', async () => {
    const { database, chain } = await startedChain()
    const expected: { txid: Txid; height: number; position: number }[] = []
    for (let i = 0; i < 10; i++) {
      const committed = chain.next({ coinbaseOutputs: [pay(1, 1_000)] })
      await database.commit(committed)
      expected.unshift({ ...located(committed, 0) })
      const last = outputOf(committed, 0)
      // Spends and pays the same script: one entry.
      const following = chain.next({
        coinbaseOutputs: [pay(2, 1)],
        transactions: [spendTo([last], [pay(1, 500), pay(1, 400)])],
      })
      await database.commit(following)
      expected.unshift({ ...located(following, 1) })
    }
    const hash = scriptHash(scriptOf(1))
    expect(await database.history(hash, { limit: 100 })).toEqual(expected)
    const paged: unknown[] = []
    let after: Txid | undefined
    for (;;) {
      const page = await database.history(
        hash,
        after === undefined ? { limit: 3 } : { after, limit: 3 },
      )
      if (page.length === 0) break
      paged.push(...page)
      after = page.at(-1)!.txid
    }
    expect(paged).toEqual(expected)
    const unknown = toTxid('44'.repeat(32))
    expect(await database.history(hash, { after: unknown, limit: 3 })).toEqual([])
  })

  it('agrees with a plain replay of the chain, whatever happens on it', async () => {
    const spendPlan = fc.record({
      picks: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
      owners: fc.array(fc.nat(3), { minLength: 1, maxLength: 3 }),
    })
    const blockPlan = fc.record({
      coinbaseOwner: fc.nat(3),
      spends: fc.array(spendPlan, { maxLength: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(blockPlan, { minLength: 1, maxLength: 8 }), async (plans) => {
        const { database, chain } = await startedChain()
        const model = new Model()
        let serial = 0
        for (const plan of plans) {
          const available = [...chain.coins.values()].map(({ outPoint }) => outPoint)
          const transactions = plan.spends.flatMap(({ picks, owners }) => {
            const prevouts = new Set<OutPoint>()
            for (const pick of picks) {
              const [taken] = available.splice(pick % Math.max(1, available.length), 1)
              if (taken !== undefined) prevouts.add(taken)
            }
            if (prevouts.size === 0) return []
            const outputs = owners.map((owner) => pay(owner, 1 + (serial % 50)))
            const transaction = spendTo([...prevouts], outputs, serial++)
            // Later ones in the same block may spend it.
            for (const vout of owners.keys())
              available.push({ txid: transactionId(transaction), vout })
            return [transaction]
          })
          const committed = chain.next({
            coinbaseOutputs: [pay(plan.coinbaseOwner, 1_000)],
            transactions,
          })
          await database.commit(committed)
          model.add(committed)
        }
        for (let owner = 0; owner < 4; owner++) await model.compare(database, owner)
      }),
      { numRuns: 60 },
    )
  })
})

const FULL = new StorageError('no space left')

function portOf(store: KeyValueStore): KeyValueStore {
  return {
    get: (key) => store.get(key),
    range: (from, to, options) => store.range(from, to, options),
    write: (batch, options) => store.write(batch, options),
    close: () => store.close(),
  }
}

function located(
  committed: CommittedBlock,
  position: number,
): { txid: Txid; height: number; position: number } {
  return { txid: outputOf(committed, position).txid, height: committed.height, position }
}

/** What the indexes must say, counted the slow way. */
class Model {
  readonly #blocks: CommittedBlock[] = []

  add(committed: CommittedBlock): void {
    this.#blocks.push(committed)
  }

  async compare(database: ChainDatabase, owner: number): Promise<void> {
    const mine = bytesToHex(scriptOf(owner))
    const isMine = (script: Uint8Array): boolean => bytesToHex(script) === mine
    const stats = { ...NO_STATS }
    const history: unknown[] = []
    const unspent = new Map<string, unknown>()
    for (const committed of this.#blocks) {
      for (const [position, transaction] of committed.block.transactions.entries()) {
        const place = located(committed, position)
        const spent = committed.spent[position]!.filter(({ coin }) => isMine(coin.script))
        const funded = [...transaction.outputs.entries()].filter(([, { script }]) => isMine(script))
        for (const { outPoint, coin } of spent) {
          unspent.delete(`${outPoint.txid}:${outPoint.vout}`)
          stats.spentCount++
          stats.spentSum += coin.value
        }
        for (const [vout, { value }] of funded) {
          const { txid, ...at } = place
          unspent.set(`${txid}:${vout}`, { ...at, value, outPoint: { txid, vout } })
          stats.fundedCount++
          stats.fundedSum += value
        }
        if (spent.length + funded.length > 0) {
          history.unshift(place)
          stats.txCount++
        }
      }
    }
    const hash = scriptHash(scriptOf(owner))
    expect(database.stats(hash)).toEqual(stats)
    expect(await database.history(hash, { limit: 1_000 })).toEqual(history)
    const found = await database.unspent(hash, 1_000)
    expect(new Set(found)).toEqual(new Set(unspent.values()))
    expect(found).toHaveLength(unspent.size)
    const balance = found.reduce((sum, { value }) => sum + value, 0n)
    expect(balance).toBe(stats.fundedSum - stats.spentSum)
  }
}

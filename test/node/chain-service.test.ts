import { describe, expect, it, vi } from 'vitest'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { type Block, blockHash } from '../../src/chain/block.ts'
import { PLAIN_VERIFICATION } from '../../src/chain/block-scripts.ts'
import { coinsOf } from '../../src/chain/state.ts'
import {
  type ChainService,
  openChainService,
  StateMismatchError,
} from '../../src/node/chain-service.ts'
import { sats } from '../../src/primitives/units.ts'
import type { KeyValueStore, Write } from '../../src/runtime/runtime.ts'
import { openChainDatabase } from '../../src/storage/chain-database.ts'
import { stateKey } from '../../src/storage/keys.ts'
import { MemoryDisk, openMemoryStore } from '../../src/storage/memory-store.ts'
import { aUser, mintedWorld, spend, TestChain, testParams } from '../support/chain-world.ts'

const params = testParams()
const certificate = Uint8Array.of(1)

class PowerFailureError extends Error {
  override readonly name = 'PowerFailureError'
}

/** The blocks of a chain with a mint and payments, block 1 first. */
function someBlocks(): readonly Block[] {
  const blocks: Block[] = []
  const apply = vi.spyOn(TestChain.prototype, 'apply')
  const { chain, coin } = mintedWorld(10_000_000n, params)
  let at = coin
  for (let i = 0; i < 14; i++) {
    const value = at.value - 1_000n
    const alice = aUser('alice')
    const payment = spend(alice, [at], [{ value: sats(value), script: alice.script }])
    chain.extend({ transactions: [payment] })
    at = { outPoint: { txid: transactionId(payment), vout: 0 }, value }
  }
  for (const [block] of apply.mock.calls) blocks.push(block)
  apply.mockRestore()
  return blocks
}

async function open(store: KeyValueStore): Promise<ChainService> {
  const database = await openChainDatabase(store, { chainId: params.chainId })
  return openChainService(params, database, PLAIN_VERIFICATION)
}

/** A store on which the power fails at the n-th synced write, before or after the disk has it. */
function failingStore(disk: MemoryDisk, failAt: number, isWritten: boolean): KeyValueStore {
  const store = openMemoryStore(disk)
  let writes = 0
  return {
    get: (key) => store.get(key),
    range: (from, to, options) => store.range(from, to, options),
    close: () => store.close(),
    async write(batch: readonly Write[], options) {
      writes += 1
      if (writes < failAt) return store.write(batch, options)
      if (writes === failAt && isWritten) await store.write(batch, options)
      throw new PowerFailureError('power failure')
    },
  }
}

describe('the chain service', () => {
  const blocks = someBlocks()

  it('applies in memory at once, and on disk in order', async () => {
    const chain = await open(openMemoryStore())
    const writes = blocks.map((block) => chain.apply(block, certificate))
    expect(chain.state().tip.height).toBe(blocks.length)
    expect(chain.database.tip()?.height).toBe(0)
    const [last] = blocks.slice(-1)
    const txid = transactionId(last?.transactions[1] ?? never())
    const before = blocks.at(-2)?.transactions[1] ?? never()
    // What is on its way to the disk is seen already.
    const coins = coinsOf(chain.state().view)
    expect(coins.findCoin({ txid, vout: 0 })).toBeDefined()
    expect(coins.findCoin({ txid: transactionId(before), vout: 0 })).toBeUndefined()
    await Promise.all(writes)
    expect(chain.database.tip()?.height).toBe(blocks.length)
    expect(coins.findCoin({ txid, vout: 0 })).toBeDefined()
  })

  for (const isWritten of [false, true]) {
    it(`goes on after a crash at any commit, the batch ${isWritten ? 'written' : 'lost'}`, async () => {
      for (let failAt = 2; failAt <= blocks.length + 2; failAt++) {
        const disk = new MemoryDisk()
        // Genesis takes two writes: the format and block 0.
        const first = await open(failingStore(disk, failAt, isWritten)).catch(() => undefined)
        if (first !== undefined) {
          const writes = blocks.map((block) => first.apply(block, certificate))
          const outcomes = await Promise.allSettled(writes)
          const failed = outcomes.findIndex(({ status }) => status === 'rejected')
          // Nothing is written after a failure.
          expect(outcomes.slice(failed).every(({ status }) => status === 'rejected')).toBe(true)
        }
        disk.crash()
        const second = await open(openMemoryStore(disk))
        const { height } = second.state().tip
        expect(height).toBe(Math.max(0, failAt - (isWritten ? 2 : 3)))
        for (const block of blocks.slice(height)) await second.apply(block, certificate)
        expect(second.state().tip.hash).toBe(blockHash(blocks.at(-1) ?? never()))
      }
    })
  }

  it('comes back with the same tip, state and trie', async () => {
    const disk = new MemoryDisk()
    const store = openMemoryStore(disk)
    const before = await open(store)
    for (const block of blocks) await before.apply(block, certificate)
    const { tip, trie } = before.state()
    await store.close()
    const after = await open(openMemoryStore(disk))
    expect(after.state().tip).toEqual(tip)
    expect(after.state().trie.root).toBe(trie.root)
  })

  it('finds out that its state is not the one of its last block', async () => {
    const disk = new MemoryDisk()
    const store = openMemoryStore(disk)
    const chain = await open(store)
    for (const block of blocks.slice(0, 5)) await chain.apply(block, certificate)
    let some = ''
    for await (const [key] of chain.database.stateRange('63')) some = key
    await store.write([{ kind: 'delete', key: stateKey(some) }], { sync: true })
    await store.close()
    await expect(open(openMemoryStore(disk))).rejects.toThrow(StateMismatchError)
  })

  it('refuses to apply what is not valid here', async () => {
    const chain = await open(openMemoryStore())
    const [, second] = blocks
    expect(() => chain.apply(second ?? never(), certificate)).toThrow('must be valid')
    expect(chain.state().tip.height).toBe(0)
  })
})

function never(): never {
  throw new TypeError('missing')
}

/**
 * A data directory whose state has many coins, written past the rules: the records in bulk, then a block
 * whose state root is that of all of them. Without script index rows for these coins, which no block made.
 */

import { blockHash, encodeBlock } from '../../src/chain/block.ts'
import { buildBlock } from '../../src/chain/build-block.ts'
import { genesisChainState, genesisDelta } from '../../src/chain/genesis-state.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { StateTrie } from '../../src/chain/state-trie.ts'
import { TrieBuilder } from '../../src/chain/trie-builder.ts'
import { storeGenesis } from '../../src/node/chain-service.ts'
import { openChainDatabase } from '../../src/storage/chain-database.ts'
import { stateKey } from '../../src/storage/keys.ts'
import { openLevelStore } from '../../src/storage/level-store.ts'
import { BenchmarkError } from './benchmark.ts'
import { coinRecord, numberedCoin } from './state-coins.ts'
import { UNCHECKED } from './unchecked.ts'

/** Records of one batch. */
const BATCH_RECORDS = 20_000
/** Of the first block, milliseconds since the epoch. */
const FIRST_TIME_MS = 1_700_000_000_000

/** @throws BenchmarkError when the block over the coins is refused. */
export async function seedState(params: ChainParams, path: string, coins: number): Promise<void> {
  const store = await openLevelStore(path)
  try {
    const database = await openChainDatabase(store, { chainId: params.chainId })
    await storeGenesis(params, database)
    const genesis = genesisChainState(params)
    const trie = new TrieBuilder()
    for (const [key, value] of genesisDelta(params).puts) trie.add(key, value)
    for (let from = 0; from < coins; from += BATCH_RECORDS) {
      const puts = new Map(
        Array.from({ length: Math.min(BATCH_RECORDS, coins - from) }, (_, index) =>
          coinRecord(numberedCoin(from + index)),
        ),
      )
      for (const [key, value] of puts) trie.add(key, value)
      const writes = [...puts].map(
        ([key, value]) => ({ kind: 'put', key: stateKey(key), value }) as const,
      )
      await store.write(writes, { sync: false })
    }
    const built = buildBlock(
      params,
      { ...genesis, trie: new StateTrie(trie) },
      {
        view: 0,
        proposer: 0,
        timeMs: FIRST_TIME_MS,
        feeRate: params.peg.feeRateFloor,
        l1Section: EMPTY_L1_SECTION,
        evidence: [],
        freezeVotes: [],
        transactions: [],
        payoutScript: new Uint8Array(),
      },
      UNCHECKED,
    )
    if (!built.ok) throw new BenchmarkError(`the first block was refused: ${built.error.code}`)
    const { block, connected } = built.value
    await database.commit({
      height: 1,
      hash: blockHash(block),
      blockBytes: encodeBlock(block),
      block,
      certificate: new Uint8Array(),
      delta: connected.delta,
      undo: connected.undo,
      spent: [[]],
      mintPrevouts: [],
    })
  } finally {
    await store.close()
  }
}

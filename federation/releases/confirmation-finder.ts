/**
 * Finds the L1 blocks that contain open batches' transactions, by reading blocks in order: it needs
 * no wallet, no transaction index, and no memory of having sent anything. Any version of a batch may be
 * the one that L1 takes. Every version has its own place in the search, since one that opens later, or
 * is heard of later, may have begun earlier.
 *
 * What a pruned L1 node has dropped before it was read is passed over, so that it holds up nothing else;
 * L1's coins then tell whether a batch is in there (`locate-batch.ts`). Its proof takes the block itself:
 * any member that has it can prove the batch, and `problems` says what to do where none has.
 */

import { transactionId } from '../../src/bitcoin/transaction.ts'
import type { Batch } from '../../src/chain/peg/batches.ts'
import type { BlockHash, Txid } from '../../src/primitives/hashes.ts'
import type { ScanProgress } from '../deposits/deposit-watcher.ts'
import type { BitcoinL1 } from '../l1/bitcoin-l1.ts'
import { isPrunedBlock } from '../l1/pruned-block.ts'
import { locateBatch } from './locate-batch.ts'

export interface ConfirmationFinder {
  /** Which version of a batch L1 has and in which block, as far as has been looked. */
  find(batch: Batch): FoundBatch | undefined
  /** Grows with every change of what has been found. */
  revision(): number
  /** Looks on, up to `tipHeight`. Throws what the L1 client throws. */
  look(open: readonly Batch[], tipHeight: number): Promise<ScanProgress>
  /** What an operator should know: batches whose blocks are pruned. */
  problems(): readonly string[]
}

export interface FoundBatch {
  readonly txid: Txid
  readonly l1Height: number
}

/** Blocks read per call, so that a long catch-up yields to other work. */
const BLOCKS_PER_LOOK = 50

interface Search {
  readonly batchId: number
  readonly afterL1Height: number
  /** Every block up to here has been read for it, or passed over. */
  readUpTo: number
  found: number | undefined
  /** Pruned blocks among those, while they may contain it. */
  missed: { readonly first: number; readonly last: number } | undefined
  /** What is wrong with that, once L1's coins have been asked. */
  problem: string | undefined
}

export function createConfirmationFinder(l1: BitcoinL1): ConfirmationFinder {
  return new Finder(l1)
}

class Finder implements ConfirmationFinder {
  readonly #l1: BitcoinL1
  readonly #searches = new Map<Txid, Search>()
  /** The last block that was read or passed over, by which a reorganisation shows. */
  #last: { readonly height: number; readonly hash: BlockHash } | undefined
  #revision = 0

  constructor(l1: BitcoinL1) {
    this.#l1 = l1
  }

  find({ versions }: Batch): FoundBatch | undefined {
    for (const { transaction } of versions) {
      const txid = transactionId(transaction)
      const l1Height = this.#searches.get(txid)?.found
      if (l1Height !== undefined) return { txid, l1Height }
    }
    return undefined
  }

  revision(): number {
    return this.#revision
  }

  problems(): readonly string[] {
    const problems = new Set<string>()
    for (const { problem } of this.#searches.values()) {
      if (problem !== undefined) problems.add(problem)
    }
    return [...problems]
  }

  async look(open: readonly Batch[], tipHeight: number): Promise<ScanProgress> {
    this.#follow(open)
    await this.#restartIfReplaced(tipHeight)
    for (let count = 0; count < BLOCKS_PER_LOOK; count++) {
      const places = [...this.#searches.values()].flatMap(({ found, readUpTo }) =>
        found === undefined && readUpTo < tipHeight ? [readUpTo] : [],
      )
      if (places.length === 0) return this.#askForMissed(open, tipHeight)
      if (!(await this.#read(Math.min(...places) + 1))) return 'stuck'
    }
    return 'more'
  }

  #follow(open: readonly Batch[]): void {
    const wanted = new Map(
      open.flatMap(({ id, versions }) =>
        versions.map(
          ({ transaction, l1Height }) => [transactionId(transaction), { id, l1Height }] as const,
        ),
      ),
    )
    for (const txid of this.#searches.keys()) if (!wanted.has(txid)) this.#searches.delete(txid)
    for (const [txid, { id, l1Height }] of wanted) {
      if (!this.#searches.has(txid)) this.#searches.set(txid, newSearch(id, l1Height))
    }
  }

  async #restartIfReplaced(tipHeight: number): Promise<void> {
    const last = this.#last
    if (last === undefined || last.height > tipHeight) return
    if ((await this.#l1.blockHashAt(last.height)) === last.hash) return
    this.#last = undefined
    this.#revision += 1
    // Rare, and at most the time that a batch is open: from the beginning is simple and surely right.
    for (const [txid, { batchId, afterL1Height }] of this.#searches) {
      this.#searches.set(txid, newSearch(batchId, afterL1Height))
    }
  }

  /** False when L1 does not have the block yet. */
  async #read(height: number): Promise<boolean> {
    const hash = await this.#l1.blockHashAt(height)
    if (hash === undefined) return false
    const block = await this.#l1.block(hash)
    if (block === undefined && !(await isPrunedBlock(this.#l1, hash))) return false
    const ids = new Set(block?.transactions.map(transactionId))
    for (const [txid, search] of this.#searches) {
      if (search.found !== undefined || search.readUpTo >= height) continue
      search.readUpTo = height
      if (block === undefined) {
        search.missed = { first: search.missed?.first ?? height, last: height }
      } else if (ids.has(txid)) {
        this.#found(search, height)
      }
    }
    if (this.#last === undefined || height > this.#last.height) this.#last = { height, hash }
    return true
  }

  #found(search: Search, height: number): void {
    search.found = height
    search.missed = undefined
    search.problem = undefined
    this.#revision += 1
  }

  /** Everything else has been read: whether the blocks that were passed over matter. */
  async #askForMissed(open: readonly Batch[], tipHeight: number): Promise<ScanProgress> {
    for (const batch of open) {
      const searches = this.#searchesOf(batch)
      if (this.find(batch) !== undefined) continue
      // Asked once: what L1's coins do not tell now, they do not tell later.
      const isOpen = searches.some(({ missed, problem }) => {
        return missed !== undefined && problem === undefined
      })
      if (isOpen && !(await this.#askForBatch(batch, searches, tipHeight))) return 'stuck'
    }
    return 'done'
  }

  #searchesOf({ versions }: Batch): readonly Search[] {
    return versions.flatMap(({ transaction }) => {
      return this.#searches.get(transactionId(transaction)) ?? []
    })
  }

  /** False when L1 moves meanwhile. */
  async #askForBatch(
    batch: Batch,
    searches: readonly Search[],
    tipHeight: number,
  ): Promise<boolean> {
    const location = await locateBatch(this.#l1, batch)
    if (location.kind === 'moving') return false
    if (location.kind === 'unknown') {
      for (const search of searches) search.problem = doubt(search)
      return true
    }
    // Blocks above are read as ever.
    if (location.kind === 'mined' && location.l1Height <= tipHeight) {
      return this.#foundByCoins(batch, location)
    }
    for (const search of searches) search.missed = undefined
    return true
  }

  async #foundByCoins({ id }: Batch, { txid, l1Height }: FoundBatch): Promise<boolean> {
    const hash = await this.#l1.blockHashAt(l1Height)
    const search = this.#searches.get(txid)
    if (search === undefined || hash === undefined) return false
    const block = await this.#l1.block(hash)
    this.#found(search, l1Height)
    if (block === undefined) search.problem = lack(id, l1Height, hash)
    return true
  }
}

function newSearch(batchId: number, afterL1Height: number): Search {
  return {
    batchId,
    afterL1Height,
    readUpTo: afterL1Height,
    found: undefined,
    missed: undefined,
    problem: undefined,
  }
}

function lack(batchId: number, height: number, hash: BlockHash): string {
  return (
    `batch ${batchId} is in L1's block ${height}, which this member's node has pruned: another member ` +
    'proves it; where none has that block, let a node fetch it from a peer: ' +
    `bitcoin-cli getblockfrompeer ${hash} PEER_ID`
  )
}

function doubt({ batchId, missed }: Search): string | undefined {
  if (missed === undefined) return undefined
  return (
    `batch ${batchId} may be in one of L1's blocks ${missed.first} to ${missed.last}, some of which this ` +
    "member's node has pruned: another member proves it; where none has that block, run a member with " +
    'a node that has it'
  )
}

/**
 * Proofs that an L1 transaction is in a block whose header the chain knows, found once and kept while
 * L1's tip stays: a plan is made anew for every block, the proofs in it are not.
 */

import { headerHash } from '../../src/bitcoin/header.ts'
import type { L1TransactionProof } from '../../src/chain/l1-section.ts'
import { MAX_L1_TRANSACTION_BYTES } from '../../src/chain/params.ts'
import { findL1Header } from '../../src/chain/peg/l1-headers.ts'
import { checkL1Proof } from '../../src/chain/peg/l1-proof.ts'
import type { StateView } from '../../src/chain/state.ts'
import type { BlockHash, Txid } from '../../src/primitives/hashes.ts'
import type { Logger } from '../../src/runtime/runtime.ts'
import type { DepositBook } from '../deposits/deposit-book.ts'
import type { BitcoinL1, L1Block } from './bitcoin-l1.ts'
import { findL1TransactionProof } from './proofs.ts'

/** Or why there is none: `not-there` for ever, since the header is final; `no-block` for now. */
export type FoundProof = L1TransactionProof | 'no-block' | 'not-there' | 'unusable'

export interface ProofFinder {
  /** A new plan. At another tip, what could not be proved may be provable. */
  begin(l1Tip: BlockHash): void
  /** Under the header at this L1 height in `known`. Throws what the L1 client throws. */
  find(known: StateView, txid: Txid, l1Height: number): Promise<FoundProof>
}

export interface ProofFinderParts {
  readonly l1: Pick<BitcoinL1, 'block'>
  readonly book: Pick<DepositBook, 'findProof'>
  readonly log: Logger
}

export function createProofFinder({ l1, book, log }: ProofFinderParts): ProofFinder {
  let tip: BlockHash | undefined
  /** By txid and block. */
  let proofs = new Map<string, FoundProof>()
  /** Blocks are large; proofs of neighbours are wanted one after the other. */
  let lastRead: { readonly hash: BlockHash; readonly block: L1Block | undefined } | undefined

  async function readBlock(known: StateView, l1Height: number): Promise<L1Block | undefined> {
    const header = findL1Header(known, l1Height)
    if (header === undefined) return undefined
    const hash = headerHash(header)
    if (lastRead?.hash !== hash) lastRead = { hash, block: await l1.block(hash) }
    return lastRead.block
  }

  async function prove(known: StateView, txid: Txid, l1Height: number): Promise<FoundProof> {
    // Kept since the deposit was seen: a pruned L1 node has no block to make it of any more.
    const kept = book.findProof(txid, l1Height)
    if (kept !== undefined && checkL1Proof(known, kept).ok) return kept
    const block = await readBlock(known, l1Height)
    if (block === undefined) return 'no-block'
    const found = findL1TransactionProof(block, txid)
    if (found === undefined) return 'not-there'
    const isUsable =
      found.transaction.length <= MAX_L1_TRANSACTION_BYTES && checkL1Proof(known, found).ok
    return isUsable ? found : 'unusable'
  }

  return {
    begin(l1Tip) {
      lastRead = undefined
      if (l1Tip === tip) return
      tip = l1Tip
      proofs = new Map()
    },

    async find(known, txid, l1Height) {
      const key = `${txid} ${l1Height}`
      const before = proofs.get(key)
      if (before !== undefined) return before
      const proof = await prove(known, txid, l1Height)
      if (typeof proof === 'string') {
        log.warn({ l1Txid: txid, l1Height, reason: proof }, 'cannot be proved under this header')
      }
      proofs.set(key, proof)
      return proof
    },
  }
}

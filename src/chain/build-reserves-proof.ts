/**
 * Builds the proofs that `verify-reserves-proof.ts` checks, in two steps: what speaks of the state is
 * taken at once, since the next block changes it; the L1 proofs are then read from old blocks, which
 * never change, one after the other.
 */

import { present } from '../primitives/assert.ts'
import type { Txid } from '../primitives/hashes.ts'
import { buildSupplyProof, type ProvenBlock } from './build-proof.ts'
import type { L1TransactionProof } from './l1-section.ts'
import { getEpochBooks } from './member-sets.ts'
import { reserveCoins } from './peg/reserves.ts'
import {
  type ProvedRecord,
  type ReservesProofGroup,
  reservesProofPiece,
  reservesProofStart,
} from './reserves-proof.ts'
import {
  NAMESPACE,
  numberStateKey,
  outPointStateKey,
  type StateKey,
  type StateView,
} from './state.ts'
import type { StateTrie } from './state-trie.ts'

/** The reserve coins of one L1 transaction, proved in the state. */
type StatePart = Pick<ReservesProofGroup, 'l1Height' | 'header' | 'coins'>

export interface PreparedReservesProof {
  /** First bytes of the file. */
  readonly start: Uint8Array
  /** The L1 transactions whose proofs are to follow, in any order. */
  readonly groups: ReadonlyMap<Txid, StatePart>
}

/** `state` is the one after the block. */
export function prepareReservesProof(
  proven: ProvenBlock,
  { view, trie }: { readonly view: StateView; readonly trie: Pick<StateTrie, 'prove'> },
): PreparedReservesProof {
  const record = (key: StateKey): ProvedRecord => ({
    value: present(view.get(key), 'proved record'),
    proof: trie.prove(key),
  })
  const headers = new Map<number, ProvedRecord>()
  const headerAt = (l1Height: number): ProvedRecord => {
    const known = headers.get(l1Height) ?? record(numberStateKey(NAMESPACE.l1Header, l1Height))
    headers.set(l1Height, known)
    return known
  }
  const { key: keyEpochNow } = getEpochBooks(view)
  const epochs = new Set(keyEpochNow === undefined ? [] : [keyEpochNow])
  const groups = new Map<
    Txid,
    { l1Height: number; header: ProvedRecord; coins: StatePart['coins'][number][] }
  >()
  // In outpoint order, so each transaction's coins ascend.
  for (const { outPoint, keyEpoch, l1Height } of reserveCoins(view)) {
    epochs.add(keyEpoch)
    const group = groups.get(outPoint.txid) ?? {
      l1Height,
      header: headerAt(l1Height),
      coins: [],
    }
    groups.set(outPoint.txid, group)
    const key = outPointStateKey(NAMESPACE.reserve, outPoint)
    group.coins.push({ vout: outPoint.vout, record: record(key) })
  }
  const start = reservesProofStart({
    chainProof: buildSupplyProof(proven),
    books: record(NAMESPACE.pegBooks),
    keyEpochs: [...epochs]
      .toSorted((a, b) => a - b)
      .map((epoch) => ({ epoch, record: record(numberStateKey(NAMESPACE.keyEpoch, epoch)) })),
  })
  return { start, groups }
}

/** The piece for one L1 transaction, with its proof as a block's L1 section has it. */
export function buildReservesPiece(part: StatePart, l1: L1TransactionProof): Uint8Array {
  const { transaction, merkle } = l1
  return reservesProofPiece({ ...part, transaction, merkle })
}

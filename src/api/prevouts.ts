/**
 * The outputs that a transaction's inputs spend, for showing amounts and addresses. Looking one up may
 * mean reading a whole block, so results are kept and long work gives way to the rest of the node.
 */

import {
  isCoinbase,
  type OutPoint,
  outPointKey,
  type Transaction,
  type TxOutput,
} from '../bitcoin/transaction.ts'
import type { RequestBudget } from './api-context.ts'
import type { ChainQueries, MempoolView } from './ports.ts'

export type Prevouts = ReadonlyMap<string, TxOutput>

/** Outputs in memory, about 300 bytes each. */
const CACHED_OUTPUTS_MAX = 20_000
/** Longer scripts stay out of memory. */
const CACHED_SCRIPT_BYTES_MAX = 128
/** Lookups in the database before other work gets its turn. */
const LOOKUPS_PER_TURN = 8

/**
 * True for a mint transaction: the second of its block, without signatures, its inputs naming L1
 * outputs. An input without witness may also spend an anchor, so the L1 output has the last word.
 */
export function isMint(
  transaction: Transaction,
  position: number | undefined,
  queries: ChainQueries,
): boolean {
  const first = transaction.inputs[0]
  if (position !== 1 || first === undefined || first.witness.length > 0) return false
  return queries.depositPrevout(first.prevout) !== undefined
}

export class PrevoutReader {
  readonly #queries: ChainQueries
  readonly #mempool: MempoolView
  readonly #cache = new Map<string, TxOutput>()
  #lookups = 0

  constructor(queries: ChainQueries, mempool: MempoolView) {
    this.#queries = queries
    this.#mempool = mempool
  }

  /** Those of all inputs, by `outPointKey`; what cannot be found is missing. */
  async find(transaction: Transaction, mint: boolean, budget: RequestBudget): Promise<Prevouts> {
    const found = new Map<string, TxOutput>()
    if (isCoinbase(transaction)) return found
    for (const { prevout } of transaction.inputs) {
      const output = mint
        ? this.#queries.depositPrevout(prevout)
        : await this.#findOutput(prevout, budget)
      if (output !== undefined) found.set(outPointKey(prevout), output)
    }
    return found
  }

  async #findOutput(outPoint: OutPoint, budget: RequestBudget): Promise<TxOutput | undefined> {
    const key = outPointKey(outPoint)
    const cached = this.#cache.get(key)
    if (cached !== undefined) return cached
    const waiting = this.#mempool.find(outPoint.txid)
    if (waiting !== undefined) return waiting.outputs[outPoint.vout]
    this.#lookups++
    if (this.#lookups % LOOKUPS_PER_TURN === 0) await budget.breathe()
    const output = this.#queries.findOutput(outPoint)
    if (output !== undefined) this.#keep(key, output)
    return output
  }

  #keep(key: string, output: TxOutput): void {
    if (output.script.length > CACHED_SCRIPT_BYTES_MAX) return
    if (this.#cache.size >= CACHED_OUTPUTS_MAX) {
      const oldest = this.#cache.keys().next()
      if (oldest.done !== true) this.#cache.delete(oldest.value)
    }
    // A copy: the script is a view that would keep its whole block in memory.
    this.#cache.set(key, { value: output.value, script: output.script.slice() })
  }
}

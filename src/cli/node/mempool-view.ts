/**
 * Waiting transactions as the API shows them: the mempool's, and those of a final block that is
 * still on its way to the disk, so that nothing vanishes between the pool and the database.
 */

import type { MempoolItem, MempoolView } from '../../api/ports.ts'
import type { MempoolEntry } from '../../mempool/entry-graph.ts'
import type { Node } from '../../node/node.ts'

export function createMempoolView(node: Pick<Node, 'mempool' | 'settling'>): MempoolView {
  const { mempool, settling } = node
  return {
    find: (txid) => (mempool.find(txid) ?? settling.find(txid))?.transaction,
    all: () => [...settling.entries(), ...mempool.all()].map(itemOf),
    byScript: (scriptHash) =>
      [...settling.byScript(scriptHash), ...mempool.byScript(scriptHash)].map(
        (entry) => entry.transaction,
      ),
    spender: (outPoint) => mempool.spender(outPoint) ?? settling.spender(outPoint),
  }
}

function itemOf({ transaction, fee, vsize, addedMs }: MempoolEntry): MempoolItem {
  return { transaction, fee, vsize, timeS: Math.floor(addedMs / 1000) }
}

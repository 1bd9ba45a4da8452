/** Events that a node tells its surroundings: the API, the member, metrics. */

import type { Transaction } from '../bitcoin/transaction.ts'
import type { Block } from '../chain/block.ts'
import type { Evidence } from '../consensus/evidence.ts'
import type { BlockHash } from '../primitives/hashes.ts'

export type NodeEvent =
  | {
      readonly kind: 'block'
      readonly height: number
      readonly hash: BlockHash
      readonly block: Block
    }
  /** New here, or carried by a block, which is durable; then `carriedBy` is its height. */
  | {
      readonly kind: 'evidence'
      readonly evidence: Evidence
      readonly carriedBy: number | undefined
    }
  | { readonly kind: 'transaction'; readonly transaction: Transaction }
  /** For good; `isStorage`: by the disk, so that a restart may help once that is mended. */
  | { readonly kind: 'halted'; readonly reason: string; readonly isStorage: boolean }

export interface EventSource<E> {
  /** Returns the function that ends the subscription. */
  subscribe(listener: (event: E) => void): () => void
}

/**
 * Listeners are called in the order of subscription. One that throws is a bug of ours, but a page that
 * cannot be shown must not stop a validator: it is reported, and the others are called.
 */
export function createEventBus<E>(
  onFailure: (error: unknown) => void,
): EventSource<E> & { emit(event: E): void } {
  const listeners = new Set<(event: E) => void>()
  return {
    subscribe(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    emit(event) {
      for (const listener of listeners) {
        try {
          listener(event)
        } catch (error) {
          onFailure(error)
        }
      }
    },
  }
}

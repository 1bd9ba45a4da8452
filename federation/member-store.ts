/**
 * The member's own store belongs to one chain: deposit addresses and batch numbers of another chain
 * mean nothing here, and a batch signed for another chain must not pass for one of this.
 */

import { decodeAll } from '../src/primitives/codec.ts'
import { type Hash32, hashToBytes, readHash32 } from '../src/primitives/hashes.ts'
import type { KeyValueStore } from '../src/runtime/runtime.ts'

/** The store was written by a member of another chain. The message says what to do. */
export class MemberStoreError extends Error {
  override readonly name = 'MemberStoreError'
}

const CHAIN_KEY = Uint8Array.of(0x00)

/** Marks an empty store. @throws MemberStoreError for another chain's. */
export async function bindMemberStore(store: KeyValueStore, chainId: Hash32): Promise<void> {
  const stored = store.get(CHAIN_KEY)
  if (stored === undefined) {
    const row = { kind: 'put', key: CHAIN_KEY, value: hashToBytes(chainId) } as const
    await store.write([row], { sync: true })
    return
  }
  const found = decodeAll(stored, readHash32)
  if (found === chainId) return
  throw new MemberStoreError(
    `the member's store belongs to the chain ${found}, this node to ${chainId}; ` +
      'move the federation folder away, nothing in it is needed',
  )
}

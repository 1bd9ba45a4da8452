/**
 * Freeze votes in and out: from the API and from gossip into the pool, and on to everybody. Those that
 * no block carries are told again now and then, since a message may be lost and a node may come late.
 */

import { decodeFreezeVote, encodeFreezeVote, type FreezeVote } from '../chain/peg/freeze-vote.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { Rejection, Result } from '../primitives/result.ts'
import type { CancelTimer, GossipVerdict, Network, Runtime } from '../runtime/runtime.ts'
import type { FreezeVotePool } from './freeze-vote-pool.ts'

export interface FreezeVoteRelay {
  /** A vote from the API. When it is taken it is on disk and on its way to the others. */
  submit(vote: FreezeVote): Promise<Result<void, Rejection>>
  start(): void
  stop(): void
}

export interface FreezeVoteRelayParts {
  readonly pool: FreezeVotePool
  readonly network: Pick<Network, 'publish' | 'onGossip'>
  readonly runtime: Runtime
  /** A vote has come: there is something to put into a block. */
  readonly onNew: () => void
}

const REPEAT_MS = 20_000

export function createFreezeVoteRelay(parts: FreezeVoteRelayParts): FreezeVoteRelay {
  const { pool, network, runtime, onNew } = parts
  let cancel: CancelTimer | undefined

  function publish(vote: FreezeVote): void {
    network.publish('freeze', encodeFreezeVote(vote)).catch((error: unknown) => {
      runtime.log.debug({ error: String(error) }, 'a freeze vote was not gossiped')
    })
  }

  function judge(payload: Uint8Array): GossipVerdict {
    try {
      const added = pool.add(decodeFreezeVote(payload))
      // One of another validator set, or an old one, may have been on its way for long.
      if (!added.ok) return added.error.code === 'freeze-vote-signature' ? 'reject' : 'ignore'
      onNew()
      return 'accept'
    } catch (error) {
      if (error instanceof DecodeError) return 'reject'
      throw error
    }
  }

  function repeatLater(): void {
    cancel = runtime.timers.after(REPEAT_MS, () => {
      for (const vote of pool.waiting()) publish(vote)
      repeatLater()
    })
  }

  network.onGossip('freeze', (_from, payload) => judge(payload))

  return {
    async submit(vote) {
      const added = pool.add(vote)
      if (!added.ok) return added
      publish(vote)
      onNew()
      await pool.settled()
      return added
    },
    start: repeatLater,
    stop: () => cancel?.(),
  }
}

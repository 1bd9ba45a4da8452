/**
 * The core's two vocabularies. A driver turns the world into events, calls `step`, and performs the
 * effects it gets back. There are two drivers: the node's and the simulator's.
 *
 * **Rule W (output commit).** Effects are performed in order through one FIFO. Every `persist` is
 * appended to the log *and synced to disk* before any later `send`, `broadcast`, `evidence` or
 * `commit`, of the same step or of a later one, takes place. The core may be stepped meanwhile;
 * consecutive records may share one sync. If the log fails, stop the process.
 *
 * What a driver owes, effect by effect:
 * - `persist`: append to the log. Records of a height may be dropped once its commit is durable.
 * - `send`, `broadcast`: to one validator, to all others. Best effort, without retries: the core
 *   repairs losses. Which path a broadcast takes (streams, topics or both) is the driver's business.
 *   A `propose` goes on the proposals topic as well.
 * - `timer`: deliver the `timer` event with the same id, height and view after `afterMs`. One timer
 *   per id: a new one replaces the old one.
 * - `validate`: check the block against the committed state and answer `block-ready` with the same
 *   hash and `fresh`. `fresh` asks for hard and soft validity (own clock, own L1 view, policy), else
 *   hard validity alone. Order matters: the state must have every earlier `commit` in it. Answer
 *   `pending` for "I don't know yet", and `block-ready` again whenever that changes.
 * - `build`: make a block on `parentHash` with exactly this height, view and the own index as
 *   proposer; answer `built`, without a block when that failed. It may be empty.
 * - `commit`: one atomic, synced database transaction; only then advertise or publish the block,
 *   drop log records, and *send `work` again if there is still work*: the core forgets it here. After a
 *   block that `endsEpoch` the core says nothing more: make one for the next height with the next
 *   validator set, start it with the log's records of that height, and drop what still waits for this
 *   one. Indexes in effects are those of the set whose core has emitted them.
 * - `evidence`: keep it until a block carries it. What is new is sent to the other validators, once:
 *   the driver knows what it has had before, at this height or another, and bounds what it keeps.
 * - `share-transactions`: send the oldest transactions of the mempool to all validators.
 * - `catch-up`: that peer claims to be at `height`. A hint, never a target: ask it for decided
 *   blocks from the own height on and feed them one by one as `decided`.
 * - `halt`: a certified block is invalid here. Stop loudly and sign nothing more. The core is dead.
 */

import type { BlockHash } from '../primitives/hashes.ts'
import type { ConsensusBlock } from './block.ts'
import type { Certificate } from './certificate.ts'
import type { Message } from './messages.ts'
import type { Vote } from './votes.ts'
import type { WalRecord } from './wal-record.ts'

export type TimerId = 'propose' | 'notarize' | 'finalize' | 'batch' | 'retransmit'

/** `pending` is "no answer yet", never a refusal. */
export type Verdict = 'valid' | 'invalid' | 'pending'

export type Event =
  /** The first event, once: with the records of the log, oldest first. */
  | { readonly kind: 'start'; readonly records: readonly WalRecord[] }
  /**
   * A message whose signatures `verifyMessage` has accepted. `from` is the index of the validator
   * whose link brought it, undefined for a topic or any other peer.
   */
  | { readonly kind: 'message'; readonly from: number | undefined; readonly message: Message }
  | {
      readonly kind: 'timer'
      readonly timer: TimerId
      readonly height: number
      readonly view: number
    }
  /**
   * Is there anything to make a block for (transactions, peg work, evidence, heartbeat due)? Sent
   * when it becomes so, and after a commit has been applied if it still is.
   */
  | { readonly kind: 'work'; readonly present: boolean }
  | {
      readonly kind: 'block-ready'
      readonly hash: BlockHash
      readonly fresh: boolean
      readonly verdict: Verdict
    }
  | {
      readonly kind: 'built'
      readonly height: number
      readonly view: number
      /** Absent when building failed. */
      readonly block?: ConsensusBlock
    }
  /** From the sync protocol; the certificate is a verified finality certificate of the block. */
  | {
      readonly kind: 'decided'
      readonly block: ConsensusBlock
      readonly certificate: Certificate
    }
  /** The link to a validator is up (again). */
  | { readonly kind: 'connected'; readonly peer: number }

export type Effect =
  | { readonly kind: 'persist'; readonly record: WalRecord }
  | { readonly kind: 'send'; readonly to: number; readonly message: Message }
  | { readonly kind: 'broadcast'; readonly message: Message }
  | {
      readonly kind: 'timer'
      readonly timer: TimerId
      readonly height: number
      readonly view: number
      readonly afterMs: number
    }
  | { readonly kind: 'validate'; readonly block: ConsensusBlock; readonly fresh: boolean }
  | {
      readonly kind: 'build'
      readonly height: number
      readonly view: number
      readonly parentHash: BlockHash
    }
  | {
      readonly kind: 'commit'
      readonly height: number
      readonly block: ConsensusBlock
      readonly certificate: Certificate
    }
  | { readonly kind: 'evidence'; readonly first: Vote; readonly second: Vote }
  | { readonly kind: 'share-transactions' }
  | { readonly kind: 'catch-up'; readonly peer: number; readonly height: number }
  | { readonly kind: 'halt'; readonly reason: string }

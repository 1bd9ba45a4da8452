/**
 * The JSON of `/v1/peg`, of freeze votes, and of why a release waits: the limits on what leaves to L1.
 * Amounts are integers of satoshis.
 */

import { z } from 'zod'
import { FREEZE_VOTE_BYTES } from '../chain/peg/freeze-vote.ts'

const count = z.int().min(0)
const amount = z.int().min(0)
const hash = z.string().regex(/^[0-9a-f]{64}$/)

export const freezeVoteRequest = z.strictObject({
  /** As `docs/spec/peg.md` encodes it. */
  vote: z
    .string()
    .regex(/^[0-9a-f]*$/)
    .length(2 * FREEZE_VOTE_BYTES),
})

/** Why a queued release waits. */
export const waitView = z.object({
  kind: z.enum([
    'frozen',
    'no-key',
    'large-release',
    'outflow-cap',
    'interval',
    'reserves-in-flight',
    'reserves-scattered',
    'fee-reserve',
    'queue',
  ]),
  /** Last L1 header in the chain with which this reason goes, an estimate for the cap; else null. */
  untilL1Height: count.nullable(),
  /** An estimate, milliseconds since 1970; null when nobody can tell. */
  expectedTimeMs: count.nullable(),
})
export type WaitView = z.infer<typeof waitView>

const freezeVoteView = z.object({
  /** Index in the validator set. */
  validator: count,
  publicKey: hash,
  freeze: z.boolean(),
  serial: count,
  /** The block that carries it; null while none does. */
  height: count.nullable(),
  signature: z.string().regex(/^[0-9a-f]{128}$/),
})

export const pegView = z.object({
  /** Last L1 header in the chain. */
  l1Height: count,
  outflow: z.object({
    capSats: amount,
    usedSats: amount,
    /** Part of what is used: set aside for releases that still wait. */
    savedSats: amount,
    freeSats: amount,
    windowL1Blocks: count,
    /** Share of the reserves, in 1/10,000. */
    capBasisPoints: count,
    floorSats: amount,
    /** When what is used becomes free again, soonest first, at most 20; times are estimates. */
    frees: z.array(z.object({ l1Height: count, sats: amount, expectedTimeMs: count })).readonly(),
  }),
  largeReleases: z.object({ fromSats: amount, delayL1Blocks: count }),
  freeze: z.object({
    frozen: z.boolean(),
    since: z.object({ height: count, timeMs: count, l1Height: count }).nullable(),
    /** So many validators freeze, or let go on. */
    quorum: count,
    /** The newest of each validator that this node knows. */
    votes: z.array(freezeVoteView).readonly(),
  }),
  /** Queued releases, oldest first, at most 100. */
  waiting: z
    .array(
      z.object({
        id: count,
        valueSats: amount,
        /** Of its value, under the outflow cap. */
        savedSats: amount,
        wait: waitView,
      }),
    )
    .readonly(),
})
export type PegView = z.infer<typeof pegView>

/** Event: a quorum has frozen the peg, or lets it go on, since this block. */
const freezeEventView = z.object({ frozen: z.boolean(), height: count })
export type FreezeEventView = z.infer<typeof freezeEventView>

/** Event: from this block on another key, and its members, hold the peg. */
const keyEpochEventView = z.object({
  epoch: count,
  /** Compressed public key. */
  groupKey: z.string().regex(/^[0-9a-f]{66}$/),
  threshold: count,
  members: count,
  height: count,
})
export type KeyEpochEventView = z.infer<typeof keyEpochEventView>

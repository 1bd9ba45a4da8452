/**
 * The answers of a node's /v1 API as the client checks them. The node may be hostile: lengths are
 * bounded, amounts are in range, and no text carries control characters to the terminal. Unknown
 * fields are ignored, so that an older client reads a newer node.
 */

import { z } from 'zod'
import { isHex } from '../primitives/bytes.ts'
import { MAX_SATS, sats } from '../primitives/units.ts'

const MAX_ROWS = 10_000

/** Text for people: one printable line. */
const text = z
  .string()
  .max(2_000)
  .transform((value) => value.replaceAll(/\p{Cc}+/gu, ' '))
const word = z
  .string()
  .max(200)
  .regex(/^[\x20-\x7e]*$/)
const hash = z.string().refine((value) => isHex(value, 32), 'not 32 bytes of hex')
const amount = z
  .int()
  .min(0)
  .max(Number(MAX_SATS))
  .transform((value) => sats(value))
const count = z.int().min(0)

export const statusAnswer = z.object({
  version: word,
  network: word,
  chainId: hash,
  addressPrefix: z.string().regex(/^[a-z]{2,5}$/),
  height: count,
  blockHash: hash,
  blockTimeMs: count,
  synced: z.boolean(),
  halted: text.nullable(),
  peers: count,
  validators: z.array(z.object({ index: count, publicKey: hash, offences: count })).max(1_000),
  l1: z.object({
    network: word,
    state: word,
    height: count.nullable(),
    chainHeight: count,
    message: text.nullable(),
  }),
  peg: z.object({
    state: z.enum(['closed', 'open', 'frozen']),
    keyEpoch: count.nullable(),
    groupKey: z
      .string()
      .refine((value) => isHex(value, 33), 'not a compressed key')
      .nullable(),
    supply: amount,
    pendingReleases: amount,
    feeReserve: amount,
    inFlightFees: amount,
    reserves: amount,
    solvent: z.boolean(),
    minDepositSats: amount,
    minReleaseSats: amount,
    l1Depth: count,
    feeRateSatsPerKvb: count,
    recovery: z
      .object({ opensAtL1Height: count, blocksLeft: count, coins: count, valueSats: amount })
      .nullable(),
  }),
})
export type NodeStatus = z.infer<typeof statusAnswer>

export const depositAddressAnswer = z.object({
  address: word,
  recipient: word,
  keyEpoch: count,
  groupKey: z.string().refine((value) => isHex(value, 33), 'not a compressed key'),
  minDepositSats: amount,
  l1Depth: count,
  uri: word,
})

const depositAnswer = z.object({
  l1Txid: hash,
  vout: count,
  valueSats: amount,
  recipient: word,
  depositAddress: word,
  status: z.enum(['seen', 'confirming', 'below-minimum', 'minted', 'expired']),
  confirmations: count,
  requiredConfirmations: count,
  mintTxid: hash.nullable(),
  mintHeight: count.nullable(),
})
export type Deposit = z.infer<typeof depositAnswer>
export const depositsAnswer = z.object({ deposits: z.array(depositAnswer).max(MAX_ROWS) })

export const claimAnswer = z.object({ accepted: z.boolean() })

export const withdrawAddressAnswer = z.object({
  withdrawAddress: word,
  l1Address: word,
  minReleaseSats: amount,
  estimatedFeeSats: amount,
  estimatedSeconds: z.number().min(0).max(1e9),
})

/** Why a release waits, and until about when. */
const waitAnswer = z.object({
  kind: word,
  untilL1Height: count.nullable(),
  expectedTimeMs: count.nullable(),
})

export const releaseAnswer = z.object({
  id: z.union([count, word]),
  burnTxid: hash,
  burnVout: count,
  height: count,
  valueSats: amount,
  l1Address: word,
  l1Script: z.string().max(200),
  status: z.enum(['queued', 'batched', 'signed', 'broadcast', 'confirming', 'paid']),
  reason: text.nullable(),
  wait: waitAnswer.nullable().optional(),
  feeSats: amount,
  netSats: amount,
  l1Txid: hash.nullable(),
  replacedL1Txids: z.array(hash).max(MAX_ROWS),
  confirmations: count,
  requiredConfirmations: count,
})
export type Release = z.infer<typeof releaseAnswer>
export const releasesAnswer = z.object({ releases: z.array(releaseAnswer).max(MAX_ROWS) })

export const reservesAnswer = z.object({
  height: count,
  equation: z.object({
    supply: amount,
    pendingReleases: amount,
    feeReserve: amount,
    inFlightFees: amount,
    reserves: amount,
    holds: z.boolean(),
  }),
  coins: z
    .array(
      z.object({
        txid: hash,
        vout: count,
        valueSats: amount,
        keyEpoch: count,
        l1Height: count,
        inBatch: count.nullable(),
        opensAtL1Height: count,
      }),
    )
    .max(MAX_ROWS),
  next: word.nullable(),
  recovery: z.object({ delayBlocks: count, threshold: count, keys: z.array(hash).max(100) }),
  batches: z
    .array(
      z.object({
        id: count,
        kind: z.enum(['payment', 'upkeep', 'probe', 'proof']),
        txid: hash,
        versions: z
          .array(z.object({ txid: hash, feeSats: amount, feeRateSatsPerKvb: count }))
          .max(MAX_ROWS),
        status: z.enum(['open', 'confirmed']),
        keyEpoch: count,
        releases: z.array(count).max(MAX_ROWS),
        feeSats: amount,
        signed: z.boolean(),
      }),
    )
    .max(MAX_ROWS),
})

export const pegLimitsAnswer = z.object({
  l1Height: count,
  outflow: z.object({
    capSats: amount,
    usedSats: amount,
    savedSats: amount,
    freeSats: amount,
    windowL1Blocks: count,
    frees: z.array(z.object({ l1Height: count, sats: amount })).max(MAX_ROWS),
  }),
  largeReleases: z.object({ fromSats: amount, delayL1Blocks: count }),
  freeze: z.object({
    frozen: z.boolean(),
    since: z.object({ height: count, timeMs: count, l1Height: count }).nullable(),
    quorum: count,
    votes: z
      .array(
        z.object({
          validator: count,
          publicKey: hash,
          freeze: z.boolean(),
          serial: count,
          height: count.nullable(),
        }),
      )
      .max(1_000),
  }),
  waiting: z
    .array(z.object({ id: count, valueSats: amount, savedSats: amount, wait: waitAnswer }))
    .max(MAX_ROWS),
})
export type PegLimits = z.infer<typeof pegLimitsAnswer>

const members = z
  .array(z.object({ index: count, publicKey: hash, online: z.boolean(), self: z.boolean() }))
  .max(256)
const memberKeys = z.array(hash).max(256)

export const federationAnswer = z.object({
  epoch: count,
  setHash: hash,
  nextEpoch: count,
  threshold: count,
  members,
  pending: z
    .object({
      epoch: count,
      threshold: count,
      members,
      approvedHeight: count,
      stage: z.enum(['key-generation', 'funding', 'probe']),
      probeL1Height: count.nullable(),
      keyGeneration: z
        .object({ attempt: count, phase: word, waitingFor: z.array(count).max(256) })
        .nullable(),
    })
    .nullable(),
  waitingChange: z.object({ epoch: count, threshold: count, members: memberKeys }).nullable(),
  keyEpochs: z
    .array(
      z.object({
        epoch: count,
        groupKey: z.string().refine((value) => isHex(value, 33), 'not a compressed key'),
        threshold: count,
        state: word,
        members: memberKeys,
        announcedHeight: count,
        activatedHeight: count.nullable(),
        coins: count,
        coinsSats: amount,
      }),
    )
    .max(MAX_ROWS),
})

const bytes = z
  .string()
  .max(2_000_000)
  .refine((value) => isHex(value), 'not hex')

const evidenceAnswer = z.object({
  validator: count,
  publicKey: hash,
  kind: z.enum(['double-notarize', 'double-finalize', 'nullify-finalize']),
  height: count,
  view: count,
  votes: z.tuple([bytes, bytes]),
  block: z.object({ height: count, hash }).nullable(),
})
export type ShownEvidence = z.infer<typeof evidenceAnswer>
export const evidenceListAnswer = z.object({ evidence: z.array(evidenceAnswer).max(MAX_ROWS) })

export const certificateAnswer = z.object({
  height: count,
  blockHash: hash,
  view: count,
  signers: z.array(count).max(1_000),
  certificate: bytes,
  extension: bytes,
  header: bytes,
})

export const handoversAnswer = z.object({ handovers: z.array(bytes).max(256) })

/** RFC 9457. */
export const problemAnswer = z.object({
  title: text.optional(),
  code: word.optional(),
  detail: text.optional(),
})

/** Esplora's block and transaction: what the CLI shows of them. */
export const esploraBlockAnswer = z.object({
  id: hash,
  height: count,
  version: z.int(),
  timestamp: count,
  tx_count: count,
  size: count,
  weight: count,
  merkle_root: hash,
  previousblockhash: hash.nullish(),
})

export const esploraTransactionAnswer = z.object({
  txid: hash,
  version: z.int(),
  locktime: count,
  size: count,
  weight: count,
  fee: amount,
  vin: z
    .array(
      z.object({
        txid: hash,
        vout: count,
        is_coinbase: z.boolean(),
        is_pegin: z.boolean().optional(),
        prevout: z.object({ value: amount, scriptpubkey_address: word.optional() }).nullish(),
      }),
    )
    .max(100_000),
  vout: z
    .array(
      z.object({
        value: amount,
        scriptpubkey_type: word,
        scriptpubkey_address: word.optional(),
      }),
    )
    .max(100_000),
  status: z.object({
    confirmed: z.boolean(),
    block_height: count.nullish(),
    block_hash: hash.nullish(),
    block_time: count.nullish(),
  }),
})

/** bitcoind's `testmempoolaccept`: amounts in bitcoin. */
export const testedTransactionsAnswer = z
  .array(
    z.object({
      txid: hash,
      allowed: z.boolean().optional(),
      vsize: count.optional(),
      fees: z.object({ base: z.number().min(0) }).optional(),
      'reject-reason': text.optional(),
      'reject-details': text.optional(),
      'package-error': text.optional(),
    }),
  )
  .max(MAX_ROWS)
export type TestedTransaction = z.infer<typeof testedTransactionsAnswer>[number]

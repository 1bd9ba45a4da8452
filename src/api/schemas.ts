/**
 * The JSON of `/v1` and every input of the API: one zod schema each, from which the types follow.
 * Amounts are integers of satoshis, below 2^53 because all the money there is stays below 2^51.
 */

import { z } from 'zod'
import { waitView } from './peg-schemas.ts'

// --- building blocks ------------------------------------------------------------------------

const count = z.int().min(0)
const amount = z.int().min(0)
const hex = z.string().regex(/^(?:[0-9a-f]{2})*$/)
const hash = z.string().regex(/^[0-9a-f]{64}$/)

// --- inputs ---------------------------------------------------------------------------------

/** 64 hex digits of either case, to lower case. */
export const hashText = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/)
  .transform((text) => text.toLowerCase())

/** A decimal u32. */
export const u32Text = z
  .string()
  .regex(/^\d{1,10}$/)
  .transform(Number)
  .refine((value) => value <= 0xffff_ffff)

export const hexText = z.string().regex(/^(?:[0-9a-fA-F]{2})+$/)

/** BTC per 1,000 virtual bytes, up to 1, to satoshis. */
const feeRateText = z
  .string()
  .regex(/^(?:0(?:\.\d{1,8})?|1(?:\.0{1,8})?)$/)
  .transform((text) => Math.round(Number(text) * 100_000_000))

const bitcoinText = z.string().regex(/^\d{1,8}(?:\.\d{1,8})?$/)

export const feeLimitQuery = z.object({
  maxfeerate: feeRateText.optional(),
  maxburnamount: bitcoinText.optional(),
})

/** No address is longer than BIP173's 90 characters. */
const addressText = z.string().min(1).max(90)

/** "txid:vout" */
export const outPointText = z.string().regex(/^[0-9a-fA-F]{64}:\d{1,10}$/)

export const depositAddressRequest = z.strictObject({ recipient: addressText })

export const depositsQuery = z.object({ recipient: addressText.optional() })

export const claimRequest = z.strictObject({
  l1Txid: hashText,
  vout: z.int().min(0).max(0xffff_ffff),
  recipient: addressText,
})

/** Of one request; their hex digits also have to fit its body. */
const SUBMITTED_MAX = 500

export const submitRequest = z.strictObject({
  transactions: z.array(hex.min(2)).min(1).max(SUBMITTED_MAX),
})

export const withdrawAddressQuery = z.object({ l1Address: addressText })

export const RELEASES_LIMIT_MAX = 100

export const releasesQuery = z.object({
  l1Address: addressText.optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .refine((value) => value >= 1 && value <= RELEASES_LIMIT_MAX, {
      error: `1 to ${RELEASES_LIMIT_MAX}`,
    })
    .optional(),
})

/** Coins of one answer, unless told, and at most. */
export const RESERVES_LIMIT = 100
export const RESERVES_LIMIT_MAX = 1_000

export const reservesQuery = z.object({
  after: outPointText.optional(),
  limit: z
    .string()
    .regex(/^\d{1,4}$/)
    .transform(Number)
    .refine((value) => value >= 1 && value <= RESERVES_LIMIT_MAX, {
      error: `1 to ${RESERVES_LIMIT_MAX}`,
    })
    .optional(),
})

export const EVIDENCE_LIMIT_MAX = 100

export const evidenceQuery = z.object({
  /** "height:validator": what is older than the evidence about these. */
  before: z
    .string()
    .regex(/^\d{1,10}:\d{1,5}$/)
    .transform((text) => {
      const [height = 0, signer = 0] = text.split(':').map(Number)
      return { height, signer }
    })
    .refine(({ height, signer }) => height <= 0xffff_ffff && signer <= 0xffff)
    .optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .refine((value) => value >= 1 && value <= EVIDENCE_LIMIT_MAX, {
      error: `1 to ${EVIDENCE_LIMIT_MAX}`,
    })
    .optional(),
})

/** height.seq, as the stream numbers its events. */
export const eventIdText = z.string().regex(/^\d{1,10}\.\d{1,10}$/)

// --- views ----------------------------------------------------------------------------------

const validatorView = z.object({
  index: count,
  publicKey: hash,
  connected: z.boolean(),
  self: z.boolean(),
  /** Heights at which the chain convicts it of double votes. */
  offences: count,
})

const equationFields = {
  supply: amount,
  pendingReleases: amount,
  feeReserve: amount,
  inFlightFees: amount,
  reserves: amount,
}

export const L1_STATES = ['ok', 'down', 'behind', 'forked', 'wrong-network', 'none'] as const
export const PEG_STATES = ['closed', 'open', 'frozen'] as const

export const statusView = z.object({
  version: z.string(),
  network: z.string(),
  chainId: hash,
  addressPrefix: z.string(),
  height: count,
  blockHash: hash,
  blockTimeMs: count,
  synced: z.boolean(),
  /** Why the node stopped for good, or null. */
  halted: z.string().nullable(),
  peers: count,
  /** What is being agreed on. */
  agreement: z.object({ height: count, view: count }),
  validator: z.object({ index: count.nullable() }),
  validators: z.array(validatorView).readonly(),
  /** What this member caught others at, in key generation and signing, since it started. */
  memberFaults: z.array(z.object({ member: hash, kind: z.string(), count })).readonly(),
  mempool: z.object({ count, bytes: count }),
  l1: z.object({
    network: z.string(),
    state: z.enum(L1_STATES),
    /** Of this node's own L1; null without one. */
    height: count.nullable(),
    /** Last L1 header in the chain. */
    chainHeight: count,
    message: z.string().nullable(),
  }),
  peg: z.object({
    state: z.enum(PEG_STATES),
    keyEpoch: count.nullable(),
    /** Compressed public key. */
    groupKey: z
      .string()
      .regex(/^[0-9a-f]{66}$/)
      .nullable(),
    ...equationFields,
    solvent: z.boolean(),
    minDepositSats: amount,
    minReleaseSats: amount,
    l1Depth: count,
    feeRateSatsPerKvb: count,
    /** The coins that the recovery keys can move first; null without reserves. */
    recovery: z
      .object({
        /** The first L1 block in which they could. */
        opensAtL1Height: count,
        /** L1 blocks that must still come before that one may be next; 0 = now. */
        blocksLeft: count,
        coins: count,
        valueSats: amount,
      })
      .nullable(),
  }),
})
export type StatusView = z.infer<typeof statusView>

/** What became of one of many transactions sent together. */
export const submittedView = z.discriminatedUnion('status', [
  z.object({ status: z.literal('accepted'), txid: hash }),
  z.object({ status: z.literal('refused'), code: z.string(), detail: z.string().nullable() }),
  /** One before it had a bad script: send it again. */
  z.object({ status: z.literal('unevaluated') }),
])
export type SubmittedView = z.infer<typeof submittedView>

export const depositAddressView = z.object({
  address: z.string(),
  recipient: z.string(),
  keyEpoch: count,
  groupKey: z.string().regex(/^[0-9a-f]{66}$/),
  minDepositSats: amount,
  l1Depth: count,
  /** BIP21 */
  uri: z.string().startsWith('bitcoin:'),
})
export type DepositAddressView = z.infer<typeof depositAddressView>

const depositView = z.object({
  l1Txid: hash,
  vout: count,
  valueSats: amount,
  recipient: z.string(),
  depositAddress: z.string(),
  status: z.enum(['seen', 'confirming', 'below-minimum', 'minted', 'expired']),
  confirmations: count,
  requiredConfirmations: count,
  mintTxid: hash.nullable(),
  mintHeight: count.nullable(),
})
export type DepositView = z.infer<typeof depositView>

export const depositsView = z.object({ deposits: z.array(depositView).readonly() })

export const withdrawAddressView = z.object({
  withdrawAddress: z.string(),
  l1Address: z.string(),
  minReleaseSats: amount,
  estimatedFeeSats: amount,
  estimatedSeconds: count,
})
export type WithdrawAddressView = z.infer<typeof withdrawAddressView>

export const releaseView = z.object({
  /** Place in the release queue since the chain began. */
  id: count,
  burnTxid: hash,
  burnVout: count,
  height: count,
  valueSats: amount,
  l1Address: z.string(),
  l1Script: hex,
  status: z.enum(['queued', 'batched', 'signed', 'broadcast', 'confirming', 'paid']),
  /** Why it waits, for people. */
  reason: z.string().nullable(),
  /** The same for programs, while it is queued. */
  wait: waitView.nullable(),
  /** Fixed by the burn. */
  feeSats: amount,
  netSats: amount,
  l1Txid: hash.nullable(),
  /** Earlier versions of that transaction, oldest first: one of them may confirm instead. */
  replacedL1Txids: z.array(hash).readonly(),
  confirmations: count,
  requiredConfirmations: count,
})
export type ReleaseView = z.infer<typeof releaseView>

export const releasesView = z.object({ releases: z.array(releaseView).readonly() })

export const reservesView = z.object({
  /** Of the block after which all this holds. */
  height: count,
  equation: z.object({ ...equationFields, holds: z.boolean() }),
  coins: z
    .array(
      z.object({
        txid: hash,
        vout: count,
        valueSats: amount,
        keyEpoch: count,
        l1Height: count,
        /** The batch that spends it. */
        inBatch: count.nullable(),
        /** The first L1 block in which the recovery keys could move it. */
        opensAtL1Height: count,
      }),
    )
    .readonly(),
  /** The last of these coins, "txid:vout", when there are more: for `after`. */
  next: z.string().nullable(),
  recovery: z.object({
    delayBlocks: count,
    threshold: count,
    keys: z.array(hash).readonly(),
  }),
  batches: z
    .array(
      z.object({
        id: count,
        /** Payments pay releases; upkeep moves the federation's own coins. */
        kind: z.enum(['payment', 'upkeep', 'probe', 'proof']),
        /** Of the version that L1 has, else of the one that members sign. */
        txid: hash,
        /** Oldest first. */
        versions: z
          .array(z.object({ txid: hash, feeSats: amount, feeRateSatsPerKvb: count }))
          .readonly(),
        status: z.enum(['open', 'confirmed']),
        keyEpoch: count,
        releases: z.array(count).readonly(),
        feeSats: amount,
        signed: z.boolean(),
      }),
    )
    .readonly(),
})
export type ReservesView = z.infer<typeof reservesView>

const memberView = z.object({
  index: count,
  publicKey: hash,
  online: z.boolean(),
  self: z.boolean(),
})

/** Validator keys, in order. */
const memberKeys = z.array(hash).min(1).max(100).readonly()

export const federationView = z.object({
  /** Of the validators of the next block. */
  epoch: count,
  /** What approvals of a change commit to. */
  setHash: hash,
  /** The number that the next change must have. */
  nextEpoch: count,
  threshold: count,
  members: z.array(memberView).readonly(),
  /** The set that is to take over, and what it waits for. */
  pending: z
    .object({
      epoch: count,
      threshold: count,
      members: z.array(memberView).readonly(),
      approvedHeight: count,
      stage: z.enum(['key-generation', 'funding', 'probe']),
      probeL1Height: count.nullable(),
      /** As this node's member sees it; null when it has none in it. */
      keyGeneration: z
        .object({ attempt: count, phase: z.string(), waitingFor: z.array(count).readonly() })
        .nullable(),
    })
    .nullable(),
  /** Approved, and in no block yet. */
  waitingChange: z.object({ epoch: count, threshold: count, members: memberKeys }).nullable(),
  keyEpochs: z
    .array(
      z.object({
        epoch: count,
        groupKey: z.string().regex(/^[0-9a-f]{66}$/),
        threshold: count,
        state: z.enum(['pending', 'announced', 'active', 'retired', 'abandoned']),
        members: memberKeys,
        announcedHeight: count,
        /** Null while it has not proved itself. */
        activatedHeight: count.nullable(),
        /** Reserve coins that only this key can spend. */
        coins: count,
        coinsSats: amount,
      }),
    )
    .readonly(),
})
export type FederationView = z.infer<typeof federationView>

export const memberChangeRequest = z.strictObject({
  epoch: count.max(0xffff_ffff),
  threshold: count.max(255),
  members: memberKeys,
  approvals: z
    .array(
      z.strictObject({
        signer: count.max(0xffff),
        signature: z.string().regex(/^[0-9a-f]{128}$/),
      }),
    )
    .max(256)
    .readonly(),
})

export const evidenceView = z.object({
  /** Index in the validator set. */
  validator: count,
  publicKey: hash,
  kind: z.enum(['double-notarize', 'double-finalize', 'nullify-finalize']),
  height: count,
  view: count,
  /** Both votes, in the order in which blocks have them. */
  votes: z.tuple([hex, hex]).readonly(),
  /** The block that carries it; null while none does. */
  block: z.object({ height: count, hash }).nullable(),
})
export type EvidenceView = z.infer<typeof evidenceView>

export const evidenceListView = z.object({ evidence: z.array(evidenceView).readonly() })

export const certificateView = z.object({
  height: count,
  blockHash: hash,
  view: count,
  /** Indexes in the validator set. */
  signers: z.array(count).readonly(),
  certificate: hex,
  extension: hex,
  /** 80 bytes */
  header: hex,
})
export type CertificateView = z.infer<typeof certificateView>

/** Encoded, oldest first. */
export const handoversView = z.object({ handovers: z.array(hex).readonly() })
export type HandoversView = z.infer<typeof handoversView>

export const proofView = z.object({
  height: count,
  blockHash: hash,
  proof: hex,
})
export type ProofView = z.infer<typeof proofView>

export const healthView = z.object({
  ok: z.boolean(),
  reasons: z.array(z.string()).readonly().optional(),
})

const blockEventView = z.object({ height: count, hash, txCount: count })
export type BlockEventView = z.infer<typeof blockEventView>

/** RFC 9457. */
export const problemView = z.object({
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
})
export type ProblemView = z.infer<typeof problemView>

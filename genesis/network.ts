/**
 * A network as data: the genesis file. Its canonical form (sorted keys, no spaces) is hashed into the
 * chain id, which is in everything that anybody signs. Parsed strictly: an unknown key is an error.
 */

import { z } from 'zod'
import { decodeHeader, verifyProofOfWork } from '../src/bitcoin/header.ts'
import type { ChainParams } from '../src/chain/params.ts'
import { mintWindow } from '../src/chain/peg/deposits.ts'
import { RETARGET_INTERVAL } from '../src/chain/peg/l1-headers.ts'
import { releaseFee } from '../src/chain/peg/release-fees.ts'
import { hexToBytes, utf8 } from '../src/primitives/bytes.ts'
import { type Hash32, hash32FromBytes, toXOnlyKey } from '../src/primitives/hashes.ts'
import { isXOnlyKey } from '../src/primitives/secp256k1.ts'
import { taggedHash } from '../src/primitives/sha256.ts'
import { sats } from '../src/primitives/units.ts'

/** A genesis file that is not one. The message names the field. */
export class GenesisError extends Error {
  override readonly name = 'GenesisError'
}

const publicKey = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .refine((hex) => isXOnlyKey(hexToBytes(hex)), 'not a point on the curve')
const amount = z.number().int().min(0).max(21e14)
const count = z.number().int().min(0).max(0xffff_ffff)

const genesisSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9-]{1,32}$/),
  addressPrefix: z.string().regex(/^[a-z]{2,5}$/),
  l1: z.strictObject({
    network: z.enum(['mainnet', 'testnet4', 'signet', 'regtest']),
    checkpoint: z.strictObject({ height: count, header: z.string().regex(/^[0-9a-f]{160}$/) }),
  }),
  /** Any 32 bytes; makes networks with equal parameters different. */
  salt: z.string().regex(/^[0-9a-f]{64}$/),
  validators: z.array(publicKey).min(4).max(100),
  signingThreshold: z.number().int().min(2).max(100),
  minBlockIntervalMs: z.number().int().min(1).max(60_000),
  heartbeatMs: z.number().int().min(0).max(3_600_000),
  peg: z.strictObject({
    l1Depth: z.number().int().min(1).max(1000),
    depositTiers: z
      .array(z.strictObject({ aboveSats: amount, extraHeaders: z.number().int().min(1).max(2016) }))
      .max(16),
    minDepositSats: amount.min(1000),
    minReleaseSats: amount.min(1000),
    feeRateFloor: z.number().int().min(1000).max(10_000_000),
    feeRateCeiling: z.number().int().min(1000).max(10_000_000),
    batchIntervalMs: z.number().int().min(0).max(86_400_000),
    batchReleasesMax: z.number().int().min(1).max(500),
    openBatchesMax: z.number().int().min(1).max(16),
    bumpAfterL1Blocks: z.number().int().min(1).max(2016),
    reserveCoinsMin: z.number().int().min(1).max(1000),
    splitCoinMinSats: amount.min(10_000),
    reserveCoinsMax: z.number().int().min(2).max(10_000),
    upkeepFeeRateMax: z.number().int().min(1000).max(10_000_000),
    refreshAfterL1Blocks: z.number().int().min(1).max(65_535),
    limits: z.strictObject({
      outflowCapBasisPoints: z.number().int().min(1).max(10_000),
      outflowWindowL1Blocks: z.number().int().min(1).max(2016),
      outflowFloorSats: amount,
      largeReleaseSats: amount,
      largeReleaseDelayL1Blocks: z.number().int().min(0).max(2016),
    }),
    keyProbeTimeoutL1Blocks: z.number().int().min(6).max(52_560),
    recovery: z.strictObject({
      delayBlocks: z.number().int().min(1).max(65_535),
      threshold: z.number().int().min(1).max(16),
      keys: z.array(publicKey).min(1).max(16),
    }),
  }),
})

export type Genesis = z.infer<typeof genesisSchema>

/** @throws GenesisError */
export function parseGenesis(json: unknown): Genesis {
  const parsed = genesisSchema.safeParse(json)
  if (!parsed.success) throw new GenesisError(z.prettifyError(parsed.error))
  const genesis = parsed.data
  checkMembers(genesis)
  checkCheckpoint(genesis)
  checkAddressPrefix(genesis)
  checkPeg(genesis.peg)
  return genesis
}

function checkMembers({ validators, signingThreshold }: Genesis): void {
  refuse(new Set(validators).size !== validators.length, 'validators: a key appears twice')
  // With f faulty members, f must not be able to sign and n - f must.
  const faulty = Math.floor((validators.length - 1) / 3)
  refuse(signingThreshold <= faulty, `signingThreshold: ${faulty} faulty members could sign alone`)
  refuse(
    signingThreshold > validators.length - faulty,
    `signingThreshold: ${faulty} absent members could stop the peg`,
  )
}

function checkCheckpoint({ l1: { network, checkpoint } }: Genesis): void {
  const field = 'l1.checkpoint'
  const header = decodeHeader(hexToBytes(checkpoint.header))
  refuse(!verifyProofOfWork(header), `${field}.header: no proof of work`)
  // The next retarget needs the first header of its period.
  refuse(
    network !== 'regtest' && checkpoint.height % RETARGET_INTERVAL !== 0,
    `${field}.height: not a multiple of ${RETARGET_INTERVAL}`,
  )
}

/** An address here must not pass for one of Bitcoin's networks, except where coins are play money. */
function checkAddressPrefix({ addressPrefix, l1 }: Genesis): void {
  const isTaken = addressPrefix === 'bc' || addressPrefix === 'tb'
  const isTest = addressPrefix === 'bcrt' && l1.network !== 'regtest'
  refuse(isTaken || isTest, `addressPrefix: ${addressPrefix} is one of Bitcoin's`)
}

function checkPeg(peg: Genesis['peg']): void {
  const { recovery, feeRateFloor, feeRateCeiling } = peg
  refuse(
    recovery.threshold > recovery.keys.length,
    'peg.recovery.threshold: more than there are keys',
  )
  refuse(
    new Set(recovery.keys).size !== recovery.keys.length,
    'peg.recovery.keys: a key appears twice',
  )
  const deepest = Math.max(0, ...peg.depositTiers.map((tier) => tier.extraHeaders)) + peg.l1Depth
  refuse(
    mintWindow(recovery) <= deepest,
    'peg.recovery.delayBlocks: the recovery keys could take a deposit back before it is minted',
  )
  refuse(feeRateFloor > feeRateCeiling, 'peg.feeRateFloor: above feeRateCeiling')
  refuse(
    peg.minReleaseSats < lowestReleaseFee(feeRateFloor) + HIGHEST_DUST_SATS,
    'peg.minReleaseSats: not enough for the fee at feeRateFloor and an L1 output',
  )
  checkUpkeep(peg)
  checkLimits(peg)
}

function checkUpkeep(peg: Genesis['peg']): void {
  refuse(peg.reserveCoinsMax <= peg.reserveCoinsMin, 'peg.reserveCoinsMax: not above the minimum')
  // A batch of which L1 has the transaction is not proved earlier than that.
  refuse(
    peg.bumpAfterL1Blocks < peg.l1Depth + 2,
    'peg.bumpAfterL1Blocks: batches would be replaced before they can be proved',
  )
  refuse(peg.upkeepFeeRateMax < peg.feeRateFloor, 'peg.upkeepFeeRateMax: below feeRateFloor')
  // Half the way is left to a federation that finds that its coins do not move.
  refuse(
    peg.refreshAfterL1Blocks * 2 > peg.recovery.delayBlocks,
    'peg.refreshAfterL1Blocks: more than half of recovery.delayBlocks',
  )
  // Probe and proof are each proved only when they are as deep as every header here.
  refuse(
    peg.keyProbeTimeoutL1Blocks < 4 * peg.l1Depth,
    'peg.keyProbeTimeoutL1Blocks: less than four times l1Depth',
  )
}

/** What a release to the longest output pays at the lowest rate. */
function lowestReleaseFee(feeRateFloor: number): number {
  const longest = new Uint8Array(34)
  return Number(releaseFee({ peg: { feeRateFloor } }, feeRateFloor, longest))
}

/** Every release must come to its turn, and the limits must not hold back what is not worth it. */
function checkLimits({ limits, minReleaseSats }: Genesis['peg']): void {
  refuse(
    limits.outflowFloorSats < 2 * minReleaseSats,
    'peg.limits.outflowFloorSats: less than two releases of minReleaseSats',
  )
  refuse(
    limits.largeReleaseSats <= minReleaseSats,
    'peg.limits.largeReleaseSats: not above minReleaseSats',
  )
}

/** Of a P2PKH output. */
const HIGHEST_DUST_SATS = 546

function refuse(condition: boolean, message: string): void {
  if (condition) throw new GenesisError(message)
}

/** Tagged hash of the canonical genesis file. */
export function chainId(genesis: Genesis): Hash32 {
  return hash32FromBytes(taggedHash('causeway/chain', utf8(canonicalJson(genesis))))
}

/** JSON with sorted keys and no spaces (RFC 8785 for the values that occur here). */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`)
    return `{${entries.join(',')}}`
  }
  return JSON.stringify(value)
}

export function chainParams(genesis: Genesis): ChainParams {
  const { peg } = genesis
  const header = hexToBytes(genesis.l1.checkpoint.header)
  const id = chainId(genesis)
  return {
    name: genesis.name,
    chainId: id,
    paramsHash: hash32FromBytes(taggedHash('causeway/params', hexToBytes(id))),
    addressPrefix: genesis.addressPrefix,
    l1Network: genesis.l1.network,
    l1Checkpoint: { height: genesis.l1.checkpoint.height, header },
    validators: genesis.validators.map(toXOnlyKey),
    signingThreshold: genesis.signingThreshold,
    minBlockIntervalMs: genesis.minBlockIntervalMs,
    heartbeatMs: genesis.heartbeatMs,
    peg: {
      l1Depth: peg.l1Depth,
      depositTiers: peg.depositTiers.map((tier) => ({ ...tier, aboveSats: sats(tier.aboveSats) })),
      minDepositSats: sats(peg.minDepositSats),
      minReleaseSats: sats(peg.minReleaseSats),
      feeRateFloor: peg.feeRateFloor,
      feeRateCeiling: peg.feeRateCeiling,
      batchIntervalMs: peg.batchIntervalMs,
      batchReleasesMax: peg.batchReleasesMax,
      openBatchesMax: peg.openBatchesMax,
      bumpAfterL1Blocks: peg.bumpAfterL1Blocks,
      reserveCoinsMin: peg.reserveCoinsMin,
      splitCoinMinSats: sats(peg.splitCoinMinSats),
      reserveCoinsMax: peg.reserveCoinsMax,
      upkeepFeeRateMax: peg.upkeepFeeRateMax,
      refreshAfterL1Blocks: peg.refreshAfterL1Blocks,
      limits: {
        ...peg.limits,
        outflowFloorSats: sats(peg.limits.outflowFloorSats),
        largeReleaseSats: sats(peg.limits.largeReleaseSats),
      },
      keyProbeTimeoutL1Blocks: peg.keyProbeTimeoutL1Blocks,
      recovery: { ...peg.recovery, keys: peg.recovery.keys.map(toXOnlyKey) },
    },
  }
}

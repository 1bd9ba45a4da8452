/**
 * The L1 header chain inside the state: linkage, proof of work and difficulty, by Bitcoin's rules
 * for the network, from a checkpoint on. It never reorganises: a header enters only when every
 * validator has seen it buried. Not covered: signet's block signatures (trusted to the checkpoint).
 */

import {
  type BlockHeader,
  bitsToTarget,
  decodeHeader,
  headerHash,
  medianTime,
  targetToBits,
  verifyProofOfWork,
} from '../../bitcoin/header.ts'
import { present } from '../../primitives/assert.ts'
import { ok, type Rejection, type Result, reject } from '../../primitives/result.ts'
import type { ChainParams, L1Network } from '../params.ts'
import { NAMESPACE, numberStateKey, type StateOverlay, type StateView } from '../state.ts'
import { getPegBooks, putPegBooks } from './books.ts'

/** Bitcoin: one retarget per this many blocks … */
const RETARGET_INTERVAL = 2016
/** … which should take two weeks. */
const RETARGET_SECONDS = 14 * 24 * 60 * 60
/** Test networks: a block this late may have the lowest difficulty. */
const LATE_BLOCK_SECONDS = 20 * 60
const MEDIAN_TIME_SPAN = 11

const HIGHEST_TARGET_BITS: Record<L1Network, number> = {
  mainnet: 0x1d00_ffff,
  testnet4: 0x1d00_ffff,
  signet: 0x1e03_77ae,
  regtest: 0x207f_ffff,
}

export function findL1Header(view: StateView, height: number): BlockHeader | undefined {
  const bytes = view.get(numberStateKey(NAMESPACE.l1Header, height))
  return bytes === undefined ? undefined : decodeHeader(bytes)
}

export function connectL1Headers(
  overlay: StateOverlay,
  params: ChainParams,
  headers: readonly Uint8Array[],
): Result<void, Rejection> {
  for (const bytes of headers) {
    const books = getPegBooks(overlay)
    const height = books.l1Height + 1
    const header = decodeHeader(bytes)
    if (header.previousHash !== books.l1Hash) return reject('l1-header-unlinked')
    if (header.bits !== expectedBits(overlay, params, height, header)) {
      return reject('l1-header-difficulty')
    }
    if (!verifyProofOfWork(header)) return reject('l1-header-work')
    if (header.time <= medianTimeBefore(overlay, params, height)) return reject('l1-header-time')
    overlay.put(numberStateKey(NAMESPACE.l1Header, height), bytes)
    putPegBooks(overlay, { ...books, l1Height: height, l1Hash: headerHash(header) })
  }
  return ok(undefined)
}

function medianTimeBefore(view: StateView, params: ChainParams, height: number): number {
  const first = Math.max(params.l1Checkpoint.height, height - MEDIAN_TIME_SPAN)
  // Below the checkpoint nothing is known; a shorter span is only stricter for the first headers.
  const times: number[] = []
  for (let at = first; at < height; at++) {
    times.push(present(findL1Header(view, at), 'L1 header').time)
  }
  return times.length < MEDIAN_TIME_SPAN ? 0 : medianTime(times)
}

/** Bitcoin's GetNextWorkRequired for the network. */
function expectedBits(
  view: StateView,
  params: ChainParams,
  height: number,
  header: BlockHeader,
): number {
  const network = params.l1Network
  const previous = present(findL1Header(view, height - 1), 'last L1 header')
  if (network === 'regtest') return previous.bits
  if (height % RETARGET_INTERVAL === 0) return retarget(view, params, height, previous)
  if (network !== 'testnet4') return previous.bits
  if (header.time > previous.time + LATE_BLOCK_SECONDS) return HIGHEST_TARGET_BITS[network]
  return lastOrdinaryBits(view, params, height - 1)
}

function retarget(
  view: StateView,
  params: ChainParams,
  height: number,
  previous: BlockHeader,
): number {
  const network = params.l1Network
  const first = findL1Header(view, height - RETARGET_INTERVAL)
  // A checkpoint sits on a retarget boundary, so the period's first header is always known.
  if (first === undefined) return previous.bits
  const elapsed = previous.time - first.time
  const bounded = Math.min(Math.max(elapsed, RETARGET_SECONDS / 4), RETARGET_SECONDS * 4)
  // BIP94 (testnet4): scale the period's first target, not the last, which may be the lowest.
  const base = network === 'testnet4' ? first.bits : previous.bits
  const target = present(bitsToTarget(base), 'target of a connected header')
  const highest = present(bitsToTarget(HIGHEST_TARGET_BITS[network]), 'highest target')
  const scaled = (target * BigInt(bounded)) / BigInt(RETARGET_SECONDS)
  return targetToBits(scaled > highest ? highest : scaled)
}

/** Testnet: the last difficulty that was not the exception for a late block. */
function lastOrdinaryBits(view: StateView, params: ChainParams, from: number): number {
  const lowest = HIGHEST_TARGET_BITS[params.l1Network]
  for (let height = from; ; height--) {
    const header = present(findL1Header(view, height), 'L1 header')
    const atBoundary = height % RETARGET_INTERVAL === 0 || height === params.l1Checkpoint.height
    if (header.bits !== lowest || atBoundary) return header.bits
  }
}

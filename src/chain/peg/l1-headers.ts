/**
 * The L1 header chain inside the state: linkage, proof of work, median time and difficulty, by
 * Bitcoin's rules for the network, from a checkpoint on. It never reorganises: a header enters only
 * when every validator has seen it buried. Where the checkpoint hides what a rule needs, the rule is
 * left out: a header that Bitcoin accepts must connect, or the peg would stand still for ever. Not
 * covered: signet's block signatures, the two-hour limit (there is no clock here), soft forks'
 * version numbers; validators compare every header with their own L1 node.
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
export const RETARGET_INTERVAL = 2016
/** … which should take two weeks. */
const RETARGET_SECONDS = 14 * 24 * 60 * 60
/** Test networks: a block this late may have the lowest difficulty. */
const LATE_BLOCK_SECONDS = 20 * 60
/** BIP94: how far a period's first block may lie before the last of the period before. */
const TIME_WARP_SECONDS = 600
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

/** `headers` are 80 bytes each. */
export function connectL1Headers(
  overlay: StateOverlay,
  params: ChainParams,
  headers: readonly Uint8Array[],
): Result<void, Rejection> {
  if (headers.length === 0) return ok(undefined)
  const books = getPegBooks(overlay)
  const chain = new HeaderChain(overlay, params)
  let { l1Height, l1Hash } = books
  for (const bytes of headers) {
    const height = l1Height + 1
    const header = decodeHeader(bytes)
    if (header.previousHash !== l1Hash) return reject('l1-header-unlinked')
    const checked = chain.check(height, header)
    if (!checked.ok) return checked
    overlay.put(numberStateKey(NAMESPACE.l1Header, height), bytes)
    l1Height = height
    l1Hash = headerHash(header)
  }
  putPegBooks(overlay, { ...books, l1Height, l1Hash })
  return ok(undefined)
}

/** The chain so far, each header decoded once however long the section. */
class HeaderChain {
  readonly #view: StateView
  readonly #network: L1Network
  readonly #checkpoint: number
  readonly #decoded = new Map<number, BlockHeader>()
  readonly #ordinaryBits = new Map<number, number>()

  constructor(view: StateView, params: ChainParams) {
    this.#view = view
    this.#network = params.l1Network
    this.#checkpoint = params.l1Checkpoint.height
  }

  /** The header's own rules, given the ones below it. */
  check(height: number, header: BlockHeader): Result<void, Rejection> {
    if (header.bits !== this.#expectedBits(height, header)) return reject('l1-header-difficulty')
    const median = this.#medianTimeBefore(height)
    if (median !== undefined && header.time <= median) return reject('l1-header-time')
    if (this.#network === 'testnet4' && height % RETARGET_INTERVAL === 0) {
      const earliest = this.#at(height - 1).time - TIME_WARP_SECONDS
      if (header.time < earliest) return reject('l1-header-time-warp')
    }
    return verifyProofOfWork(header) ? ok(undefined) : reject('l1-header-work')
  }

  #find(height: number): BlockHeader | undefined {
    const known = this.#decoded.get(height) ?? findL1Header(this.#view, height)
    if (known !== undefined) this.#decoded.set(height, known)
    return known
  }

  #at(height: number): BlockHeader {
    return present(this.#find(height), 'L1 header')
  }

  /** Undefined when the checkpoint hides some of the 11 headers. */
  #medianTimeBefore(height: number): number | undefined {
    const first = Math.max(0, height - MEDIAN_TIME_SPAN)
    if (first < this.#checkpoint) return undefined
    const times: number[] = []
    for (let at = first; at < height; at++) times.push(this.#at(at).time)
    return medianTime(times)
  }

  /** Bitcoin's GetNextWorkRequired for the network. */
  #expectedBits(height: number, header: BlockHeader): number {
    const previous = this.#at(height - 1)
    if (this.#network === 'regtest') return previous.bits
    if (height % RETARGET_INTERVAL === 0) return this.#retarget(height, previous)
    if (this.#network !== 'testnet4') return previous.bits
    if (header.time > previous.time + LATE_BLOCK_SECONDS) return HIGHEST_TARGET_BITS.testnet4
    return this.#lastOrdinaryBits(height - 1)
  }

  #retarget(height: number, previous: BlockHeader): number {
    // The genesis rules put a checkpoint on a period's first block, so that this one is known.
    const first = this.#at(height - RETARGET_INTERVAL)
    const elapsed = previous.time - first.time
    const bounded = Math.min(Math.max(elapsed, RETARGET_SECONDS / 4), RETARGET_SECONDS * 4)
    // BIP94 (testnet4): scale the period's first target, not the last, which may be the lowest.
    const base = this.#network === 'testnet4' ? first.bits : previous.bits
    const target = present(bitsToTarget(base), 'target of a connected header')
    const highest = present(bitsToTarget(HIGHEST_TARGET_BITS[this.#network]), 'highest target')
    const scaled = (target * BigInt(bounded)) / BigInt(RETARGET_SECONDS)
    return targetToBits(scaled > highest ? highest : scaled)
  }

  /** Testnet: the last difficulty that was not the exception for a late block. */
  #lastOrdinaryBits(from: number): number {
    let height = from
    while (!this.#ordinaryBits.has(height) && this.#isException(height)) height -= 1
    const bits = this.#ordinaryBits.get(height) ?? this.#at(height).bits
    this.#ordinaryBits.set(from, bits)
    return bits
  }

  #isException(height: number): boolean {
    const atBoundary = height % RETARGET_INTERVAL === 0 || height === this.#checkpoint
    return !atBoundary && this.#at(height).bits === HIGHEST_TARGET_BITS.testnet4
  }
}

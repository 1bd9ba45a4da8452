/**
 * Catching up, and helping others to. A node that hears of later heights asks that peer for decided
 * blocks, checks each certificate with the validators of its height, and feeds the blocks to the core
 * in order, the same way as live ones. What a peer claims is a hint, never a target: only blocks and
 * certificates count. Every node answers such questions from its own chain.
 *
 * One peer is asked at a time, for the next blocks while the last are executed. One that has nothing,
 * or does not answer in time, has a pause; one whose answer cannot come from an honest node is
 * disconnected. A certificate of a block that is missing here ends the pause of a peer that had
 * nothing. There is no least data rate: after a timeout the peer is asked for fewer blocks.
 */

import { decodeCertificate, verifyCertificate } from '../consensus/certificate.ts'
import { faultTolerance } from '../consensus/quorum.ts'
import {
  type DecidedBlock,
  decodeDecidedAnswer,
  decodeDecidedRequest,
  encodeDecidedAnswer,
  encodeDecidedRequest,
  MAX_DECIDED_BYTES,
  MAX_DECIDED_COUNT,
} from '../consensus/sync-messages.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { XOnlyKey } from '../primitives/hashes.ts'
import type { CancelTimer, Logger, Network, PeerId, Runtime } from '../runtime/runtime.ts'
import type { ChainService } from './chain-service.ts'
import type { ConsensusDriver } from './consensus-driver.ts'
import type { ValidatorLinks } from './validator-links.ts'

export interface BlockSync {
  start(): void
  /** No question is asked any more; resolves when the one under way has ended. */
  stop(): Promise<void>
  /** A peer seems to be ahead. */
  hint(peer: PeerId): void
  /** A certificate of this height was seen and verified. */
  sawCertified(height: number): void
  /**
   * True when peers have been asked (f + 1 validators, if so many are connected), and no certificate
   * is known for a block far ahead of this node. A node without peers does not know.
   */
  isSynced(): boolean
}

export interface BlockSyncParts {
  readonly chain: ChainService
  readonly driver: Pick<ConsensusDriver, 'decided' | 'flushed' | 'context' | 'haltReason'>
  readonly links: Pick<ValidatorLinks, 'connected' | 'peerOf'>
  readonly network: Network
  readonly runtime: Runtime
  /** The key that this node votes with, if it has one. */
  readonly selfKey: XOnlyKey | undefined
}

const ANSWER_TIMEOUT_MS = 5_000
/** Everybody is asked now and then: a lost message must not leave an observer behind. */
const ASK_AROUND_MS = 2_000
/** A peer that had nothing new is not asked again before this has passed. */
const NOTHING_PAUSE_MS = 500
/** One that did not answer. */
const SILENCE_PAUSE_MS = 5_000
/** An answer of so few blocks came from a peer at the same place: blocks are made meanwhile. */
const LEVEL_BLOCKS_MAX = 2
/** Further behind than this is catching up. */
const LAG_MAX = 8

interface Standing {
  /** Blocks to ask for. */
  count: number
  /** Monotonic, ms. */
  notBeforeMs: number
  /** The pause is for not having answered. */
  isSilent: boolean
  /** Up to this certified height it has been asked. */
  askedHeight: number
  /** When its pause is over it is asked again. */
  cancelRetry: CancelTimer | undefined
  /** It has said that it has nothing newer than this node. */
  isLevel: boolean
}

function newStanding(): Standing {
  return {
    count: MAX_DECIDED_COUNT,
    notBeforeMs: 0,
    isSilent: false,
    askedHeight: 0,
    cancelRetry: undefined,
    isLevel: false,
  }
}

/** Handlers are registered at once, so this comes before the network starts. */
export function createBlockSync(parts: BlockSyncParts): BlockSync {
  return new Sync(parts)
}

class Sync implements BlockSync {
  readonly #parts: BlockSyncParts
  readonly #log: Logger
  readonly #standings = new Map<PeerId, Standing>()
  readonly #wanted = new Set<PeerId>()
  #running: Promise<void> | undefined
  #cancel: CancelTimer | undefined
  #certifiedHeight = 0
  #wasLevel: boolean
  #turn = 0
  #isStopped = false

  constructor(parts: BlockSyncParts) {
    this.#parts = parts
    const { network, chain, runtime } = parts
    this.#log = runtime.log.child({ part: 'sync' })
    // Nobody can be ahead of the only validator.
    this.#wasLevel = this.#isAlone
    network.onPeerConnected((peer) => this.hint(peer))
    network.onPeerDisconnected((peer) => {
      this.#wanted.delete(peer)
      this.#standings.get(peer)?.cancelRetry?.()
      this.#standings.delete(peer)
    })
    network.onRequest(async (_from, question) => answerDecided(chain, question))
  }

  get #isAlone(): boolean {
    const { validators } = this.#parts.driver.context
    return validators.length === 1 && validators[0] === this.#parts.selfKey
  }

  start(): void {
    const peers = this.#parts.network.peers()
    const peer = peers[this.#turn % Math.max(1, peers.length)]
    this.#turn += 1
    if (peer !== undefined) this.hint(peer.peerId)
    this.#cancel = this.#parts.runtime.timers.after(ASK_AROUND_MS, () => this.start())
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    for (const { cancelRetry } of this.#standings.values()) cancelRetry?.()
    await this.#running
  }

  sawCertified(height: number): void {
    this.#certifiedHeight = Math.max(this.#certifiedHeight, height)
  }

  isSynced(): boolean {
    this.#wasLevel ||= this.#isLevelWithPeers()
    const lag = this.#certifiedHeight - this.#parts.chain.state().tip.height
    return this.#wasLevel && lag <= LAG_MAX && (this.#isAlone || this.#hasPeers)
  }

  get #hasPeers(): boolean {
    return this.#parts.network.peers().length > 0
  }

  #isLevelWithPeers(): boolean {
    const { links, network, driver } = this.#parts
    const validators = links.connected().map((index) => links.peerOf(index))
    const asked = validators.length > 0 ? validators : network.peers().map(({ peerId }) => peerId)
    const level = asked.filter(
      (peer) => peer !== undefined && this.#standings.get(peer)?.isLevel === true,
    )
    const wanted = Math.min(faultTolerance(driver.context.validators.length) + 1, asked.length)
    return wanted > 0 && level.length >= wanted
  }

  // --- asking -------------------------------------------------------------------------------

  hint(peer: PeerId): void {
    if (this.#isOver) return
    if (this.#isPaused(peer)) {
      this.#askAfterPause(peer)
      return
    }
    this.#wanted.add(peer)
    if (this.#running !== undefined) return
    this.#running = this.#visitAll().finally(() => {
      this.#running = undefined
    })
  }

  get #isOver(): boolean {
    return this.#isStopped || this.#parts.driver.haltReason() !== undefined
  }

  #isPaused(peer: PeerId): boolean {
    const standing = this.#standings.get(peer)
    if (standing === undefined) return false
    const isNews = this.#isBehind && this.#certifiedHeight > standing.askedHeight
    if (isNews && !standing.isSilent) return false
    return this.#parts.runtime.clock.monotonicMs() < standing.notBeforeMs
  }

  /** A block is final that is not here yet. */
  get #isBehind(): boolean {
    return this.#certifiedHeight > this.#parts.chain.state().tip.height
  }

  #askAfterPause(peer: PeerId): void {
    const standing = this.#standings.get(peer)
    if (standing === undefined || !this.#isBehind) return
    const { clock, timers } = this.#parts.runtime
    const delayMs = Math.max(0, standing.notBeforeMs - clock.monotonicMs())
    standing.cancelRetry ??= timers.after(delayMs, () => {
      standing.cancelRetry = undefined
      if (this.#isBehind) this.hint(peer)
    })
  }

  async #visitAll(): Promise<void> {
    while (!this.#isOver) {
      const [peer] = this.#wanted
      if (peer === undefined) return
      this.#wanted.delete(peer)
      await this.#visit(peer)
    }
  }

  /** Takes all that one peer has. */
  async #visit(peer: PeerId): Promise<void> {
    const { runtime, network } = this.#parts
    const standing = this.#standings.get(peer) ?? newStanding()
    this.#standings.set(peer, standing)
    standing.askedHeight = this.#certifiedHeight
    standing.isSilent = false
    let pauseMs = NOTHING_PAUSE_MS
    try {
      await this.#takeAll(peer, standing)
      standing.isLevel = true
    } catch (error) {
      pauseMs = SILENCE_PAUSE_MS
      standing.isLevel = false
      standing.isSilent = true
      if (error instanceof DecodeError) network.disconnect(peer, error.message)
      else this.#log.debug({ peer, error: String(error) }, 'a peer did not answer')
    }
    standing.notBeforeMs = runtime.clock.monotonicMs() + pauseMs
  }

  /** @throws DecodeError for a lie, and whatever a request throws. */
  async #takeAll(peer: PeerId, standing: Standing): Promise<void> {
    const fromHeight = this.#parts.chain.state().tip.height + 1
    let asked: Promise<readonly DecidedBlock[]> | undefined = this.#ask(peer, standing, fromHeight)
    while (asked !== undefined) {
      const blocks: readonly DecidedBlock[] = await asked
      const last = blocks.at(-1)
      if (last === undefined || this.#isOver) return
      this.#log.debug({ peer, brought: blocks.length }, 'blocks came in')
      const isAtEnd = blocks.length <= LEVEL_BLOCKS_MAX
      asked = isAtEnd ? undefined : this.#ask(peer, standing, last.certificate.height + 1)
      // Its failure is seen when it is awaited, if ever.
      asked?.catch(() => undefined)
      await this.#take(blocks)
    }
  }

  /** Asks one peer once. @throws DecodeError for a lie, and whatever a request throws. */
  async #ask(
    peer: PeerId,
    standing: Standing,
    fromHeight: number,
  ): Promise<readonly DecidedBlock[]> {
    const { count } = standing
    const question = encodeDecidedRequest({ fromHeight, count })
    // Only an answer that comes raises it again.
    standing.count = Math.max(1, Math.floor(count / 4))
    const answer = await this.#parts.network.request(peer, question, ANSWER_TIMEOUT_MS)
    standing.count = Math.min(MAX_DECIDED_COUNT, count * 2)
    const blocks = decodeDecidedAnswer(answer)
    const [first] = blocks
    const isOfAnother = first !== undefined && first.certificate.height !== fromHeight
    if (isOfAnother || blocks.length > count) throw new DecodeError('an answer to another question')
    return blocks
  }

  async #take(blocks: readonly DecidedBlock[]): Promise<void> {
    const { chain, driver } = this.#parts
    const last = blocks.at(-1)
    // Found early, a lie costs nothing; of later validators it will be judged in its turn.
    const isLastVerified = last !== undefined && this.#isFinal(last)
    if (isLastVerified) this.sawCertified(last.certificate.height)
    let earlier: Promise<void> = Promise.resolve()
    for (const decided of blocks) {
      if (this.#isOver) return
      // It may have arrived live in the meantime.
      if (decided.certificate.height <= chain.state().tip.height) continue
      if (decided !== last || !isLastVerified) this.#verify(decided)
      const outcome = driver.decided(decided.block, decided.certificate)
      if (outcome === 'halted') return
      if (outcome === 'unbound') throw new DecodeError('a body that its certificate does not name')
      // Not faster than the disk, but one ahead of it.
      await earlier
      earlier = driver.flushed()
    }
    await earlier
  }

  /** Under the validators of the next height here. */
  #isFinal({ certificate }: DecidedBlock): boolean {
    const { context } = this.#parts.driver
    return certificate.type === 'finalize' && verifyCertificate(certificate, context)
  }

  #verify(decided: DecidedBlock): void {
    if (!this.#isFinal(decided)) {
      throw new DecodeError('a decided block without a valid certificate')
    }
    this.sawCertified(decided.certificate.height)
  }
}

/** This node has no blocks that old: it began with a snapshot. The peer asks others. */
export class PrunedBlocksError extends Error {
  override readonly name = 'PrunedBlocksError'
}

/** @throws DecodeError for a malformed question, PrunedBlocksError for one about older blocks. */
function answerDecided(chain: ChainService, question: Uint8Array): Uint8Array {
  const { fromHeight, count } = decodeDecidedRequest(question)
  const first = chain.database.firstHeight()
  // An empty answer would say that there is nothing newer.
  if (Math.max(1, fromHeight) < first) {
    throw new PrunedBlocksError(`blocks below ${first} are not here`)
  }
  const blocks: DecidedBlock[] = []
  let bytes = 0
  // Only what is durable here: a block that a crash could take back must not be advertised.
  const last = chain.database.tip()?.height ?? 0
  for (let height = Math.max(1, fromHeight); height <= last && blocks.length < count; height++) {
    const stored = chain.database.findBlockBytes(height)
    if (stored === undefined) break
    bytes += stored.bytes.length + stored.certificate.length
    if (blocks.length > 0 && bytes > MAX_DECIDED_BYTES) break
    blocks.push({ block: stored.bytes, certificate: decodeCertificate(stored.certificate) })
  }
  return encodeDecidedAnswer(blocks)
}

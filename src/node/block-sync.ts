/**
 * Catching up, and helping others to. A node that hears of later heights asks that peer for decided
 * blocks, checks each certificate with the validators of its height, and feeds the blocks to the core
 * in order, the same way as live ones. What a peer claims is a hint, never a target: only blocks move
 * the node. Every node answers such questions from its own chain.
 */

import { decodeCertificate, verifyCertificate } from '../consensus/certificate.ts'
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
import type { CancelTimer, Network, PeerId, Runtime } from '../runtime/runtime.ts'
import type { ChainService } from './chain-service.ts'
import type { ConsensusDriver } from './consensus-driver.ts'

export interface BlockSync {
  start(): void
  stop(): void
  /** A peer seems to be ahead. */
  hint(peer: PeerId): void
  /** False while a peer is known to be ahead of this node. */
  isSynced(): boolean
}

const ANSWER_TIMEOUT_MS = 5_000
/** Everybody is asked now and then: a lost message must not leave an observer behind. */
const ASK_AROUND_MS = 2_000

export function createBlockSync(
  chain: ChainService,
  driver: ConsensusDriver,
  network: Network,
  runtime: Runtime,
): BlockSync {
  const log = runtime.log.child({ part: 'sync' })
  const waiting = new Set<PeerId>()
  let running = false
  let stopped = false
  let synced = false
  let cancel: CancelTimer | undefined
  let turn = 0

  /** Asks one peer once; returns how many blocks it brought. */
  async function ask(peer: PeerId): Promise<number> {
    const fromHeight = chain.state().tip.height + 1
    const question = encodeDecidedRequest({ fromHeight, count: MAX_DECIDED_COUNT })
    const answer = await network.request(peer, question, ANSWER_TIMEOUT_MS)
    let taken = 0
    for (const decided of decodeDecidedAnswer(answer)) {
      // The answer may overlap what arrived live in the meantime.
      if (decided.certificate.height !== chain.state().tip.height + 1) continue
      if (!isFinal(decided)) throw new DecodeError('a decided block without a valid certificate')
      if (!driver.decided(decided.block, decided.certificate)) {
        throw new DecodeError('a decided block that its certificate does not name')
      }
      taken += 1
    }
    return taken
  }

  function isFinal(decided: DecidedBlock): boolean {
    const { certificate } = decided
    return certificate.type === 'finalize' && verifyCertificate(certificate, driver.context)
  }

  async function drain(): Promise<void> {
    for (const peer of waiting) {
      waiting.delete(peer)
      try {
        let brought = await ask(peer)
        while (brought > 0 && !stopped) {
          synced = brought < MAX_DECIDED_COUNT
          log.debug({ peer, brought, height: chain.state().tip.height }, 'caught up some')
          brought = await ask(peer)
        }
        synced = true
      } catch (error) {
        if (error instanceof DecodeError) network.disconnect(peer, error.message)
        else log.debug({ peer, error: String(error) }, 'a peer did not answer')
      }
      if (stopped) return
    }
  }

  function hint(peer: PeerId): void {
    waiting.add(peer)
    if (running || stopped) return
    running = true
    void drain().finally(() => {
      running = false
      if (waiting.size > 0) for (const next of waiting) hint(next)
    })
  }

  function askAround(): void {
    const peers = network.peers()
    const peer = peers[turn % Math.max(1, peers.length)]
    turn += 1
    if (peer !== undefined) hint(peer.peerId)
    cancel = runtime.timers.after(ASK_AROUND_MS, askAround)
  }

  network.onPeerConnected(hint)
  network.onRequest(async (_from, question) => answerDecided(chain, question))

  return {
    start: askAround,
    stop() {
      stopped = true
      cancel?.()
    },
    hint,
    isSynced: () => synced,
  }
}

/** @throws DecodeError for a malformed question. */
function answerDecided(chain: ChainService, question: Uint8Array): Uint8Array {
  const { fromHeight, count } = decodeDecidedRequest(question)
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

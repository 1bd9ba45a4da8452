/**
 * A simulated node's side of the catch-up protocol: asks a peer for decided blocks, checks their
 * certificates, and feeds them to the core one by one. Only what was asked for is looked at.
 */

import { verifyCertificate } from '../consensus/certificate.ts'
import type { Decided } from '../consensus/core.ts'
import {
  type DecidedBlock,
  decodeDecidedAnswer,
  decodeDecidedRequest,
  encodeDecidedAnswer,
  encodeDecidedRequest,
  MAX_DECIDED_COUNT,
} from '../consensus/sync-messages.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { Adversary } from './adversaries/adversary.ts'
import { openCounterBlock } from './counter-block.ts'
import type { SimulatedNode } from './simulated-node.ts'
import type { ValidatorSchedule } from './validator-schedule.ts'

/** Questions that may be open at a time; an older one is forgotten. */
const OPEN_MAX = 3

export class NodeSync {
  #queue: Decided[] = []
  #open = 0
  readonly #node: SimulatedNode
  readonly #schedule: ValidatorSchedule
  readonly #send: (to: number, label: string, bytes: Uint8Array) => void

  constructor(
    node: SimulatedNode,
    world: {
      readonly schedule: ValidatorSchedule
      readonly send: (to: number, label: string, bytes: Uint8Array) => void
    },
  ) {
    this.#node = node
    this.#schedule = world.schedule
    this.#send = world.send
  }

  get waiting(): number {
    return this.#queue.length
  }

  reset(): void {
    this.#queue = []
    this.#open = 0
  }

  request(peer: number): void {
    this.#open = Math.min(this.#open + 1, OPEN_MAX)
    const fromHeight = this.#node.ledger.height + 1
    this.#send(peer, 'sync-request', encodeDecidedRequest({ fromHeight, count: MAX_DECIDED_COUNT }))
  }

  answer(to: number, bytes: Uint8Array, adversary: Adversary | undefined): void {
    const { fromHeight, count } = decodeDecidedRequest(bytes)
    const { decided } = this.#node.disk
    const found = decided
      .slice(fromHeight - 1, fromHeight - 1 + count)
      .map(({ block, certificate }) => ({ block: block.bytes, certificate }))
    const blocks = adversary?.answerSync?.(found) ?? found
    this.#send(to, 'sync-answer', encodeDecidedAnswer(blocks))
  }

  take(bytes: Uint8Array): void {
    if (this.#open === 0) return
    this.#open--
    for (const { block: body, certificate } of findAnswer(bytes)) {
      const block = openCounterBlock(body)
      if (block === undefined || block.hash !== certificate.blockHash) return
      if (!verifyCertificate(certificate, this.#schedule.at(block.height))) return
      const isWaiting = this.#queue.some((waiting) => waiting.block.height === block.height)
      if (!isWaiting) this.#queue.push({ block, certificate })
    }
    this.feed()
  }

  /** The next block, if it is here, to the core. */
  feed(): void {
    const height = this.#node.core?.snapshot().height ?? 0
    this.#queue = this.#queue.filter(({ block }) => block.height >= height)
    const next = this.#queue.find(({ block }) => block.height === height)
    if (next !== undefined) this.#node.step({ kind: 'decided', ...next })
  }
}

function findAnswer(bytes: Uint8Array): readonly DecidedBlock[] {
  try {
    return decodeDecidedAnswer(bytes)
  } catch (cause) {
    if (cause instanceof DecodeError) return []
    throw cause
  }
}

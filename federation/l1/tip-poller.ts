/**
 * Watches the tip of an L1 node by asking. Upon a subscription, and then every interval: ask; upon a
 * tip that this subscriber has not seen last: call it. A node that cannot be asked is logged when that
 * begins and when it ends, and asked again at the next interval.
 */

import type { BlockHash } from '../../src/primitives/hashes.ts'
import type { CancelTimer, Logger, Timers } from '../../src/runtime/runtime.ts'
import type { L1BlockSummary, Unsubscribe } from './bitcoin-l1.ts'
import { L1ProtocolError, L1RpcError, L1UnavailableError } from './l1-error.ts'

export interface TipPollerOptions {
  readonly intervalMs: number
  readonly askTip: () => Promise<L1BlockSummary>
  readonly timers: Timers
  readonly log: Logger
}

interface Subscriber {
  readonly handler: (tip: L1BlockSummary) => void
  seen: BlockHash | undefined
}

export class TipPoller {
  readonly #options: TipPollerOptions
  readonly #subscribers = new Set<Subscriber>()
  #cancel: CancelTimer | undefined
  #asking = false
  #failing = false

  constructor(options: TipPollerOptions) {
    this.#options = options
  }

  subscribe(handler: (tip: L1BlockSummary) => void): Unsubscribe {
    const subscriber: Subscriber = { handler, seen: undefined }
    this.#subscribers.add(subscriber)
    this.#schedule(0)
    return () => {
      this.#subscribers.delete(subscriber)
      if (this.#subscribers.size === 0) this.#cancel?.()
    }
  }

  close(): void {
    this.#subscribers.clear()
    this.#cancel?.()
  }

  #schedule(delayMs: number): void {
    this.#cancel?.()
    this.#cancel = this.#options.timers.after(delayMs, () => void this.#poll())
  }

  async #poll(): Promise<void> {
    // A slow answer is not asked for twice; it schedules the next question itself.
    if (this.#asking) return
    this.#asking = true
    const tip = await this.#ask()
    this.#asking = false
    if (this.#subscribers.size === 0) return
    this.#schedule(this.#options.intervalMs)
    if (tip === undefined) return
    for (const subscriber of this.#subscribers) {
      if (subscriber.seen === tip.hash) continue
      subscriber.seen = tip.hash
      subscriber.handler(tip)
    }
  }

  async #ask(): Promise<L1BlockSummary | undefined> {
    const { askTip, log } = this.#options
    try {
      const tip = await askTip()
      if (this.#failing) log.info({ l1Height: tip.height }, 'L1 node answers again')
      this.#failing = false
      return tip
    } catch (error) {
      if (!isL1Failure(error)) throw error
      if (this.#subscribers.size === 0) return undefined
      if (!this.#failing) log.warn({ reason: error.message }, 'L1 node does not answer')
      this.#failing = true
      return undefined
    }
  }
}

function isL1Failure(error: unknown): error is Error {
  return (
    error instanceof L1UnavailableError ||
    error instanceof L1ProtocolError ||
    error instanceof L1RpcError
  )
}

/**
 * Keeps connections to chosen addresses for ever. libp2p's own reconnection gives up after five
 * attempts; here, upon losing the peer or failing to reach it, dial again after a jittered pause
 * that grows from 0.2 s to 5 s, and starts over once a connection has lasted.
 */

import { multiaddr } from '@multiformats/multiaddr'
import type { CancelTimer, Clock, Logger, PeerId, Random, Timers } from '../runtime/runtime.ts'
import { addressGroupOf } from './address-group.ts'
import { backoffDelayMs } from './backoff.ts'
import { type Deadline, startDeadline } from './deadline.ts'

/** A connection that lived this long was a good one: the next failure is the first. */
const STABLE_MS = 5_000

export interface RedialerDependencies {
  readonly isConnected: (peer: PeerId) => boolean
  /** A refused peer is not dialled until its time is over. */
  readonly isRefused: (peer: PeerId) => boolean
  readonly dial: (address: string, signal: AbortSignal) => Promise<void>
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly log: Logger
}

interface Target {
  readonly peer: PeerId
  readonly address: string
  /** Name of the address group where it was last found; of the address, before that. */
  group: string
  failures: number
  connectedAtMs: number | undefined
  cancelTimer: CancelTimer | undefined
  dialing: Deadline | undefined
}

export class Redialer {
  readonly #dialTimeoutMs: number
  readonly #dependencies: RedialerDependencies
  readonly #targets = new Map<string, Target>()
  #state: 'new' | 'running' | 'stopped' = 'new'

  constructor(options: { readonly dialTimeoutMs: number }, dependencies: RedialerDependencies) {
    this.#dialTimeoutMs = options.dialTimeoutMs
    this.#dependencies = dependencies
  }

  /** Adds an address for ever; adding it twice does nothing. */
  keep(peer: PeerId, address: string): void {
    if (this.#targets.has(address)) return
    const target: Target = {
      peer,
      address,
      group: addressGroupOf(multiaddr(address)).name,
      failures: 0,
      connectedAtMs: undefined,
      cancelTimer: undefined,
      dialing: undefined,
    }
    this.#targets.set(address, target)
    if (this.#state === 'running') this.#dial(target)
  }

  keeps(peer: PeerId): boolean {
    for (const target of this.#targets.values()) if (target.peer === peer) return true
    return false
  }

  /** Is one of them looked for in this address group? */
  keepsGroup(group: string): boolean {
    for (const target of this.#targets.values()) if (target.group === group) return true
    return false
  }

  start(): void {
    this.#state = 'running'
    for (const target of this.#targets.values()) this.#dial(target)
  }

  stop(): void {
    this.#state = 'stopped'
    for (const target of this.#targets.values()) {
      target.cancelTimer?.()
      target.dialing?.abort(new DOMException('stopping', 'AbortError'))
    }
  }

  peerConnected(peer: PeerId, group: string): void {
    const nowMs = this.#dependencies.clock.monotonicMs()
    for (const target of this.#targets.values()) {
      if (target.peer !== peer) continue
      target.connectedAtMs = nowMs
      target.group = group
    }
  }

  peerDisconnected(peer: PeerId): void {
    const nowMs = this.#dependencies.clock.monotonicMs()
    for (const target of this.#targets.values()) {
      if (target.peer !== peer) continue
      if (nowMs - (target.connectedAtMs ?? nowMs) >= STABLE_MS) target.failures = 0
      target.connectedAtMs = undefined
      this.#dialLater(target)
    }
  }

  #dialLater(target: Target): void {
    if (this.#state !== 'running' || target.cancelTimer !== undefined) return
    const { timers, random } = this.#dependencies
    const delayMs = backoffDelayMs(target.failures, random)
    target.failures += 1
    target.cancelTimer = timers.after(delayMs, () => {
      target.cancelTimer = undefined
      this.#dial(target)
    })
  }

  #dial(target: Target): void {
    if (this.#state !== 'running' || target.dialing !== undefined) return
    const { isConnected, isRefused, dial, timers, log } = this.#dependencies
    if (isConnected(target.peer)) return
    if (isRefused(target.peer)) {
      this.#dialLater(target)
      return
    }
    const deadline = startDeadline(timers, this.#dialTimeoutMs)
    target.dialing = deadline
    dial(target.address, deadline.signal)
      .catch((cause: unknown) => {
        log.debug({ address: target.address, error: String(cause) }, 'dial failed')
      })
      .finally(() => {
        deadline.clear()
        target.dialing = undefined
        if (!isConnected(target.peer)) this.#dialLater(target)
      })
      .catch((cause: unknown) => log.error({ error: String(cause) }, 'redialling failed'))
  }
}

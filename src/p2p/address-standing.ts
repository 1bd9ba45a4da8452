/**
 * What is remembered of address groups, since a stranger changes its peer id for nothing: how fast
 * they connect, and how often they had to be sent away. Bounded: the least recently seen is forgotten.
 * Local groups (see `address-group.ts`) are not counted.
 */

import type { Clock } from '../runtime/runtime.ts'
import type { AddressGroup } from './address-group.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

const REMEMBERED_MAX = 4_096
const CONNECTIONS: Rate = { burst: 20, perSecond: 2 }
/** The fourth misbehaving peer within a few minutes; then one every five minutes. */
const OFFENCES: Rate = { burst: 3, perSecond: 1 / 300 }

interface Standing {
  readonly connections: TokenBucket
  readonly offences: TokenBucket
  /** Monotonic, ms. */
  refusedUntilMs: number
}

export class AddressStanding {
  readonly #clock: Clock
  readonly #refusalMs: number
  /** By name of group, the least recently seen first. */
  readonly #standings = new Map<string, Standing>()

  constructor(options: { readonly addressRefusalMs: number }, clock: Clock) {
    this.#refusalMs = options.addressRefusalMs
    this.#clock = clock
  }

  /** Counts a connection; false when they come too fast. */
  mayConnect(group: AddressGroup): boolean {
    return group.isLocal || this.#of(group).connections.take(this.#clock.monotonicMs())
  }

  /** A peer there had to be sent away. */
  offended(group: AddressGroup): void {
    if (group.isLocal) return
    const nowMs = this.#clock.monotonicMs()
    const standing = this.#of(group)
    if (!standing.offences.take(nowMs)) standing.refusedUntilMs = nowMs + this.#refusalMs
  }

  isRefused(group: AddressGroup): boolean {
    const standing = this.#standings.get(group.name)
    return standing !== undefined && this.#clock.monotonicMs() < standing.refusedUntilMs
  }

  #of({ name }: AddressGroup): Standing {
    const nowMs = this.#clock.monotonicMs()
    const standing = this.#standings.get(name) ?? {
      connections: new TokenBucket(CONNECTIONS, nowMs),
      offences: new TokenBucket(OFFENCES, nowMs),
      refusedUntilMs: Number.NEGATIVE_INFINITY,
    }
    this.#standings.delete(name)
    this.#standings.set(name, standing)
    for (const oldest of this.#standings.keys()) {
      if (this.#standings.size <= REMEMBERED_MAX) break
      this.#standings.delete(oldest)
    }
    return standing
  }
}

/**
 * Inbound connections whose handshake is under way, bounded for each address group and in all. At a
 * bound the oldest makes room for the newest: an honest handshake is over within a few round trips,
 * so whoever holds many open without finishing them displaces only itself.
 */

import type { AddressGroup } from './address-group.ts'
import { HANDSHAKES_PER_GROUP, HANDSHAKES_PER_LOCAL_GROUP, MAX_HANDSHAKES } from './limits.ts'

/** What is needed of libp2p's unencrypted connection. */
export interface PendingConnection {
  abort(reason: Error): void
  addEventListener(type: 'close', listener: () => void): void
}

export class HandshakeError extends Error {
  override readonly name = 'HandshakeError'
}

export class Handshakes {
  readonly #onDisplaced: () => void
  /** Oldest first. */
  readonly #pending = new Map<PendingConnection, AddressGroup>()

  constructor(onDisplaced: () => void) {
    this.#onDisplaced = onDisplaced
  }

  get count(): number {
    return this.#pending.size
  }

  begin(connection: PendingConnection, group: AddressGroup): void {
    const limit = group.isLocal ? HANDSHAKES_PER_LOCAL_GROUP : HANDSHAKES_PER_GROUP
    const ofGroup = [...this.#pending].filter(([, { name }]) => name === group.name)
    const [oldestOfGroup] = ofGroup
    const [oldest] = this.#pending.keys()
    if (ofGroup.length >= limit && oldestOfGroup !== undefined) this.#displace(oldestOfGroup[0])
    else if (this.#pending.size >= MAX_HANDSHAKES && oldest !== undefined) this.#displace(oldest)
    this.#pending.set(connection, group)
    connection.addEventListener('close', () => this.end(connection))
  }

  end(connection: PendingConnection): void {
    this.#pending.delete(connection)
  }

  #displace(connection: PendingConnection): void {
    this.#pending.delete(connection)
    this.#onDisplaced()
    connection.abort(new HandshakeError('handshake too slow'))
  }
}

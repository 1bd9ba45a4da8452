/** What the network layer has done and turned away since it started, for status pages and metrics. */

const NOTHING_YET = {
  /** Connections turned away: the operator's choice, a peer or an address that misbehaved, … */
  refusedUnwelcome: 0,
  refusedMisbehaved: 0,
  refusedAddress: 0,
  /** … too many in a short time from one address, too many at a time, too many of one peer. */
  refusedAddressRate: 0,
  refusedAddressFull: 0,
  refusedDuplicate: 0,
  /** Handshakes given up for newer ones. */
  handshakesDisplaced: 0,
  peersDisconnected: 0,
  observersEvicted: 0,
  framesReceived: 0,
  bytesReceived: 0,
  /** Frames taken for sending, with their bytes; and those that a full queue did not take. */
  framesSent: 0,
  bytesSent: 0,
  framesNotQueued: 0,
  /** Frames read past: of peers that have not proved to be validators, and of those too fast. */
  framesOfStrangers: 0,
  framesOverRate: 0,
  gossipAccepted: 0,
  gossipIgnored: 0,
  gossipRejected: 0,
  gossipOverRate: 0,
  /** Connections closed because gossip had died on them. */
  gossipRepairs: 0,
  requestsServed: 0,
  requestsDelayed: 0,
  requestsDeclined: 0,
}

export type CounterName = keyof typeof NOTHING_YET

export type CounterValues = Readonly<Record<CounterName, number>>

export class NetworkCounters {
  readonly #values: Record<CounterName, number> = { ...NOTHING_YET }

  count(name: CounterName, by = 1): void {
    this.#values[name] += by
  }

  values(): CounterValues {
    return { ...this.#values }
  }
}

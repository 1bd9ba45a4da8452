/** What the HTTP server allows its clients, so that no client can harm the node or the others. */

export interface ApiLimits {
  /** Longest request body. A standard transaction of 400,000 weight units is 800,000 hex digits. */
  readonly bodyBytesMax: number
  /** A request that takes longer is answered with 504; event streams are exempt. */
  readonly requestTimeoutMs: number
  /** Sustained rate of one remote address, and how much it may save up. */
  readonly requestsPerSecond: number
  readonly requestBurst: number
  /** The same for this machine's own programs: wallets scan in bursts of thousands. */
  readonly loopbackRequestsPerSecond: number
  readonly loopbackRequestBurst: number
  /** Deposit addresses asked for, deposits named, and proofs of reserves, by one remote address in a minute. */
  readonly scarcePerMinute: number
  /** Transactions of one remote address in a minute that may fail at their scripts. */
  readonly failedScriptsPerMinute: number
  /** Milliseconds of dry runs for one remote address in a minute. */
  readonly dryRunMsPerMinute: number
  /** Remote addresses remembered for the rates; the longest unseen is forgotten first. */
  readonly trackedAddressesMax: number
  /** Requests that walk through history at the same time, and those that wait their turn. */
  readonly concurrentScans: number
  readonly queuedScansMax: number
  /** Proofs of reserves under way, and how long the download of one may take. */
  readonly reservesProofsMax: number
  readonly reservesProofMs: number
  /** Open event streams in all and of one remote address. */
  readonly subscribersMax: number
  readonly subscribersPerAddressMax: number
  /** Bytes that wait for a subscriber before it counts as too slow and is cut off. */
  readonly subscriberBacklogBytesMax: number
  readonly heartbeatMs: number
  /** Past events kept for subscribers that come back. */
  readonly replayEventsMax: number
  /** Open connections in all, and of one remote address; this machine's own only count in all. */
  readonly connectionsMax: number
  readonly connectionsPerAddressMax: number
}

export const DEFAULT_API_LIMITS: ApiLimits = {
  bodyBytesMax: 1_000_000,
  requestTimeoutMs: 10_000,
  requestsPerSecond: 50,
  requestBurst: 500,
  loopbackRequestsPerSecond: 5_000,
  loopbackRequestBurst: 50_000,
  scarcePerMinute: 20,
  failedScriptsPerMinute: 6,
  dryRunMsPerMinute: 2_000,
  trackedAddressesMax: 10_000,
  concurrentScans: 4,
  queuedScansMax: 256,
  reservesProofsMax: 4,
  reservesProofMs: 120_000,
  subscribersMax: 500,
  subscribersPerAddressMax: 8,
  subscriberBacklogBytesMax: 64 * 1024,
  heartbeatMs: 15_000,
  replayEventsMax: 1_000,
  connectionsMax: 2_000,
  connectionsPerAddressMax: 100,
}
